#include "support/asserts.h"

#include "base/buf.h"
#include "base/str.h"

static void grows_and_keeps_its_content(void **state)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    struct err e;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_ok(buf_printf(&b, &e, "%04d", i));
    assert_int_equal(b.n, 4000);
    assert_memory_equal(b.p, "00000001", 8);
    assert_memory_equal(b.p + 3996, "0999", 4);
    assert_int_equal(strlen(buf_cstr(&b)), 4000);
}

static void refuses_sizes_that_overflow(void **state)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    uint8_t *to = NULL;
    struct err e;

    (void)state;
    assert_ok(buf_add_str(&b, "x", &e));
    assert_fails(ERR_NOMEM, "memory", buf_reserve(&b, SIZE_MAX / 2, &to, &e));
    assert_null(to);
    assert_int_equal(b.n, 1);
}

static void is_empty_after_done_and_may_be_done_twice(void **state)
{
    struct buf b = { 0 };
    struct err e;

    (void)state;
    assert_ok(buf_add_str(&b, "secret", &e));
    buf_done(&b);
    buf_done(&b);
    assert_null(b.p);
    assert_int_equal(b.n + b.cap, 0);
}

static void reads_whole_numbers_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        int base;
        uint64_t max, want;
        bool ok;
    } cases[] = {
        { "0", 10, 9, 0, true },
        { "9", 10, 9, 9, true },
        { "10", 10, 9, 0, false },
        { "ffffffffffffffff", 16, UINT64_MAX, UINT64_MAX, true },
        { "10000000000000000", 16, UINT64_MAX, 0, false },
        { "DB18000000000004", 16, UINT64_MAX, UINT64_C(0xdb18000000000004), true },
        { "", 10, 9, 0, false },
        { " 1", 10, 9, 0, false },
        { "1 ", 10, 9, 0, false },
        { "+1", 10, 9, 0, false },
        { "-1", 10, UINT64_MAX, 0, false },
        { "0x1", 16, 99, 0, false },
        { "1g", 16, 99, 0, false },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 12345;
        const int rc = str_to_u64(cases[i].text, cases[i].base, cases[i].max, &v, &e);
        assert_int_equal(rc == 0, cases[i].ok);
        assert_true(v == (cases[i].ok ? cases[i].want : 12345));
    }
}

static void quotes_foreign_text_without_control_characters_and_cut_in_the_middle(void **state)
{
    char out[64];

    (void)state;
    str_quote(span_of("a\nb\0c\x7f", 6), 32, out);
    assert_string_equal(out, "a.b.c.");
    str_quote(span_str("0123456789abcdefghijklmnopqrstuvwxyz"), 20, out);
    assert_string_equal(out, "0123456 [...] uvwxyz");
}

static void finds_text_in_bytes(void **state)
{
    (void)state;
    assert_true(str_contains_nocase(span_str("Does Not Meet"), "not meet"));
    assert_false(str_contains_nocase(span_str("Does Not"), "not meet"));
    assert_true(str_contains_nocase(span_str(""), ""));
    assert_true(str_ends_with("a.vault.azure.net", ".vault.azure.net"));
    assert_false(str_ends_with("net", ".vault.azure.net"));
    assert_false(str_contains(span_of(NULL, 0), "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_its_content),
        cmocka_unit_test(refuses_sizes_that_overflow),
        cmocka_unit_test(is_empty_after_done_and_may_be_done_twice),
        cmocka_unit_test(reads_whole_numbers_and_nothing_else),
        cmocka_unit_test(quotes_foreign_text_without_control_characters_and_cut_in_the_middle),
        cmocka_unit_test(finds_text_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
