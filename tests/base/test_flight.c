#include "support/asserts.h"

#include "base/flight.h"

#include <stdatomic.h>

struct group {
    struct flight flight;
    atomic_int n_led, n_landed, n_failed;
    int64_t patience_ms;
    enum err_code outcome;
};

static int64_t in_ms(int64_t ms)
{
    return clock_now_ms(clock_system()) + ms;
}

static void *caller(void *arg)
{
    struct group *g = arg;
    struct err e = { .code = ERR_NONE };

    switch (flight_join(&g->flight, in_ms(g->patience_ms), &e)) {
    case FLIGHT_LEAD:
        atomic_fetch_add(&g->n_led, 1);
        clock_sleep_ms(clock_system(), 100);
        if (g->outcome != ERR_NONE)
            err_set(&e, g->outcome, "no luck");
        flight_land(&g->flight, g->outcome != ERR_NONE ? &e : NULL);
        break;
    case FLIGHT_LANDED:
        atomic_fetch_add(&g->n_landed, 1);
        break;
    case FLIGHT_FAILED:
        atomic_fetch_add(&g->n_failed, 1);
        break;
    }
    return NULL;
}

static void fly(struct group *g, size_t n)
{
    pthread_t threads[32];
    struct err e;

    assert_ok(flight_init(&g->flight, &e));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, g), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    flight_done(&g->flight);
}

static void one_leads_and_the_others_share_its_success(void **state)
{
    struct group g = { .patience_ms = 5000 };

    (void)state;
    fly(&g, 20);
    assert_int_equal(g.n_led + g.n_landed, 20);
    assert_in_range(g.n_led, 1, 2); /* a late starter may fly again */
}

static void a_failure_is_shared_too(void **state)
{
    struct group g = { .patience_ms = 5000, .outcome = ERR_NET };

    (void)state;
    fly(&g, 20);
    assert_int_equal(g.n_led + g.n_failed, 20);
    assert_in_range(g.n_led, 1, 2);
}

static void a_waiter_leads_when_its_leader_ran_out_of_time(void **state)
{
    struct group g = { .patience_ms = 5000, .outcome = ERR_TIMEOUT };

    (void)state;
    fly(&g, 4);
    assert_int_equal(g.n_led, 4);
}

static void a_waiter_gives_up_at_its_own_deadline(void **state)
{
    struct group g = { .patience_ms = 5000 };
    struct err e;

    (void)state;
    assert_ok(flight_init(&g.flight, &e));
    assert_int_equal(flight_join(&g.flight, in_ms(1000), &e), FLIGHT_LEAD);
    const int64_t start = clock_now_ms(clock_system());
    assert_int_equal(flight_join(&g.flight, in_ms(50), &e), FLIGHT_FAILED);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_in_range(clock_now_ms(clock_system()) - start, 40, 900);
    flight_land(&g.flight, NULL);
    assert_int_equal(flight_join(&g.flight, in_ms(50), &e), FLIGHT_LEAD);
    flight_land(&g.flight, NULL);
    flight_done(&g.flight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leads_and_the_others_share_its_success),
        cmocka_unit_test(a_failure_is_shared_too),
        cmocka_unit_test(a_waiter_leads_when_its_leader_ran_out_of_time),
        cmocka_unit_test(a_waiter_gives_up_at_its_own_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
