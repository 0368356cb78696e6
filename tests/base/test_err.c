#include "support/asserts.h"

#include "base/err.h"

#include <errno.h>

static void wraps_outermost_first(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, ERR_NET, "connection to %s refused", "x"), -1);
    assert_int_equal(err_wrap(&e, "fetching %d", 7), -1);
    assert_string_equal(e.msg, "fetching 7: connection to x refused");
    assert_int_equal(e.code, ERR_NET);
    assert_int_equal(e.retry_after_s, -1);
}

static void system_errors_carry_errno_and_its_text(void **state)
{
    struct err e;

    (void)state;
    errno = ENOENT;
    assert_int_equal(err_sys(&e, "opening %s", "/x"), -1);
    assert_string_equal(e.msg, "opening /x: No such file or directory");
    assert_int_equal(e.detail, ENOENT);
}

static void long_messages_lose_their_middle_and_keep_both_ends(void **state)
{
    struct err e;

    (void)state;
    err_set(&e, ERR_HTTP, "%s", "innermost");
    for (int i = 0; i < 400; i++)
        err_wrap(&e, "level %d", i);
    assert_true(strlen(e.msg) < ERR_MSG_SIZE);
    assert_int_equal(strncmp(e.msg, "level 399: level 398", 20), 0);
    assert_non_null(strstr(e.msg, " [...] "));
    assert_non_null(strstr(e.msg, "level 0: innermost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_outermost_first),
        cmocka_unit_test(system_errors_carry_errno_and_its_text),
        cmocka_unit_test(long_messages_lose_their_middle_and_keep_both_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
