/* The store against an attestation service, a processor and a clock of the test's; see fake_maa.h.
 */
#include "support/asserts.h"

#include "codec/b64.h"
#include "crypto/jwk.h"
#include "skr/denied_keys.h"
#include "skr/session_store.h"
#include "support/fake_maa.h"

#include <stdio.h>
#include <stdlib.h>

#define AGE_MS    60000
#define MANY      1000
#define N_THREADS 20

/* A use that must succeed. */
static struct session *get(struct fake_maa *f, const char *name, bool *reused)
{
    const struct endpoint maa = fake_maa_endpoint(name);
    struct failure failure = { .status = 0 };
    struct session *s = NULL;

    if (session_store_get(f->service->sessions, &maa, clock_now_ms(&f->clock) + 20000, &s, reused,
                          &failure) != 0)
        fail_msg("no session: %s", failure.err.msg);
    return s;
}

/* One release: true when the session was there before. */
static bool use_once(struct fake_maa *f, const char *name)
{
    bool reused = false;

    session_release(get(f, name, &reused));
    return reused;
}

static void assert_uses(struct fake_maa *f, const char *name, size_t n, size_t n_attested)
{
    for (size_t i = 0; i < n; i++)
        (void)use_once(f, name);
    assert_int_equal(fake_maa_n_answered(f), n_attested);
}

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
    a = get(&f, "one", &reused);
    assert_false(reused);
    b = get(&f, "one", &reused);
    assert_true(reused);
    assert_ptr_equal(a, b);
    assert_uses(&f, "one", 50, 1);
    fake_maa_stop(&f);
    assert_int_equal(strlen(a->kid), 43); /* a reference outlives the store */
}

static void the_token_speaks_for_the_key_of_the_session(void **state)
{
    CLEANUP(session_releasep) struct session *s = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf want = { 0 };
    CLEANUP(buf_done) struct buf sent = { 0 };
    struct fake_maa f;
    bool reused = true;
    struct err e;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    s = get(&f, "one", &reused);
    assert_ok(wrapping_key_open(s->key, &k, &e));
    assert_ok(jwk_set_format(k, &want, &e));
    assert_ok(b64_decode(span_str(f.runtime_data), &sent, &e));
    assert_span_equal(buf_span(&sent), buf_span(&want));
    assert_non_null(strstr(buf_cstr(&want), s->kid));
    assert_true(s->reported_tcb == FAKE_MAA_TCB);
    fake_maa_stop(&f);
}

/* ---- many callers ---- */

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
    assert_false(use_once(&f, "one"));
    fake_maa_stop(&f);
}

static void a_session_is_used_exactly_as_often_as_allowed(void **state)
{
    struct caller c[N_THREADS];
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, 5);
    assert_uses(&f, "one", 5, 1);
    assert_uses(&f, "one", 1, 2);
    assert_uses(&f, "one", 4, 2);
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

/* ---- age ---- */

static void a_session_ends_with_its_age(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 4 / 5 - 2000);
    assert_true(use_once(&f, "one"));
    fake_maa_advance(&f, AGE_MS / 5 + 2000);
    assert_false(use_once(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_stop(&f);
}

static void a_session_in_use_is_renewed_ahead_without_a_gap(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 9 / 10);
    fake_maa_block(&f, true); /* callers get the old one meanwhile */
    assert_true(use_once(&f, "one"));
    fake_maa_wait_started(&f, 2);
    assert_true(use_once(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 1);
    fake_maa_block(&f, false);
    wait_for_attestations(&f, 2);
    fake_maa_advance(&f, AGE_MS / 2); /* the old one is over */
    assert_true(use_once(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_stop(&f);
}

static void many_uses_are_renewed_ahead_as_well(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_uses(&f, "one", MANY * 7 / 8 - 1, 1);
    assert_true(use_once(&f, "one"));
    wait_for_attestations(&f, 2);
    assert_uses(&f, "one", MANY / 2, 2);
    fake_maa_stop(&f);
}

static void a_renewal_that_finds_nobody_leaves_the_session_alone(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 8 / 10);
    f.status = 503;
    assert_true(use_once(&f, "one"));
    wait_for_attestations(&f, 5); /* with its retries, which move the clock by a few seconds */
    assert_true(use_once(&f, "one"));
    f.status = 200;
    fake_maa_advance(&f, 1000);
    assert_true(use_once(&f, "one")); /* starts another attempt */
    wait_for_attestations(&f, 6);
    fake_maa_advance(&f, AGE_MS / 2);
    assert_true(use_once(&f, "one"));
    assert_int_equal(fake_maa_n_answered(&f), 6);
    fake_maa_stop(&f);
}

static void a_renewal_that_is_refused_ends_the_session(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    fake_maa_advance(&f, AGE_MS * 8 / 10 + 1);
    f.status = 403;
    assert_true(use_once(&f, "one"));
    wait_for_attestations(&f, 2);
    f.status = 200;
    assert_false(use_once(&f, "one"));
    fake_maa_stop(&f);
}

static void a_session_never_outlives_its_token(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    f.token_life = 30;
    assert_false(use_once(&f, "one"));
    fake_maa_advance(&f, 15000);
    assert_true(use_once(&f, "one"));
    fake_maa_advance(&f, 10000); /* 25 of 30 s: within the margin */
    assert_false(use_once(&f, "one"));
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
        assert_false(use_once(&f, "one"));
    }
    assert_int_equal(fake_maa_n_answered(&f), 3);
    fake_maa_stop(&f);
}

static void an_ended_session_does_not_stay_in_memory(void **state)
{
    CLEANUP(session_releasep) struct session *s = NULL;
    struct fake_maa f;
    bool reused = false;

    (void)state;
    fake_maa_start(&f, 300, MANY);
    s = get(&f, "one", &reused);
    assert_int_equal(__atomic_load_n(&s->n_refs, __ATOMIC_ACQUIRE), 2);
    for (int i = 0; i < 1000 && __atomic_load_n(&s->n_refs, __ATOMIC_ACQUIRE) != 1; i++)
        clock_sleep_ms(clock_system(), 10);
    assert_int_equal(__atomic_load_n(&s->n_refs, __ATOMIC_ACQUIRE), 1); /* only the test's */
    fake_maa_stop(&f);
}

static void each_release_attests_where_sessions_are_not_shared(void **state)
{
    static const struct {
        int64_t max_age_ms, max_uses;
    } cases[] = { { 0, MANY }, { AGE_MS, 1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_maa f;
        fake_maa_start(&f, cases[i].max_age_ms, cases[i].max_uses);
        for (size_t j = 1; j <= 3; j++) {
            assert_false(use_once(&f, "one"));
            assert_int_equal(fake_maa_n_answered(&f), j);
        }
        fake_maa_stop(&f);
    }
}

/* ---- endpoints ---- */

static void each_endpoint_has_a_session_and_the_idlest_makes_room(void **state)
{
    struct fake_maa f;
    char name[16];

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "maa%d", i);
        assert_false(use_once(&f, name));
        fake_maa_advance(&f, 10);
        assert_true(use_once(&f, "maa0"));
        fake_maa_advance(&f, 10);
    }
    assert_int_equal(fake_maa_n_answered(&f), 16);
    assert_false(use_once(&f, "one-more"));
    assert_true(use_once(&f, "maa0"));
    assert_true(use_once(&f, "maa2"));
    assert_false(use_once(&f, "maa1"));
    fake_maa_stop(&f);
}

/* ---- dropped early ---- */

static void take_report(struct fake_maa *f)
{
    struct failure failure = { .status = 0 };
    uint8_t report[SNP_REPORT_SIZE];

    if (service_report(f->service, span_str("x"), clock_now_ms(&f->clock) + 20000, report,
                       &failure) != 0)
        fail_msg("no report: %s", failure.err.msg);
}

static void a_report_of_another_tcb_ends_all_sessions(void **state)
{
    CLEANUP(session_releasep) struct session *s = NULL;
    struct fake_maa f;
    bool reused = false;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    s = get(&f, "one", &reused);
    assert_false(use_once(&f, "two"));
    take_report(&f);
    assert_true(use_once(&f, "one"));
    f.tcb = FAKE_MAA_TCB + 1;
    take_report(&f);
    assert_int_equal(s->n_refs, 1); /* at once, not at the next release */
    f.tcb = FAKE_MAA_TCB;
    assert_false(use_once(&f, "one"));
    assert_false(use_once(&f, "two"));
    assert_true(use_once(&f, "one"));
    fake_maa_stop(&f);
}

static void what_is_dropped_is_not_handed_out_again(void **state)
{
    const struct endpoint one = fake_maa_endpoint("one");
    struct fake_maa f;
    bool reused = false;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    struct session *s = get(&f, "one", &reused);
    assert_false(use_once(&f, "two"));
    session_store_drop(f.service->sessions, s, "unwrap_failed");
    assert_false(use_once(&f, "one"));
    session_store_drop(f.service->sessions, s, "unwrap_failed"); /* gone already: not the next */
    session_release(s);
    assert_true(use_once(&f, "one"));
    session_store_drop_endpoint(f.service->sessions, &one, "attestation_failed");
    assert_false(use_once(&f, "one"));
    assert_true(use_once(&f, "two"));
    fake_maa_stop(&f);
}

static void a_failed_attestation_ends_the_session_of_its_endpoint(void **state)
{
    struct failure failure = { .status = 0 };
    struct fake_maa f;
    char *token = NULL;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    assert_false(use_once(&f, "two"));
    f.status = 400;
    assert_int_equal(service_attest(f.service, "one.attest.azure.net", span_str("{}"),
                                    clock_now_ms(&f.clock) + 20000, &token, &failure),
                     -1);
    f.status = 200;
    assert_false(use_once(&f, "one"));
    assert_true(use_once(&f, "two"));
    fake_maa_stop(&f);
}

/* ---- denials ---- */

static bool denied(struct fake_maa *f, const char *key_name)
{
    struct endpoint vault = { .authority = "v.vault.azure.net" };
    struct key_ref key = { .name = "" };
    bool reused = false;

    snprintf(key.name, sizeof(key.name), "%s", key_name);
    CLEANUP(session_releasep) struct session *s = get(f, "one", &reused);
    return session_store_denied(f->service->sessions, s, reused, &vault, &key);
}

static void a_denial_is_worth_one_attestation_for_each_session_and_key(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(denied(&f, "a")); /* the session was made for this release */
    assert_false(denied(&f, "a")); /* and its denial stands */
    assert_int_equal(fake_maa_n_answered(&f), 1);
    assert_true(denied(&f, "b"));
    assert_false(use_once(&f, "one")); /* the next one */
    for (int i = 0; i < 5; i++) {
        assert_false(denied(&f, "a"));
        assert_false(denied(&f, "b"));
    }
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_advance(&f, AGE_MS + 1); /* another session by itself: denials are news again */
    assert_false(use_once(&f, "one"));
    assert_true(denied(&f, "a"));
    fake_maa_stop(&f);
}

static void so_many_denied_keys_that_they_are_not_remembered_stand(void **state)
{
    struct fake_maa f;
    char name[16];

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(use_once(&f, "one"));
    for (size_t i = 0; i < DENIED_KEYS_MAX; i++) {
        snprintf(name, sizeof(name), "key%zu", i);
        assert_true(denied(&f, name));
        assert_false(use_once(&f, "one"));
    }
    assert_false(denied(&f, "one-more"));
    assert_int_equal(fake_maa_n_answered(&f), 1 + DENIED_KEYS_MAX);
    fake_maa_stop(&f);
}

/* ---- a token's life ---- */

static void a_tokens_life_is_the_shorter_of_what_two_clocks_say(void **state)
{
    static const struct {
        const char *claims;
        int64_t want;
    } cases[] = {
        { "{\"exp\":2000,\"iat\":1000}", 990 },
        { "{\"exp\":2000}", 990 },
        { "{\"exp\":1010,\"iat\":1000}", 8 }, /* a fifth of a short life */
        { "{\"exp\":1001,\"iat\":1000}", 0 },
        { "{\"exp\":1000,\"iat\":900}", 0 },   /* ours is ahead of the service's */
        { "{\"exp\":9100,\"iat\":9000}", 89 }, /* ours is behind: its whole life */
        { "{\"exp\":2000,\"iat\":1000.5}", 990 },
        { "{\"exp\":1e14}", 86390 },
        { "{\"exp\":1e300}", 0 },
        { "{\"exp\":-5}", 0 },
        { "{\"exp\":\"2000\"}", 0 },
        { "{\"exp\":2000,\"iat\":\"1000\"}", 990 },
        { "{\"exp\":2000,\"iat\":3000}", 0 },
        { "{}", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf token = { 0 };
        struct err e;
        assert_ok(buf_add_str(&token, "e30.", &e));
        assert_ok(b64_encode(span_str(cases[i].claims), B64_URL, &token, &e));
        assert_ok(buf_add_str(&token, ".c2ln", &e));
        const int64_t sent_s = strstr(cases[i].claims, "9100") != NULL ? 999 : 1000;
        assert_int_equal(session_token_life_s(buf_cstr(&token), sent_s, 1000), cases[i].want);
    }
    assert_int_equal(session_token_life_s("no token", 1000, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_attestation_serves_many_releases),
        cmocka_unit_test(the_token_speaks_for_the_key_of_the_session),
        cmocka_unit_test(many_first_callers_wait_for_one_attestation),
        cmocka_unit_test(all_who_waited_hear_why_it_failed),
        cmocka_unit_test(a_session_is_used_exactly_as_often_as_allowed),
        cmocka_unit_test(a_session_ends_with_its_age),
        cmocka_unit_test(a_session_in_use_is_renewed_ahead_without_a_gap),
        cmocka_unit_test(many_uses_are_renewed_ahead_as_well),
        cmocka_unit_test(a_renewal_that_finds_nobody_leaves_the_session_alone),
        cmocka_unit_test(a_renewal_that_is_refused_ends_the_session),
        cmocka_unit_test(a_session_never_outlives_its_token),
        cmocka_unit_test(a_token_that_does_not_tell_its_end_is_used_once),
        cmocka_unit_test(an_ended_session_does_not_stay_in_memory),
        cmocka_unit_test(each_release_attests_where_sessions_are_not_shared),
        cmocka_unit_test(each_endpoint_has_a_session_and_the_idlest_makes_room),
        cmocka_unit_test(a_report_of_another_tcb_ends_all_sessions),
        cmocka_unit_test(what_is_dropped_is_not_handed_out_again),
        cmocka_unit_test(a_failed_attestation_ends_the_session_of_its_endpoint),
        cmocka_unit_test(a_denial_is_worth_one_attestation_for_each_session_and_key),
        cmocka_unit_test(so_many_denied_keys_that_they_are_not_remembered_stand),
        cmocka_unit_test(a_tokens_life_is_the_shorter_of_what_two_clocks_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
