#include "support/asserts.h"

#include "crypto/jwk.h"
#include "crypto/key_data.h"
#include "crypto/keywrap.h"

/* RFC 5649 §6. */
static const struct {
    const char *kek, *key, *wrapped;
} rfc5649[] = {
    { "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
      "c37b7e6492584340bed12207808941155068f738",
      "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a" },
    { "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369",
      "afbeb0f07dfbf5419200f2ccb50bb24f" },
};

static void check_both_ways(const struct buf *kek, const struct buf *key, const struct buf *wrapped)
{
    CLEANUP(buf_done) struct buf there = { 0 };
    CLEANUP(buf_done) struct buf back = { 0 };
    struct err e;

    assert_ok(keywrap_wrap(buf_span(kek), buf_span(key), &there, &e));
    assert_span_equal(buf_span(&there), buf_span(wrapped));
    assert_ok(buf_add_str(&back, "before", &e));
    assert_ok(keywrap_unwrap(buf_span(kek), buf_span(wrapped), &back, &e));
    assert_span_equal(span_of(back.p, 6), span_str("before"));
    assert_span_equal(span_of(back.p + 6, back.n - 6), buf_span(key));
}

static void wraps_as_the_rfc_does(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rfc5649); i++) {
        CLEANUP(buf_done) struct buf kek = { 0 };
        CLEANUP(buf_done) struct buf key = { 0 };
        CLEANUP(buf_done) struct buf wrapped = { 0 };
        struct err e;

        assert_ok(hex_decode(span_str(rfc5649[i].kek), &kek, &e));
        assert_ok(hex_decode(span_str(rfc5649[i].key), &key, &e));
        assert_ok(hex_decode(span_str(rfc5649[i].wrapped), &wrapped, &e));
        check_both_ways(&kek, &key, &wrapped);
    }
}

static void wraps_as_another_library_does(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("keywrap.json");
    const json_t *good = json_object_get(data, "good");
    size_t i;
    json_t *c;

    assert_true(json_array_size(good) >= 24);
    json_array_foreach (good, i, c) {
        CLEANUP(buf_done) struct buf kek = { 0 };
        CLEANUP(buf_done) struct buf key = { 0 };
        CLEANUP(buf_done) struct buf wrapped = { 0 };

        key_data_hex(c, "kek", &kek);
        key_data_hex(c, "key", &key);
        key_data_hex(c, "wrapped", &wrapped);
        check_both_ways(&kek, &key, &wrapped);
    }
}

static void unwraps_a_published_release(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("published.json");
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *rsa = NULL;
    CLEANUP(buf_done) struct buf material = { 0 };
    CLEANUP(buf_done) struct buf blob = { 0 };
    CLEANUP(buf_done) struct buf want = { 0 };
    CLEANUP(buf_done) struct buf kek = { 0 };
    CLEANUP(buf_done) struct buf key = { 0 };
    struct err e;

    key_data_b64(data, "material", &material);
    key_data_b64(data, "wrapped", &blob);
    key_data_hex(data, "key", &want);
    assert_ok(jwk_from_material(JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    assert_ok(jwk_to_rsa(jwk, &rsa, &e));
    const size_t n = rsa_key_size(rsa);
    assert_ok(rsa_oaep_decrypt(rsa, DIGEST_SHA1, span_of(blob.p, n), &kek, &e));
    assert_ok(keywrap_unwrap(buf_span(&kek), span_of(blob.p + n, blob.n - n), &key, &e));
    assert_span_equal(buf_span(&key), buf_span(&want));

    /* The same blob called RSA_AES_KEY_WRAP_256. */
    buf_done(&kek);
    assert_fails(ERR_CHECK, "RSA-OAEP decryption failed",
                 rsa_oaep_decrypt(rsa, DIGEST_SHA256, span_of(blob.p, n), &kek, &e));
    assert_int_equal(kek.n, 0);
}

static void every_bit_of_the_wrapping_counts(void **state)
{
    CLEANUP(buf_done) struct buf kek = { 0 };
    CLEANUP(buf_done) struct buf wrapped = { 0 };
    CLEANUP(buf_done) struct buf key = { 0 };
    struct err e;

    assert_ok(hex_decode(span_str(rfc5649[0].kek), &kek, &e));
    assert_ok(hex_decode(span_str(rfc5649[0].wrapped), &wrapped, &e));
    for (size_t i = 0; i < 8 * wrapped.n; i++) {
        wrapped.p[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_fails(ERR_CHECK, "AES key unwrapping failed",
                     keywrap_unwrap(buf_span(&kek), buf_span(&wrapped), &key, &e));
        wrapped.p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    kek.p[13] ^= 1;
    assert_fails(ERR_CHECK, "AES key unwrapping failed",
                 keywrap_unwrap(buf_span(&kek), buf_span(&wrapped), &key, &e));
    assert_int_equal(key.n, 0);
}

static void refuses_what_lies_about_length_or_padding(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("keywrap.json");
    CLEANUP(buf_done) struct buf kek = { 0 };
    const char *name;
    json_t *value;
    size_t n = 0;

    key_data_hex(data, "kek", &kek);
    json_object_foreach (json_object_get(data, "lies"), name, value) {
        CLEANUP(buf_done) struct buf wrapped = { 0 };
        CLEANUP(buf_done) struct buf key = { 0 };
        struct err e;

        assert_ok(hex_decode(span_str(json_string_value(value)), &wrapped, &e));
        if (keywrap_unwrap(buf_span(&kek), buf_span(&wrapped), &key, &e) == 0)
            fail_msg("unwrapped one with \"%s\"", name);
        assert_int_equal(e.code, ERR_CHECK);
        assert_int_equal(key.n, 0);
        n++;
    }
    assert_int_equal(n, 9);
}

static void refuses_sizes(void **state)
{
    static const uint8_t zeros[64 * 1024 + 16];
    static const struct {
        size_t kek, plain;
        enum err_code code;
        const char *needle;
    } wraps[] = {
        { 0, 16, ERR_ARG, "an AES key of 0 bytes" },
        { 15, 16, ERR_ARG, "an AES key of 15 bytes" },
        { 33, 16, ERR_ARG, "an AES key of 33 bytes" },
        { 16, 0, ERR_CHECK, "0 bytes cannot be wrapped" },
        { 16, 64 * 1024 + 1, ERR_CHECK, "65537 bytes cannot be wrapped" },
    };
    static const struct {
        size_t kek, wrapped;
        enum err_code code;
        const char *needle;
    } unwraps[] = {
        { 20, 16, ERR_ARG, "an AES key of 20 bytes" },
        { 16, 0, ERR_CHECK, "0 bytes are no wrapped key" },
        { 16, 8, ERR_CHECK, "8 bytes are no wrapped key" },
        { 16, 15, ERR_CHECK, "15 bytes are no wrapped key" },
        { 16, 17, ERR_CHECK, "17 bytes are no wrapped key" },
        { 16, 28, ERR_CHECK, "28 bytes are no wrapped key" },
        { 16, 64 * 1024 + 16, ERR_CHECK, "65552 bytes are no wrapped key" },
    };
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(wraps); i++)
        assert_fails(
            wraps[i].code, wraps[i].needle,
            keywrap_wrap(span_of(zeros, wraps[i].kek), span_of(zeros, wraps[i].plain), &out, &e));
    for (size_t i = 0; i < ARRAY_LEN(unwraps); i++)
        assert_fails(unwraps[i].code, unwraps[i].needle,
                     keywrap_unwrap(span_of(zeros, unwraps[i].kek),
                                    span_of(zeros, unwraps[i].wrapped), &out, &e));
    assert_int_equal(out.n, 0);
    assert_ok(keywrap_wrap(span_of(zeros, 16), span_of(zeros, 64 * 1024), &out, &e));
    assert_int_equal(out.n, 64 * 1024 + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_as_the_rfc_does),
        cmocka_unit_test(wraps_as_another_library_does),
        cmocka_unit_test(unwraps_a_published_release),
        cmocka_unit_test(every_bit_of_the_wrapping_counts),
        cmocka_unit_test(refuses_what_lies_about_length_or_padding),
        cmocka_unit_test(refuses_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
