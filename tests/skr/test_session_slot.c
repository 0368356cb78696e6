/* Through the store, as callers do. */
#include "support/asserts.h"

#include "skr/session_store.h"
#include "support/fake_maa.h"

#define AGE_MS    60000
#define MANY      1000
#define N_THREADS 20

static void wait_for_attestations(struct fake_maa *f, size_t n)
{
    for (int i = 0; i < 1000 && fake_maa_n_answered(f) < n; i++)
        clock_sleep_ms(clock_system(), 10);
    assert_int_equal(fake_maa_n_answered(f), n);
    clock_sleep_ms(clock_system(), 100); /* the answer still has to be put in use */
}

static void one_attestation_serves_many_releases(void **state)
{
    CLEANUP(session_releasep) struct session *a = NULL;
    CLEANUP(session_releasep) struct session *b = NULL;
    struct fake_maa f;
    bool reused = true;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    a = fake_maa_get(&f, "one", &reused);
    assert_false(reused);
    b = fake_maa_get(&f, "one", &reused);
    assert_true(reused);
    assert_ptr_equal(a, b);
    fake_maa_assert_uses(&f, "one", 50, 1);
    fake_maa_stop(&f);
    assert_int_equal(strlen(a->kid), 43); /* a reference outlives the store */
}

struct caller {
    struct fake_maa *f;
    struct session *got;
    bool reused;
    struct failure failure;
    int rc;
    pthread_t thread;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    const struct endpoint maa = fake_maa_endpoint("one");

    c->rc = session_store_get(c->f->service->sessions, &maa, clock_now_ms(&c->f->clock) + 20000,
                              &c->got, &c->reused, &c->failure);
    return NULL;
}

static void start_callers(struct fake_maa *f, struct caller c[static N_THREADS])
{
    for (size_t i = 0; i < N_THREADS; i++) {
        c[i] = (struct caller){ .f = f };
        assert_int_equal(pthread_create(&c[i].thread, NULL, call, &c[i]), 0);
    }
}

static void join_callers(struct caller c[static N_THREADS])
{
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(c[i].thread, NULL);
}

static void many_first_callers_wait_for_one_attestation(void **state)
{
    struct caller c[N_THREADS];
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    fake_maa_block(&f, true);
    start_callers(&f, c);
    fake_maa_wait_started(&f, 1);
    clock_sleep_ms(clock_system(), 50);
    fake_maa_block(&f, false);
    join_callers(c);
    assert_int_equal(fake_maa_n_answered(&f), 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(c[i].rc, 0);
        assert_ptr_equal(c[i].got, c[0].got);
        session_release(c[i].got);
    }
    fake_maa_stop(&f);
}

static void all_who_waited_hear_why_it_failed(void **state)
{
    struct caller c[N_THREADS];
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    f.status = 403;
    fake_maa_block(&f, true);
    start_callers(&f, c);
    fake_maa_wait_started(&f, 1);
    clock_sleep_ms(clock_system(), 100);
    fake_maa_block(&f, false);
    join_callers(c);
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(c[i].rc, -1);
        assert_null(c[i].got);
        assert_int_equal(c[i].failure.status, 403);
        assert_int_equal(c[i].failure.stage, STAGE_ATTEST);
        assert_string_equal(c[i].failure.code, "attestation_denied");
        assert_non_null(strstr(c[i].failure.err.msg, "attestation failed: "));
    }
    f.status = 200;
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_stop(&f);
}

static void a_session_is_used_exactly_as_often_as_allowed(void **state)
{
    struct caller c[N_THREADS];
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, 5);
    fake_maa_assert_uses(&f, "one", 5, 1);
    fake_maa_assert_uses(&f, "one", 1, 2);
    fake_maa_assert_uses(&f, "one", 4, 2);
    start_callers(&f, c); /* 20 callers of sessions for 5 */
    join_callers(c);
    assert_int_equal(fake_maa_n_answered(&f), 2 + N_THREADS / 5);
    for (size_t i = 0; i < N_THREADS; i++) {
        size_t n_same = 0;
        for (size_t j = 0; j < N_THREADS; j++)
            n_same += c[j].got == c[i].got;
        assert_int_equal(n_same, 5);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        session_release(c[i].got);
    fake_maa_stop(&f);
}

static void releases_do_not_queue_where_a_session_is_for_one_use(void **state)
{
    struct caller c[N_THREADS];
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, 1);
    fake_maa_block(&f, true);
    start_callers(&f, c);
    fake_maa_wait_started(&f, N_THREADS);
    fake_maa_block(&f, false);
    join_callers(c);
    for (size_t i = 0; i < N_THREADS; i++)
        session_release(c[i].got);
    fake_maa_stop(&f);
}

static void a_session_ends_with_its_age(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 4 / 5 - 2000);
    assert_true(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS / 5 + 2000);
    assert_false(fake_maa_use(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_stop(&f);
}

static void a_session_in_use_is_renewed_ahead_without_a_gap(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 9 / 10);
    fake_maa_block(&f, true); /* callers get the old one meanwhile */
    assert_true(fake_maa_use(&f, "one"));
    fake_maa_wait_started(&f, 2);
    assert_true(fake_maa_use(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 1);
    fake_maa_block(&f, false);
    wait_for_attestations(&f, 2);
    fake_maa_advance(&f, AGE_MS / 2); /* the old one is over */
    assert_true(fake_maa_use(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_stop(&f);
}

static void many_uses_are_renewed_ahead_as_well(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    fake_maa_assert_uses(&f, "one", MANY * 7 / 8 - 1, 1);
    assert_true(fake_maa_use(&f, "one"));
    wait_for_attestations(&f, 2);
    fake_maa_assert_uses(&f, "one", MANY / 2, 2);
    fake_maa_stop(&f);
}

static void a_renewal_that_finds_nobody_leaves_the_session_alone(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 8 / 10);
    f.status = 503;
    assert_true(fake_maa_use(&f, "one"));
    wait_for_attestations(&f, 5); /* with its retries, which move the clock by a few seconds */
    assert_true(fake_maa_use(&f, "one"));
    f.status = 200;
    fake_maa_advance(&f, 1000);
    assert_true(fake_maa_use(&f, "one")); /* starts another attempt */
    wait_for_attestations(&f, 6);
    fake_maa_advance(&f, AGE_MS / 2);
    assert_true(fake_maa_use(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 6);
    fake_maa_stop(&f);
}

static void a_renewal_that_is_refused_ends_the_session(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 8 / 10 + 1);
    f.status = 403;
    assert_true(fake_maa_use(&f, "one"));
    wait_for_attestations(&f, 2);
    f.status = 200;
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_stop(&f);
}

static void a_session_never_outlives_its_token(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    f.token_life = 30;
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, 15000);
    assert_true(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, 10000); /* 25 of 30 s: within the margin */
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, 21000); /* renewal is due by the token's life, not by the age */
    assert_true(fake_maa_use(&f, "one"));
    wait_for_attestations(&f, 3);
    fake_maa_stop(&f);
}

static void a_token_that_does_not_tell_its_end_is_used_once(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    f.token_life = 0;
    for (size_t i = 0; i < 3; i++) {
        fake_maa_advance(&f, 10);
        assert_false(fake_maa_use(&f, "one"));
    }
    assert_int_equal(fake_maa_n_answered(&f), 3);
    fake_maa_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_attestation_serves_many_releases),
        cmocka_unit_test(many_first_callers_wait_for_one_attestation),
        cmocka_unit_test(all_who_waited_hear_why_it_failed),
        cmocka_unit_test(a_session_is_used_exactly_as_often_as_allowed),
        cmocka_unit_test(releases_do_not_queue_where_a_session_is_for_one_use),
        cmocka_unit_test(a_session_ends_with_its_age),
        cmocka_unit_test(a_session_in_use_is_renewed_ahead_without_a_gap),
        cmocka_unit_test(many_uses_are_renewed_ahead_as_well),
        cmocka_unit_test(a_renewal_that_finds_nobody_leaves_the_session_alone),
        cmocka_unit_test(a_renewal_that_is_refused_ends_the_session),
        cmocka_unit_test(a_session_never_outlives_its_token),
        cmocka_unit_test(a_token_that_does_not_tell_its_end_is_used_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
