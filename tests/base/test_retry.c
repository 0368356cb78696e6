#include "support/asserts.h"

#include "base/retry.h"

#define PLENTY 1000000

static struct err failure(enum err_code code, int detail, int retry_after_s)
{
    return (struct err){ .code = code, .detail = detail, .retry_after_s = retry_after_s };
}

/* Number of attempts that are made when each one fails in the same way. */
static int attempts(enum retry_kind kind, struct err e, int64_t left_ms)
{
    struct retry r = { .kind = kind };
    int64_t pause = 0;
    int n = 1;

    while (retry_again(&r, &e, left_ms, 0, &pause))
        n++;
    return n;
}

static void follows_the_table(void **state)
{
    static const struct {
        enum retry_kind kind;
        enum err_code code;
        int detail, attempts;
    } cases[] = {
        { RETRY_SERVICE, ERR_NET, 0, 4 },     { RETRY_SERVICE, ERR_HTTP, 500, 4 },
        { RETRY_SERVICE, ERR_HTTP, 503, 4 },  { RETRY_SERVICE, ERR_HTTP, 429, 4 },
        { RETRY_SERVICE, ERR_TIMEOUT, 0, 2 }, { RETRY_SERVICE, ERR_HTTP, 408, 2 },
        { RETRY_SERVICE, ERR_HTTP, 400, 1 },  { RETRY_SERVICE, ERR_HTTP, 401, 1 },
        { RETRY_SERVICE, ERR_HTTP, 403, 1 },  { RETRY_SERVICE, ERR_HTTP, 404, 1 },
        { RETRY_SERVICE, ERR_HTTP, 410, 1 },  { RETRY_SERVICE, ERR_HTTP, 302, 1 },
        { RETRY_SERVICE, ERR_TLS, 0, 1 },     { RETRY_SERVICE, ERR_PARSE, 0, 1 },
        { RETRY_METADATA, ERR_HTTP, 404, 4 }, { RETRY_METADATA, ERR_HTTP, 410, 4 },
        { RETRY_METADATA, ERR_HTTP, 400, 1 }, { RETRY_METADATA, ERR_HTTP, 403, 1 },
        { RETRY_METADATA, ERR_HTTP, 429, 4 }, { RETRY_METADATA, ERR_NET, 0, 4 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(
            attempts(cases[i].kind, failure(cases[i].code, cases[i].detail, -1), PLENTY),
            cases[i].attempts);
}

static void pauses_double_and_jitter_only_lengthens(void **state)
{
    struct err e = failure(ERR_HTTP, 503, -1);
    int64_t pause = 0;

    (void)state;
    for (uint32_t random = 0; random < 256; random += 85) {
        struct retry r = { .kind = RETRY_SERVICE };
        struct retry m = { .kind = RETRY_METADATA };
        for (int64_t base = 100; base <= 400; base *= 2) {
            assert_true(retry_again(&r, &e, PLENTY, random, &pause));
            assert_in_range(pause, base, base + base / 4);
        }
        for (int64_t base = 1000; base <= 4000; base *= 2) {
            assert_true(retry_again(&m, &e, PLENTY, random, &pause));
            assert_in_range(pause, base, base + base / 4);
        }
    }
}

static void honours_retry_after_within_the_deadline(void **state)
{
    struct err e = failure(ERR_HTTP, 429, 3);
    struct retry r = { .kind = RETRY_SERVICE };
    int64_t pause = 0;

    (void)state;
    assert_true(retry_again(&r, &e, 3001, 0, &pause));
    assert_int_equal(pause, 3000);
    assert_false(retry_again(&r, &e, 3000, 0, &pause));
    assert_int_equal(attempts(RETRY_SERVICE, failure(ERR_NET, 0, -1), 50), 1);
}

static void a_time_out_after_other_failures_is_retried_once(void **state)
{
    struct err reset = failure(ERR_NET, 0, -1), late = failure(ERR_TIMEOUT, 0, -1);
    struct retry r = { .kind = RETRY_SERVICE };
    int64_t pause = 0;

    (void)state;
    assert_true(retry_again(&r, &reset, PLENTY, 0, &pause));
    assert_true(retry_again(&r, &late, PLENTY, 0, &pause));
    assert_false(retry_again(&r, &late, PLENTY, 0, &pause));
}

static void background_work_waits_at_most_a_minute_and_a_quarter(void **state)
{
    (void)state;
    assert_int_equal(retry_background_ms(1, 0), 1000);
    assert_int_equal(retry_background_ms(3, 0), 4000);
    assert_int_equal(retry_background_ms(1000, 0), 60000);
    assert_true(retry_background_ms(1000, 255) <= 75000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_table),
        cmocka_unit_test(pauses_double_and_jitter_only_lengthens),
        cmocka_unit_test(honours_retry_after_within_the_deadline),
        cmocka_unit_test(a_time_out_after_other_failures_is_retried_once),
        cmocka_unit_test(background_work_waits_at_most_a_minute_and_a_quarter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
