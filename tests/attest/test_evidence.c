/* Firmware that changes its TCB at each possible moment, and certificates that follow or not. */
#include "support/asserts.h"

#include "attest/evidence.h"
#include "support/fake_source.h"
#include "support/fake_thim.h"

#define OLD 0x7308000000000003u
#define NEW 0xdb18000000000004u

static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 0x5a };

struct setup {
    struct fake_source source;
    struct fake_thim thim;
    struct device_thread *device;
    struct cert_store *certs;
};

static int64_t in_ms(int64_t ms)
{
    return clock_now_ms(clock_system()) + ms;
}

static struct cert_chain *chain_of(uint64_t tcb)
{
    struct thim_certs certs = { 0 };
    struct cert_chain *c = NULL;
    char json[512];
    struct err e;

    fake_thim_format(tcb, json, sizeof(json));
    assert_ok(thim_parse(span_str(json), &certs, &e));
    assert_ok(cert_chain_new(&certs, 0, &c, &e));
    return c;
}

static void set_up(struct setup *s, const struct fake_answer *script, size_t n,
                   struct cert_chain *initial, uint64_t thim_tcb)
{
    struct err e;

    fake_source_init(&s->source, script, n);
    fake_thim_init(&s->thim, thim_tcb);
    assert_ok(device_thread_new(&s->source.base, &s->device, &e));
    assert_ok(cert_store_new(FAKE_THIM_URL, &s->thim.env, initial, &s->certs, &e));
}

static void tear_down(struct setup *s)
{
    device_thread_close(s->device, 5000);
    cert_store_free(s->certs);
}

static int collect(struct setup *s, struct evidence *ev, struct evidence_state *seen, struct err *e)
{
    return evidence_collect(s->device, s->certs, data, in_ms(5000), ev, seen, e);
}

static void pairs_report_and_certificates_of_one_tcb(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, OLD } };
    CLEANUP(evidence_done) struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 1, chain_of(OLD), NEW);
    assert_ok(collect(&s, &ev, &seen, &e));
    assert_memory_equal(ev.report + 0x50, data, sizeof(data));
    assert_true(ev.chain->tcb == OLD);
    assert_int_equal(s.source.n_fetched, 1);
    assert_int_equal(s.thim.n_started, 0);
    tear_down(&s);
}

/* The original refreshed the certificates, took a new report, and returned the old one. */
static void after_a_refresh_the_second_report_is_the_one_returned(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, NEW } };
    CLEANUP(evidence_done) struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 1, chain_of(OLD), NEW);
    assert_ok(collect(&s, &ev, &seen, &e));
    assert_true(ev.chain->tcb == NEW);
    assert_int_equal(s.source.n_fetched, 2);
    assert_int_equal(ev.report[0x140], 1); /* REPORT_ID of the second */
    assert_int_equal(s.thim.n_started, 1);
    tear_down(&s);
}

static void fetches_certificates_when_there_are_none(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, OLD } };
    CLEANUP(evidence_done) struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 1, NULL, OLD);
    assert_ok(collect(&s, &ev, &seen, &e));
    assert_true(ev.chain->tcb == OLD);
    tear_down(&s);
}

/* The firmware is rolled back between the two reports; the certificates that were fetched for the
 * first one do not fit the second. */
static void a_change_between_the_steps_is_caught(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, NEW }, { ERR_NONE, OLD } };
    struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 2, chain_of(OLD), NEW);
    assert_fails(ERR_CHECK, "SNP reported TCB value: ", collect(&s, &ev, &seen, &e));
    assert_int_equal(seen.part, EVIDENCE_CERTS);
    assert_true(seen.has_report && seen.reported_tcb == OLD);
    assert_null(ev.chain);
    tear_down(&s);
}

/* The other way round: the change comes in time for the second report. */
static void a_change_that_the_certificates_follow_is_fine(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, OLD + 1 }, { ERR_NONE, NEW } };
    CLEANUP(evidence_done) struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 2, chain_of(OLD), NEW);
    assert_ok(collect(&s, &ev, &seen, &e));
    assert_true(ev.chain->tcb == NEW);
    assert_int_equal(ev.report[0x187], 0xdb); /* microcode of the report returned */
    tear_down(&s);
}

static void says_which_tcbs_do_not_match(void **state)
{
    static const struct fake_answer script[] = { { ERR_NONE, 0xdb18000000000004 } };
    struct evidence ev = { 0 };
    struct evidence_state seen = { 0 };
    struct setup s;
    struct err e;

    set_up(&s, script, 1, chain_of(OLD), OLD);
    assert_fails(ERR_CHECK,
                 "SNP reported TCB value: 15787368493747273732 doesn't match Certificate TCB "
                 "value: 8288875114175397891",
                 collect(&s, &ev, &seen, &e));
    assert_int_equal(seen.part, EVIDENCE_CERTS);
    tear_down(&s);
}

static void names_the_half_that_failed(void **state)
{
    static const struct fake_answer first_fails[] = { { ERR_SYS, 0 } };
    static const struct fake_answer second_fails[] = { { ERR_NONE, NEW }, { ERR_SYS, 0 } };
    static const struct fake_answer good[] = { { ERR_NONE, NEW } };
    static const struct {
        const struct fake_answer *script;
        size_t n;
        int thim_status;
        enum err_code code;
        enum evidence_part part;
    } cases[] = {
        { first_fails, 1, 200, ERR_SYS, EVIDENCE_REPORT },
        { second_fails, 2, 200, ERR_SYS, EVIDENCE_REPORT },
        { good, 1, 403, ERR_HTTP, EVIDENCE_CERTS },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct evidence ev = { 0 };
        struct evidence_state seen = { 0 };
        struct setup s;
        struct err e;

        set_up(&s, cases[i].script, cases[i].n, chain_of(OLD), NEW);
        fake_thim_set(&s.thim, cases[i].thim_status, NEW);
        assert_fails(cases[i].code, "", collect(&s, &ev, &seen, &e));
        assert_int_equal(seen.part, cases[i].part);
        assert_null(ev.chain);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_report_and_certificates_of_one_tcb),
        cmocka_unit_test(after_a_refresh_the_second_report_is_the_one_returned),
        cmocka_unit_test(fetches_certificates_when_there_are_none),
        cmocka_unit_test(a_change_between_the_steps_is_caught),
        cmocka_unit_test(a_change_that_the_certificates_follow_is_fine),
        cmocka_unit_test(says_which_tcbs_do_not_match),
        cmocka_unit_test(names_the_half_that_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
