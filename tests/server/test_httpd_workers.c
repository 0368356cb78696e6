/* What many callers get while handlers block; and how it ends. */
#include "support/asserts.h"

#include "base/str.h"
#include "server/httpd_workers.h"
#include "support/fake_clock.h"
#include "support/httpd_fixture.h"
#include "support/raw_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST     "Host: localhost\r\n"
#define BLOCK    "GET /block HTTP/1.1\r\n" HOST "\r\n"
#define STATUS   "GET /status HTTP/1.1\r\n" HOST "\r\n"
#define CAPACITY (HTTPD_MAX_WORKERS + HTTPD_MAX_QUEUED)

static int64_t now_ms(void)
{
    return clock_now_ms(clock_system());
}

static void send_to_block(const struct httpd_fixture *f, int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = raw_connect(f->port);
        assert_true(fds[i] >= 0 && raw_send(fds[i], BLOCK));
    }
}

/* Reads one answer from each, and closes. */
static void expect_all(const int *fds, size_t n, int status, const char *needle, int ms)
{
    for (size_t i = 0; i < n; i++) {
        struct raw_answer a;
        if (!raw_read(fds[i], &a, ms) || a.status != status ||
            !str_contains(buf_span(&a.body), needle))
            fail_msg("%zu of %zu: %s", i, n, a.head);
        raw_answer_done(&a);
        close(fds[i]);
    }
}

static void wait_for_metric(const struct httpd_fixture *f, const char *line)
{
    for (int i = 0; i < 500; i++) {
        CLEANUP(buf_done) struct buf text = { 0 };
        struct err e;
        assert_ok(metrics_format(f->metrics, &text, &e));
        if (str_contains(buf_span(&text), line))
            return;
        clock_sleep_ms(clock_system(), 10);
    }
    fail_msg("the metrics never said %s", line);
}

static void status_is_prompt_while_all_workers_are_blocked(void **state)
{
    struct httpd_fixture *f = *state;
    int fds[HTTPD_MAX_WORKERS + 1];

    send_to_block(f, fds, HTTPD_MAX_WORKERS);
    httpd_fixture_wait_blocked(f, HTTPD_MAX_WORKERS);
    send_to_block(f, fds + HTTPD_MAX_WORKERS, 1); /* one more queues */
    wait_for_metric(f, "skr_workers_busy 256\n");
    wait_for_metric(f, "skr_requests_queued 1\n");
    int64_t worst = 0;
    for (int i = 0; i < 20; i++) {
        struct raw_answer a;
        const int64_t begin = now_ms();
        assert_true(raw_exchange(f->port, STATUS, &a));
        assert_int_equal(a.status, 200);
        raw_answer_done(&a);
        worst = now_ms() - begin > worst ? now_ms() - begin : worst;
    }
    print_message("slowest of 20 answers of /status: %d ms\n", (int)worst);
    assert_true(worst < 500); /* a busy machine; 50 would be slow on a quiet one */
    assert_int_equal(httpd_fixture_n_served(f), HTTPD_MAX_WORKERS + 20);
    httpd_fixture_release(f);
    expect_all(fds, ARRAY_LEN(fds), 200, "done", 5000);
}

static void refuses_at_once_what_goes_beyond_the_queue(void **state)
{
    struct httpd_fixture *f = *state;
    int *fds = calloc(CAPACITY + 10, sizeof(*fds));

    assert_non_null(fds);
    send_to_block(f, fds, CAPACITY);
    wait_for_metric(f, "skr_requests_queued 1024\n");
    const int64_t begin = now_ms();
    send_to_block(f, fds + CAPACITY, 10);
    for (int i = 0; i < 10; i++) {
        struct raw_answer a;
        assert_true(raw_read(fds[CAPACITY + i], &a, 2000));
        assert_int_equal(a.status, 503);
        assert_true(str_contains(buf_span(&a.body), "overloaded"));
        assert_non_null(strstr(a.head, "Retry-After: 1\r\n"));
        raw_answer_done(&a);
        /* the connection lives on */
        assert_true(raw_send(fds[CAPACITY + i], STATUS) && raw_read(fds[CAPACITY + i], &a, 2000));
        raw_answer_done(&a);
        close(fds[CAPACITY + i]);
    }
    assert_true(now_ms() - begin < 2000);
    httpd_fixture_release(f);
    expect_all(fds, CAPACITY, 200, "done", 5000);
    free(fds);
}

static void the_queue_answers_at_its_deadline_though_nobody_is_free(void **state)
{
    struct httpd_fixture f;
    int fds[HTTPD_MAX_WORKERS + 20];

    httpd_fixture_init(&f);
    f.config.request_ms = 400;
    httpd_fixture_start(&f);
    send_to_block(&f, fds, HTTPD_MAX_WORKERS);
    httpd_fixture_wait_blocked(&f, HTTPD_MAX_WORKERS);
    const int64_t begin = now_ms();
    send_to_block(&f, fds + HTTPD_MAX_WORKERS, 20);
    expect_all(fds + HTTPD_MAX_WORKERS, 20, 503, "overloaded", 5000);
    assert_in_range(now_ms() - begin, 300, 1500);
    httpd_fixture_release(&f);
    expect_all(fds, HTTPD_MAX_WORKERS, 200, "done", 5000); /* handlers mind their own deadline */
    httpd_fixture_stop(&f, 1000, 0);
    httpd_fixture_done(&f);
}

static void workers_take_up_the_next_job_and_new_threads_come_when_needed(void **state)
{
    struct httpd_fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        struct raw_answer a;
        assert_true(raw_exchange(f->port, "POST /echo HTTP/1.1\r\n" HOST "\r\n", &a));
        assert_int_equal(a.status, 200);
        raw_answer_done(&a);
    }
    wait_for_metric(f, "skr_workers_busy 0\n");
}

static void a_drain_waits_for_what_is_under_way(void **state)
{
    struct httpd_fixture f;
    int fds[HTTPD_MAX_WORKERS + 5];

    httpd_fixture_init(&f);
    httpd_fixture_start(&f);
    send_to_block(&f, fds, ARRAY_LEN(fds));
    httpd_fixture_wait_blocked(&f, HTTPD_MAX_WORKERS);
    wait_for_metric(&f, "skr_requests_queued 5\n");
    httpd_fixture_release(&f);
    httpd_fixture_stop(&f, 5000, 0);
    expect_all(fds, ARRAY_LEN(fds), 200, "done", 100);
    httpd_fixture_done(&f);
}

static void *stop_cleanly(void *arg)
{
    size_t n_cut = 1;
    struct httpd_fixture *f = arg;

    httpd_stop(f->httpd, 10000, &n_cut);
    return n_cut == 0 ? arg : NULL;
}

static void a_draining_server_refuses_newcomers_and_says_so_to_those_it_knows(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *needle;
    } cases[] = { { STATUS, 200, "Status OK" }, { BLOCK, 503, "shutting_down" } };
    int blocked, known[ARRAY_LEN(cases)];
    struct httpd_fixture f;
    struct raw_answer a;
    pthread_t stopper;
    void *was_clean;

    httpd_fixture_init(&f);
    httpd_fixture_start(&f);
    send_to_block(&f, &blocked, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        known[i] = raw_connect(f.port);
        assert_true(raw_send(known[i], STATUS) && raw_read(known[i], &a, 1000));
        raw_answer_done(&a);
    }
    httpd_fixture_wait_blocked(&f, 1);
    assert_int_equal(pthread_create(&stopper, NULL, stop_cleanly, &f), 0);
    for (int fd; (fd = raw_connect(f.port)) >= 0; close(fd))
        clock_sleep_ms(clock_system(), 10);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(raw_send(known[i], cases[i].request) && raw_read(known[i], &a, 1000));
        assert_int_equal(a.status, cases[i].status);
        assert_true(str_contains(buf_span(&a.body), cases[i].needle));
        assert_non_null(strstr(a.head, "Connection: close\r\n"));
        assert_true(raw_is_closed(known[i], 1000));
        raw_answer_done(&a);
        close(known[i]);
    }
    httpd_fixture_release(&f);
    assert_int_equal(pthread_join(stopper, &was_clean), 0);
    assert_non_null(was_clean);
    expect_all(&blocked, 1, 200, "done", 100);
    httpd_fixture_done(&f);
}

static void a_drain_that_takes_too_long_answers_all_and_leaves_the_handlers(void **state)
{
    struct httpd_fixture f;
    int fds[HTTPD_MAX_WORKERS + 7];

    httpd_fixture_init(&f);
    httpd_fixture_start(&f);
    send_to_block(&f, fds, ARRAY_LEN(fds));
    httpd_fixture_wait_blocked(&f, HTTPD_MAX_WORKERS);
    wait_for_metric(&f, "skr_requests_queued 7\n");
    const int64_t begin = now_ms();
    httpd_fixture_stop(&f, 200, ARRAY_LEN(fds));
    assert_in_range(now_ms() - begin, 200, 4000);
    expect_all(fds, ARRAY_LEN(fds), 503, "shutting_down", 100);
    assert_int_equal(f.n_blocked, HTTPD_MAX_WORKERS); /* still inside, on memory of their own */
    httpd_fixture_done(&f);
}

struct swarm {
    int port;
    atomic_int n_answers, n_wrong;
    atomic_bool stop;
};

static void *swarm_main(void *arg)
{
    static const char *const requests[] = { STATUS, "POST /echo HTTP/1.1\r\n" HOST "\r\n",
                                            "POST /big HTTP/1.1\r\n" HOST "\r\n" };
    struct swarm *s = arg;

    for (size_t i = 0; !s->stop; i++) {
        struct raw_answer a = { 0 };
        const int fd = raw_connect(s->port);
        if (fd < 0)
            break;
        if (raw_send(fd, requests[i % ARRAY_LEN(requests)]) && i % 7 != 0 &&
            raw_read(fd, &a, 5000)) {
            s->n_answers++;
            s->n_wrong += a.status != 200 && a.status != 503;
        }
        raw_answer_done(&a);
        close(fd);
    }
    return NULL;
}

static void stops_while_requests_come_in(void **state)
{
    int n_answers = 0;

    for (int round = 0; round < 15; round++) {
        struct httpd_fixture f;
        struct swarm s = { 0 };
        pthread_t threads[6];
        size_t n_cut;
        httpd_fixture_init(&f);
        httpd_fixture_start(&f);
        s.port = f.port;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, swarm_main, &s), 0);
        clock_sleep_ms(clock_system(), 20 + round * 3);
        httpd_stop(f.httpd, round % 2 == 0 ? 1000 : 0, &n_cut);
        s.stop = true;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            pthread_join(threads[i], NULL);
        httpd_fixture_done(&f);
        assert_int_equal(s.n_wrong, 0);
        n_answers += s.n_answers;
    }
    assert_true(n_answers > 100);
}

static void note_ready(struct httpd_ticket *ticket)
{
    ticket->job->ctx = NULL;
}

static void never_run(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    fail_msg("a job ran after its deadline");
}

static void a_worker_that_finds_a_job_too_late_does_not_run_it(void **state)
{
    struct fake_clock clk;
    struct httpd_workers *w;
    struct httpd_ticket ticket = { 0 };
    struct err e;

    fake_clock_init(&clk, 1000);
    const struct httpd_workers_config config = { &clk.base, NULL, note_ready };
    assert_ok(httpd_workers_new(&config, &w, &e));
    assert_ok(httpd_job_new(&ticket.job, &e));
    ticket.job->handle = never_run;
    ticket.job->req.deadline_ms = clk.ms;
    assert_int_equal(httpd_workers_submit(w, &ticket), HTTPD_SUBMITTED);
    assert_int_equal(httpd_workers_drain(w, 5000), 0);
    assert_int_equal(ticket.outcome, HTTPD_OVERDUE);
    httpd_workers_free(w);
    httpd_job_free(ticket.job);
}

static void takes_no_job_once_it_drains(void **state)
{
    const struct httpd_workers_config config = { clock_system(), NULL, note_ready };
    struct httpd_workers *w;
    struct httpd_ticket ticket = { 0 };
    struct err e;

    assert_ok(httpd_workers_new(&config, &w, &e));
    assert_ok(httpd_job_new(&ticket.job, &e));
    assert_int_equal(httpd_workers_drain(w, 0), 0);
    assert_int_equal(httpd_workers_submit(w, &ticket), HTTPD_WORKERS_DRAINING);
    assert_true(httpd_workers_expire(w) == INT64_MAX);
    httpd_workers_free(w);
    httpd_job_free(ticket.job);
}

#define with_server(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, httpd_fixture_set_up, httpd_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(status_is_prompt_while_all_workers_are_blocked),
        with_server(refuses_at_once_what_goes_beyond_the_queue),
        with_server(workers_take_up_the_next_job_and_new_threads_come_when_needed),
        cmocka_unit_test(the_queue_answers_at_its_deadline_though_nobody_is_free),
        cmocka_unit_test(a_drain_waits_for_what_is_under_way),
        cmocka_unit_test(a_draining_server_refuses_newcomers_and_says_so_to_those_it_knows),
        cmocka_unit_test(a_drain_that_takes_too_long_answers_all_and_leaves_the_handlers),
        cmocka_unit_test(stops_while_requests_come_in),
        cmocka_unit_test(a_worker_that_finds_a_job_too_late_does_not_run_it),
        cmocka_unit_test(takes_no_job_once_it_drains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
