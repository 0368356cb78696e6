#include "support/asserts.h"

#include "attest/device_thread.h"
#include "base/clock.h"
#include "support/fake_source.h"

#include <unistd.h>

static const struct fake_answer a_report[] = { { ERR_NONE, 7 } };

static int64_t in_ms(int64_t ms)
{
    return clock_now_ms(clock_system()) + ms;
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

/* One caller on a thread of its own. */
struct caller {
    pthread_t thread;
    struct device_thread *d;
    uint8_t data[SNP_REPORT_DATA_SIZE];
    int64_t deadline_ms;
    int rc;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;
};

static void *call(void *arg)
{
    struct caller *c = arg;

    c->rc = device_thread_fetch(c->d, c->data, c->deadline_ms, c->report, &c->e);
    return NULL;
}

static void caller_start(struct caller *c, struct device_thread *d, uint8_t tag, int64_t wait_ms)
{
    *c = (struct caller){ .d = d, .data = { tag }, .deadline_ms = in_ms(wait_ms) };
    assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static void gives_each_caller_its_own_report(void **state)
{
    enum { N = 16 };
    struct fake_source f;
    struct device_thread *d = NULL;
    struct caller c[N];
    struct err e;

    fake_source_init(&f, a_report, 1);
    assert_ok(device_thread_new(&f.base, &d, &e));
    for (uint8_t i = 0; i < N; i++)
        caller_start(&c[i], d, (uint8_t)(i + 1), 20000);
    for (size_t i = 0; i < N; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].rc, 0);
        assert_memory_equal(c[i].report + 0x50, c[i].data, sizeof(c[i].data));
    }
    assert_int_equal(f.n_fetched, N);
    device_thread_close(d, 1000);
}

static void serves_callers_in_their_order(void **state)
{
    enum { N = 6 };
    struct fake_source f;
    struct device_thread *d = NULL;
    struct caller c[N];
    struct err e;

    fake_source_init(&f, a_report, 1);
    fake_source_allow(&f, 0);
    assert_ok(device_thread_new(&f.base, &d, &e));
    for (uint8_t i = 0; i < N; i++) {
        caller_start(&c[i], d, (uint8_t)(i + 1), 20000);
        if (i == 0)
            fake_source_wait_started(&f, 1);
        else
            usleep(30000); /* long enough to be in the queue before the next one starts */
    }
    fake_source_allow(&f, SIZE_MAX);
    for (size_t i = 0; i < N; i++)
        pthread_join(c[i].thread, NULL);
    for (uint8_t i = 0; i < N; i++)
        assert_int_equal(f.first_bytes[i], i + 1);
    device_thread_close(d, 1000);
}

static void a_failure_reaches_its_caller_only(void **state)
{
    static const struct fake_answer script[] = { { ERR_SYS, 0 }, { ERR_NONE, 7 } };
    static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 1 };
    struct fake_source f;
    struct device_thread *d = NULL;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    fake_source_init(&f, script, 2);
    assert_ok(device_thread_new(&f.base, &d, &e));
    assert_fails(ERR_SYS, "fake says", device_thread_fetch(d, data, in_ms(5000), report, &e));
    assert_ok(device_thread_fetch(d, data, in_ms(5000), report, &e));
    f.wrong_report_data = true;
    assert_fails(ERR_CHECK, "another REPORT_DATA",
                 device_thread_fetch(d, data, in_ms(5000), report, &e));
    device_thread_close(d, 1000);
}

static void a_caller_goes_away_at_its_deadline(void **state)
{
    struct fake_source f;
    struct device_thread *d = NULL;
    struct caller busy, waiting, last;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 9 };
    struct err e;

    fake_source_init(&f, a_report, 1);
    fake_source_allow(&f, 0);
    assert_ok(device_thread_new(&f.base, &d, &e));
    caller_start(&busy, d, 1, 50);
    fake_source_wait_started(&f, 1);
    caller_start(&waiting, d, 2, 50);
    pthread_join(busy.thread, NULL);
    pthread_join(waiting.thread, NULL);
    assert_int_equal(busy.e.code, ERR_TIMEOUT);
    assert_non_null(strstr(busy.e.msg, "waiting for a report from fake"));
    assert_int_equal(waiting.e.code, ERR_TIMEOUT);
    assert_non_null(strstr(waiting.e.msg, "waiting for a turn at fake"));
    assert_fails(ERR_TIMEOUT, "before a report was asked for",
                 device_thread_fetch(d, data, in_ms(-1), report, &e));

    /* the thread is still there, and the request of the one who left was never sent */
    caller_start(&last, d, 3, 20000);
    fake_source_allow(&f, SIZE_MAX);
    pthread_join(last.thread, NULL);
    assert_int_equal(last.rc, 0);
    assert_int_equal(last.report[0x50], 3);
    assert_int_equal(f.n_started, 2);
    assert_int_equal(f.first_bytes[1], 3);
    device_thread_close(d, 1000);
}

static void *allow_one_then_all(void *source)
{
    usleep(50000);
    fake_source_allow(source, 1);
    usleep(50000);
    fake_source_allow(source, SIZE_MAX);
    return NULL;
}

/* The second request lies where the first one lay: a report that comes too late for the first must
 * not end up there. */
static void a_late_report_does_not_reach_the_next_caller(void **state)
{
    struct fake_source f;
    struct device_thread *d = NULL;
    pthread_t unblocker;
    struct err e;

    fake_source_init(&f, a_report, 1);
    fake_source_allow(&f, 0);
    assert_ok(device_thread_new(&f.base, &d, &e));
    for (uint8_t turn = 1; turn <= 2; turn++) {
        const uint8_t data[SNP_REPORT_DATA_SIZE] = { turn };
        uint8_t report[SNP_REPORT_SIZE] = { 0 };

        if (turn == 2)
            assert_int_equal(pthread_create(&unblocker, NULL, allow_one_then_all, &f), 0);
        const int rc = device_thread_fetch(d, data, in_ms(turn == 1 ? 50 : 20000), report, &e);
        assert_int_equal(rc, turn == 1 ? -1 : 0);
        assert_int_equal(report[0x50], turn == 1 ? 0 : 2);
    }
    pthread_join(unblocker, NULL);
    device_thread_close(d, 1000);
}

static void stopping_sends_every_caller_away(void **state)
{
    enum { N = 4 };
    struct fake_source f;
    struct device_thread *d = NULL;
    struct caller c[N];
    bool closed = false;
    struct err e;

    fake_source_init(&f, a_report, 1);
    f.closed = &closed;
    fake_source_allow(&f, 0);
    assert_ok(device_thread_new(&f.base, &d, &e));
    for (uint8_t i = 0; i < N; i++)
        caller_start(&c[i], d, (uint8_t)(i + 1), 20000);
    fake_source_wait_started(&f, 1);
    usleep(50000);
    device_thread_stop(d);
    for (size_t i = 0; i < N; i++) { /* also the one whose report is under way, and hangs */
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].rc, -1);
        assert_int_equal(c[i].e.code, ERR_UNSUPPORTED);
    }
    device_thread_close(d, 50); /* gives up on the report that is under way */
    assert_false(is_set(&closed));
    fake_source_allow(&f, SIZE_MAX);
    for (int i = 0; i < 200 && fake_source_n_fetched(&f) == 0; i++)
        usleep(10000);
    assert_int_equal(fake_source_n_fetched(&f), 1);
    /* the thread that was left behind cleans up after itself */
    for (int i = 0; i < 200 && !is_set(&closed); i++)
        usleep(10000);
    assert_true(is_set(&closed));
}

static void closing_waits_for_a_report_under_way(void **state)
{
    struct fake_source f;
    struct device_thread *d = NULL;
    struct caller c;
    bool closed = false;
    struct err e;

    fake_source_init(&f, a_report, 1);
    f.closed = &closed;
    fake_source_allow(&f, 0);
    assert_ok(device_thread_new(&f.base, &d, &e));
    caller_start(&c, d, 1, 20000);
    fake_source_wait_started(&f, 1);
    fake_source_allow(&f, SIZE_MAX);
    device_thread_close(d, 20000);
    assert_true(is_set(&closed));
    pthread_join(c.thread, NULL);
    assert_true(c.rc == 0 || c.e.code == ERR_UNSUPPORTED);
    device_thread_close(NULL, 0);
}

static void names_the_source_in_use(void **state)
{
    static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 1 };
    struct fake_source f;
    struct report_source *first = NULL;
    struct device_thread *d = NULL;
    uint8_t report[SNP_REPORT_SIZE];
    char name[16];
    struct err e;

    fake_source_init(&f, a_report, 1);
    assert_ok(source_first_new((struct report_source *[]){ &f.base }, 1, &first, &e));
    assert_ok(device_thread_new(first, &d, &e));
    device_thread_source_name(d, name, sizeof(name));
    assert_string_equal(name, "none");
    assert_ok(device_thread_fetch(d, data, in_ms(5000), report, &e));
    device_thread_source_name(d, name, sizeof(name));
    assert_string_equal(name, "fake");
    device_thread_source_name(d, name, 3);
    assert_string_equal(name, "fa");
    device_thread_close(d, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_caller_its_own_report),
        cmocka_unit_test(serves_callers_in_their_order),
        cmocka_unit_test(a_failure_reaches_its_caller_only),
        cmocka_unit_test(a_caller_goes_away_at_its_deadline),
        cmocka_unit_test(a_late_report_does_not_reach_the_next_caller),
        cmocka_unit_test(stopping_sends_every_caller_away),
        cmocka_unit_test(closing_waits_for_a_report_under_way),
        cmocka_unit_test(names_the_source_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
