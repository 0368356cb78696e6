#include "support/asserts.h"

#include "support/fake_source.h"

static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 0xa1, 0xa2 };

static const struct fake_answer a_report[] = { { ERR_NONE, 7 } };
static const struct fake_answer absent[] = { { ERR_UNSUPPORTED, 0 } };

static void gives_the_report_that_carries_the_data(void **state)
{
    struct fake_source f;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    fake_source_init(&f, a_report, 1);
    assert_ok(report_source_fetch(&f.base, data, report, &e));
    assert_memory_equal(report + 0x50, data, sizeof(data));
}

static void refuses_a_report_with_other_data(void **state)
{
    struct fake_source f;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    fake_source_init(&f, a_report, 1);
    f.wrong_report_data = true;
    assert_fails(ERR_CHECK, "another REPORT_DATA", report_source_fetch(&f.base, data, report, &e));
    assert_int_equal(report[0x50], 0); /* output untouched */
}

static void asks_in_order_until_one_is_there(void **state)
{
    struct fake_source a, b, c;
    struct report_source *first = NULL;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    fake_source_init(&a, absent, 1);
    fake_source_init(&b, a_report, 1);
    fake_source_init(&c, a_report, 1);
    assert_ok(
        source_first_new((struct report_source *[]){ &a.base, &b.base, &c.base }, 3, &first, &e));
    assert_string_equal(report_source_name(first), "none");
    assert_ok(report_source_fetch(first, data, report, &e));
    assert_string_equal(report_source_name(first), "fake");
    assert_int_equal(a.n_fetched, 1);
    assert_int_equal(b.n_fetched, 1);
    assert_int_equal(c.n_fetched, 0);
    report_source_close(first);
}

/* A device that failed is not replaced by another: that could be a simulated one. */
static void does_not_go_on_after_a_failure(void **state)
{
    static const enum err_code codes[] = { ERR_SYS,  ERR_CHECK,   ERR_NET,
                                           ERR_HTTP, ERR_TIMEOUT, ERR_NOMEM };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const struct fake_answer broken[] = { { codes[i], 0 } };
        struct fake_source a, b;
        struct report_source *first = NULL;
        uint8_t report[SNP_REPORT_SIZE];
        struct err e;

        fake_source_init(&a, broken, 1);
        fake_source_init(&b, a_report, 1);
        assert_ok(source_first_new((struct report_source *[]){ &a.base, &b.base }, 2, &first, &e));
        assert_fails(codes[i], "report source fake", report_source_fetch(first, data, report, &e));
        assert_int_equal(b.n_fetched, 0);
        report_source_close(first);
    }
}

static void a_wrong_report_is_a_failure_too(void **state)
{
    struct fake_source a, b;
    struct report_source *first = NULL;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    fake_source_init(&a, a_report, 1);
    fake_source_init(&b, a_report, 1);
    a.wrong_report_data = true;
    assert_ok(source_first_new((struct report_source *[]){ &a.base, &b.base }, 2, &first, &e));
    assert_fails(ERR_CHECK, "another REPORT_DATA", report_source_fetch(first, data, report, &e));
    assert_int_equal(b.n_fetched, 0);
    report_source_close(first);
}

/* Never a made-up report: the original served one as if it were real. */
static void says_what_was_looked_for_when_nothing_is_there(void **state)
{
    struct report_source *sources[2] = { NULL, NULL };
    struct report_source *first = NULL;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    uint8_t before[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    assert_ok(source_sev_guest_new("/nonexistent/sev-guest", &sources[0], &e));
    assert_ok(source_sev_new("/nonexistent/sev", &sources[1], &e));
    assert_ok(source_first_new(sources, 2, &first, &e));
    assert_fails(ERR_UNSUPPORTED,
                 "opening /nonexistent/sev-guest: No such file or directory; "
                 "opening /nonexistent/sev: No such file",
                 report_source_fetch(first, data, report, &e));
    assert_memory_equal(report, before, sizeof(report));
    report_source_close(first);
}

static void a_source_that_appears_later_is_found(void **state)
{
    static const struct fake_answer later[] = { { ERR_UNSUPPORTED, 0 }, { ERR_NONE, 7 } };
    struct fake_source a;
    struct report_source *first = NULL;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    fake_source_init(&a, later, 2);
    assert_ok(source_first_new((struct report_source *[]){ &a.base }, 1, &first, &e));
    assert_fails(ERR_UNSUPPORTED, "no source", report_source_fetch(first, data, report, &e));
    assert_ok(report_source_fetch(first, data, report, &e));
    report_source_close(first);
}

static void owns_its_sources_also_when_it_cannot_be_made(void **state)
{
    struct fake_source f[REPORT_SOURCE_MAX + 1];
    struct report_source *list[REPORT_SOURCE_MAX + 1];
    bool closed[REPORT_SOURCE_MAX + 1] = { false };
    struct report_source *first = NULL;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        fake_source_init(&f[i], a_report, 1);
        f[i].closed = &closed[i];
        list[i] = &f[i].base;
    }
    assert_fails(ERR_ARG, "5 report sources", source_first_new(list, ARRAY_LEN(list), &first, &e));
    assert_null(first);
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        assert_true(closed[i]);
    assert_fails(ERR_ARG, "0 report sources", source_first_new(list, 0, &first, &e));
    report_source_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_report_that_carries_the_data),
        cmocka_unit_test(refuses_a_report_with_other_data),
        cmocka_unit_test(asks_in_order_until_one_is_there),
        cmocka_unit_test(does_not_go_on_after_a_failure),
        cmocka_unit_test(a_wrong_report_is_a_failure_too),
        cmocka_unit_test(says_what_was_looked_for_when_nothing_is_there),
        cmocka_unit_test(a_source_that_appears_later_is_found),
        cmocka_unit_test(owns_its_sources_also_when_it_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
