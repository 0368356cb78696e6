#include "support/asserts.h"

#include "attest/cert_store.h"
#include "base/str.h"
#include "support/fake_thim.h"

#include <unistd.h>

static const struct metric_desc metric_table[] = {
    { "skr_cert_refresh_total", METRIC_COUNTER, "Refreshes.", { "result" } },
    { "skr_upstream_connections_total", METRIC_COUNTER, "Connections.", { "service", "kind" } },
    { "skr_retries_total", METRIC_COUNTER, "Retries.", { "service", "cause" } },
    { "skr_upstream_requests_total", METRIC_COUNTER, "Requests.", { "service", "result" } },
    { 0 },
};

static int64_t in_ms(int64_t ms)
{
    return clock_now_ms(clock_system()) + ms;
}

static struct cert_store *make(struct fake_thim *thim)
{
    struct cert_store *s = NULL;
    struct err e;

    assert_ok(cert_store_new(FAKE_THIM_URL, &thim->env, NULL, &s, &e));
    return s;
}

static void starts_with_what_it_was_given(void **state)
{
    struct fake_thim thim;
    struct thim_certs certs = { 0 };
    struct cert_chain *initial = NULL;
    struct cert_store *s = NULL;
    char json[512];
    struct err e;

    fake_thim_init(&thim, 1);
    fake_thim_format(0x42, json, sizeof(json));
    assert_ok(thim_parse(span_str(json), &certs, &e));
    assert_ok(cert_chain_new(&certs, 0, &initial, &e));
    assert_ok(cert_store_new(FAKE_THIM_URL, &thim.env, initial, &s, &e));
    CLEANUP(cert_chain_releasep) struct cert_chain *c = cert_store_current(s);
    assert_true(c->tcb == 0x42);
    assert_int_equal(thim.n_started, 0);
    cert_store_free(s);
    assert_true(c->tcb == 0x42); /* a reference outlives the store */
    cert_store_free(NULL);
}

static void fetches_when_the_chain_in_use_is_the_one_seen(void **state)
{
    struct fake_thim thim;
    struct err e;

    fake_thim_init(&thim, 0x11);
    struct cert_store *s = make(&thim);
    assert_null(cert_store_current(s));
    CLEANUP(cert_chain_releasep) struct cert_chain *first = NULL;
    assert_ok(cert_store_refresh(s, NULL, in_ms(5000), &first, &e));
    assert_true(first->tcb == 0x11);

    fake_thim_set(&thim, 200, 0x22);
    CLEANUP(cert_chain_releasep) struct cert_chain *second = NULL;
    assert_ok(cert_store_refresh(s, first, in_ms(5000), &second, &e));
    assert_true(second->tcb == 0x22);
    assert_true(first->tcb == 0x11); /* immutable */
    CLEANUP(cert_chain_releasep) struct cert_chain *current = cert_store_current(s);
    assert_ptr_equal(current, second);
    assert_int_equal(thim.n_started, 2);
    cert_store_free(s);
}

static void does_not_fetch_when_another_chain_is_in_use_already(void **state)
{
    struct fake_thim thim;
    struct err e;

    fake_thim_init(&thim, 0x11);
    struct cert_store *s = make(&thim);
    CLEANUP(cert_chain_releasep) struct cert_chain *first = NULL;
    CLEANUP(cert_chain_releasep) struct cert_chain *second = NULL;
    CLEANUP(cert_chain_releasep) struct cert_chain *third = NULL;
    CLEANUP(cert_chain_releasep) struct cert_chain *fourth = NULL;
    assert_ok(cert_store_refresh(s, NULL, in_ms(5000), &first, &e));
    assert_ok(cert_store_refresh(s, first, in_ms(5000), &second, &e));
    assert_ok(cert_store_refresh(s, first, in_ms(5000), &third, &e));
    assert_ok(cert_store_refresh(s, NULL, in_ms(5000), &fourth, &e));
    assert_ptr_equal(third, second);
    assert_ptr_equal(fourth, second);
    assert_int_equal(thim.n_started, 2);
    cert_store_free(s);
}

static void a_failed_refresh_keeps_the_chain_in_use(void **state)
{
    struct fake_thim thim;
    struct err e;

    fake_thim_init(&thim, 0x11);
    struct cert_store *s = make(&thim);
    CLEANUP(cert_chain_releasep) struct cert_chain *first = NULL;
    assert_ok(cert_store_refresh(s, NULL, in_ms(5000), &first, &e));
    fake_thim_set(&thim, 403, 0x22);
    struct cert_chain *none = NULL;
    assert_fails(ERR_HTTP, "refreshing the processor's certificates",
                 cert_store_refresh(s, first, in_ms(5000), &none, &e));
    assert_null(none);
    CLEANUP(cert_chain_releasep) struct cert_chain *current = cert_store_current(s);
    assert_ptr_equal(current, first);
    cert_store_free(s);
}

static void counts_refreshes(void **state)
{
    struct fake_thim thim;
    CLEANUP(buf_done) struct buf text = { 0 };
    struct cert_chain *c = NULL;
    struct err e;

    fake_thim_init(&thim, 0x11);
    assert_ok(metrics_new(metric_table, &thim.env.metrics, &e));
    struct cert_store *s = make(&thim);
    assert_ok(cert_store_refresh(s, NULL, in_ms(5000), &c, &e));
    fake_thim_set(&thim, 403, 0);
    struct cert_chain *none = NULL;
    for (int i = 0; i < 2; i++)
        assert_fails(ERR_HTTP, "403", cert_store_refresh(s, c, in_ms(5000), &none, &e));
    assert_ok(metrics_format(thim.env.metrics, &text, &e));
    assert_true(str_contains(buf_span(&text), "skr_cert_refresh_total{result=\"ok\"} 1\n"));
    assert_true(str_contains(buf_span(&text), "skr_cert_refresh_total{result=\"failed\"} 2\n"));
    cert_chain_release(c);
    cert_store_free(s);
    metrics_free(thim.env.metrics);
}

struct caller {
    pthread_t thread;
    struct cert_store *s;
    struct cert_chain *got;
    int64_t deadline_ms;
    int rc;
    struct err e;
};

static void *refresh(void *arg)
{
    struct caller *c = arg;

    c->rc = cert_store_refresh(c->s, NULL, c->deadline_ms, &c->got, &c->e);
    return NULL;
}

static void start_callers(struct caller *c, size_t n, struct cert_store *s, int64_t wait_ms)
{
    for (size_t i = 0; i < n; i++) {
        c[i] = (struct caller){ .s = s, .deadline_ms = in_ms(wait_ms) };
        assert_int_equal(pthread_create(&c[i].thread, NULL, refresh, &c[i]), 0);
    }
}

static void one_caller_fetches_for_all(void **state)
{
    enum { N = 8 };
    struct caller c[N];
    struct fake_thim thim;

    fake_thim_init(&thim, 0x11);
    fake_thim_block(&thim, true);
    struct cert_store *s = make(&thim);
    start_callers(c, N, s, 20000);
    fake_thim_wait_started(&thim, 1);
    usleep(50000);
    fake_thim_block(&thim, false);
    for (size_t i = 0; i < N; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].rc, 0);
        assert_ptr_equal(c[i].got, c[0].got);
    }
    assert_int_equal(thim.n_started, 1);
    assert_int_equal(c[0].got->n_refs, N + 1);
    for (size_t i = 0; i < N; i++)
        cert_chain_release(c[i].got);
    cert_store_free(s);
}

static void a_waiting_caller_leaves_at_its_deadline(void **state)
{
    struct caller leader, waiter;
    struct fake_thim thim;

    fake_thim_init(&thim, 0x11);
    fake_thim_block(&thim, true);
    struct cert_store *s = make(&thim);
    start_callers(&leader, 1, s, 20000);
    fake_thim_wait_started(&thim, 1);
    start_callers(&waiter, 1, s, 50);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.rc, -1);
    assert_int_equal(waiter.e.code, ERR_TIMEOUT);
    assert_null(cert_store_current(s)); /* never waits */
    fake_thim_block(&thim, false);
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.rc, 0);
    cert_chain_release(leader.got);
    cert_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_what_it_was_given),
        cmocka_unit_test(fetches_when_the_chain_in_use_is_the_one_seen),
        cmocka_unit_test(does_not_fetch_when_another_chain_is_in_use_already),
        cmocka_unit_test(a_failed_refresh_keeps_the_chain_in_use),
        cmocka_unit_test(counts_refreshes),
        cmocka_unit_test(one_caller_fetches_for_all),
        cmocka_unit_test(a_waiting_caller_leaves_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
