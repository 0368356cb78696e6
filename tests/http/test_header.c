#include "support/asserts.h"

#include "http/header.h"

static void reads_both_forms_of_retry_after(void **state)
{
    static const struct {
        const char *value;
        int seconds;
    } cases[] = {
        { "0", 0 },
        { "7", 7 },
        { "3600", 3600 },
        { "3601", 3600 },
        { "99999999999999999999999999999999", 3600 },
        /* RFC 9110 §5.6.7 names this moment 784111777 */
        { "Sun, 06 Nov 1994 08:49:37 GMT", 37 },
        { "Sun, 06 Nov 1994 08:49:00 GMT", 0 },
        { "Sun, 06 Nov 1994 07:00:00 GMT", 0 },
        { "Sun, 06 Nov 1999 07:00:00 GMT", 3600 },
        { "Sun, 06 Nov 1994 08:49:37", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT+1", -1 },
        { "Sun, 06 Nov 1994 08:49:37 PST and so on, at length", -1 },
        { "", -1 },
        { "-1", -1 },
        { "+1", -1 },
        { "1.5", -1 },
        { "1 s", -1 },
        { "soon", -1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(header_retry_after_s(span_str(cases[i].value), 784111740),
                         cases[i].seconds);
    assert_int_equal(header_retry_after_s(span_of("1\0", 2), 0), -1);
}

static void tells_fields_that_would_become_two(void **state)
{
    assert_true(header_is_sendable("Content-Type", "application/json; charset=utf-8"));
    assert_true(header_is_sendable("x-empty", ""));
    assert_true(header_is_sendable("x-any", "a\tb \xc3\xa4"));
    assert_false(header_is_sendable("", "x"));
    assert_false(header_is_sendable("a b", "x"));
    assert_false(header_is_sendable("a:", "x"));
    assert_false(header_is_sendable("a\r\nb", "x"));
    assert_false(header_is_sendable("a\xc3", "x"));
    assert_false(header_is_sendable("Authorization", "Bearer x\r\nHost: evil"));
    assert_false(header_is_sendable("Authorization", "Bearer x\n"));
    assert_false(header_is_sendable("Authorization", "x\x01"));
    assert_false(header_is_sendable("Authorization", "x\x7f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_forms_of_retry_after),
        cmocka_unit_test(tells_fields_that_would_become_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
