#include "support/asserts.h"

#include "skr/denied_keys.h"
#include "skr/session_store.h"
#include "support/fake_maa.h"

#include <stdio.h>

#define AGE_MS 60000
#define MANY   1000

static void an_ended_session_does_not_stay_in_memory(void **state)
{
    CLEANUP(session_releasep) struct session *s = NULL;
    struct fake_maa f;
    bool reused = false;

    (void)state;
    fake_maa_start(&f, 300, MANY);
    s = fake_maa_get(&f, "one", &reused);
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
            assert_false(fake_maa_use(&f, "one"));
            assert_int_equal(fake_maa_n_answered(&f), j);
        }
        fake_maa_stop(&f);
    }
}

static void each_endpoint_has_a_session_and_the_idlest_makes_room(void **state)
{
    struct fake_maa f;
    char name[16];

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "maa%d", i);
        assert_false(fake_maa_use(&f, name));
        fake_maa_advance(&f, 10);
        assert_true(fake_maa_use(&f, "maa0"));
        fake_maa_advance(&f, 10);
    }
    assert_int_equal(fake_maa_n_answered(&f), 16);
    assert_false(fake_maa_use(&f, "one-more"));
    assert_true(fake_maa_use(&f, "maa0"));
    assert_true(fake_maa_use(&f, "maa2"));
    assert_false(fake_maa_use(&f, "maa1"));
    fake_maa_stop(&f);
}

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
    s = fake_maa_get(&f, "one", &reused);
    assert_false(fake_maa_use(&f, "two"));
    take_report(&f);
    assert_true(fake_maa_use(&f, "one"));
    f.tcb = FAKE_MAA_TCB + 1;
    take_report(&f);
    assert_int_equal(s->n_refs, 1); /* at once, not at the next release */
    f.tcb = FAKE_MAA_TCB;
    assert_false(fake_maa_use(&f, "one"));
    assert_false(fake_maa_use(&f, "two"));
    assert_true(fake_maa_use(&f, "one"));
    fake_maa_stop(&f);
}

static void a_tcb_that_somebody_else_saw_ends_a_session_at_its_next_use(void **state)
{
    struct fake_maa f;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    readiness_note_tcb(&f.service->readiness, FAKE_MAA_TCB + 1);
    assert_false(fake_maa_use(&f, "one"));
    assert_true(fake_maa_use(&f, "one"));
    fake_maa_stop(&f);
}

static void what_is_dropped_is_not_handed_out_again(void **state)
{
    const struct endpoint one = fake_maa_endpoint("one");
    struct fake_maa f;
    bool reused = false;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    struct session *s = fake_maa_get(&f, "one", &reused);
    assert_false(fake_maa_use(&f, "two"));
    session_store_drop(f.service->sessions, s, "unwrap_failed");
    assert_false(fake_maa_use(&f, "one"));
    session_store_drop(f.service->sessions, s, "unwrap_failed"); /* gone already: not the next */
    session_release(s);
    assert_true(fake_maa_use(&f, "one"));
    session_store_drop_endpoint(f.service->sessions, &one, "attestation_failed");
    assert_false(fake_maa_use(&f, "one"));
    assert_true(fake_maa_use(&f, "two"));
    fake_maa_stop(&f);
}

static void a_failed_attestation_ends_the_session_of_its_endpoint(void **state)
{
    struct failure failure = { .status = 0 };
    struct fake_maa f;
    char *token = NULL;

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    assert_false(fake_maa_use(&f, "two"));
    f.status = 400;
    assert_int_equal(service_attest(f.service, "one.attest.azure.net", span_str("{}"),
                                    clock_now_ms(&f.clock) + 20000, &token, &failure),
                     -1);
    f.status = 200;
    assert_false(fake_maa_use(&f, "one"));
    assert_true(fake_maa_use(&f, "two"));
    fake_maa_stop(&f);
}

static bool denied(struct fake_maa *f, const char *key_name)
{
    struct endpoint vault = { .authority = "v.vault.azure.net" };
    struct key_ref key = { .name = "" };
    bool reused = false;

    snprintf(key.name, sizeof(key.name), "%s", key_name);
    CLEANUP(session_releasep) struct session *s = fake_maa_get(f, "one", &reused);
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
    assert_false(fake_maa_use(&f, "one")); /* the next one */
    for (int i = 0; i < 5; i++) {
        assert_false(denied(&f, "a"));
        assert_false(denied(&f, "b"));
    }
    assert_int_equal(fake_maa_n_answered(&f), 2);
    fake_maa_advance(&f, AGE_MS + 1); /* another session by itself: denials are news again */
    assert_false(fake_maa_use(&f, "one"));
    assert_true(denied(&f, "a"));
    assert_false(fake_maa_use(&f, "one"));
    fake_maa_advance(&f, AGE_MS + 1);
    assert_false(fake_maa_use(&f, "one"));
    assert_true(denied(&f, "a"));
    fake_maa_stop(&f);
}

static void so_many_denied_keys_that_they_are_not_remembered_stand(void **state)
{
    struct fake_maa f;
    char name[16];

    (void)state;
    fake_maa_start(&f, AGE_MS, MANY);
    assert_false(fake_maa_use(&f, "one"));
    for (size_t i = 0; i < DENIED_KEYS_MAX; i++) {
        snprintf(name, sizeof(name), "key%zu", i);
        assert_true(denied(&f, name));
        assert_false(fake_maa_use(&f, "one"));
    }
    assert_false(denied(&f, "one-more"));
    assert_int_equal(fake_maa_n_answered(&f), 1 + DENIED_KEYS_MAX);
    fake_maa_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ended_session_does_not_stay_in_memory),
        cmocka_unit_test(each_release_attests_where_sessions_are_not_shared),
        cmocka_unit_test(each_endpoint_has_a_session_and_the_idlest_makes_room),
        cmocka_unit_test(a_report_of_another_tcb_ends_all_sessions),
        cmocka_unit_test(a_tcb_that_somebody_else_saw_ends_a_session_at_its_next_use),
        cmocka_unit_test(what_is_dropped_is_not_handed_out_again),
        cmocka_unit_test(a_failed_attestation_ends_the_session_of_its_endpoint),
        cmocka_unit_test(a_denial_is_worth_one_attestation_for_each_session_and_key),
        cmocka_unit_test(so_many_denied_keys_that_they_are_not_remembered_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
