#include "support/asserts.h"

#include "base/buf.h"
#include "codec/hex.h"
#include "crypto/digest.h"

/* FIPS 180-4 examples: the empty message, one block, two blocks. */
static const struct {
    const char *message, *sha256, *sha384;
} examples[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898"
      "b95b" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c8"
      "25a7" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6b0455a8520bc4e6f5fe95b1fe3c8"
      "452b" },
};

static void hashes_as_the_standard_does(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        uint8_t sha256[SHA256_SIZE], sha384[SHA384_SIZE];
        char text[2 * SHA384_SIZE + 1];
        struct err e;

        assert_ok(digest_sha256(span_str(examples[i].message), sha256, &e));
        hex_format(sha256, sizeof(sha256), text);
        assert_string_equal(text, examples[i].sha256);
        assert_ok(digest_sha384(span_str(examples[i].message), sha384, &e));
        hex_format(sha384, sizeof(sha384), text);
        assert_string_equal(text, examples[i].sha384);
    }
}

static void names_with_sha1(void **state)
{
    uint8_t sha1[SHA1_SIZE];
    char text[2 * SHA1_SIZE + 1];
    struct err e;

    assert_ok(digest_sha1(span_str("abc"), sha1, &e));
    hex_format(sha1, sizeof(sha1), text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void hashes_a_span_that_points_nowhere(void **state)
{
    uint8_t sha256[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];
    struct err e;

    assert_ok(digest_sha256((struct span){ 0 }, sha256, &e));
    hex_format(sha256, sizeof(sha256), text);
    assert_string_equal(text, examples[0].sha256);
}

static void compares_content_and_length(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "", "", true },
        { "secret", "secret", true },
        { "secret", "secreT", false },
        { "Secret", "secret", false },
        { "secret", "secre", false },
        { "", "s", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(digest_equal(span_str(cases[i].a), span_str(cases[i].b)), cases[i].equal);
    assert_true(digest_equal((struct span){ 0 }, (struct span){ 0 }));
    assert_true(digest_equal(span_of("a\0b", 3), span_of("a\0b", 3)));
    assert_false(digest_equal(span_of("a\0b", 3), span_of("a\0c", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_standard_does),
        cmocka_unit_test(names_with_sha1),
        cmocka_unit_test(hashes_a_span_that_points_nowhere),
        cmocka_unit_test(compares_content_and_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
