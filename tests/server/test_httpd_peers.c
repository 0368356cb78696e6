/* Who is cut, and when: senders that dawdle, and floods of them. */
#include "support/asserts.h"

#include "server/httpd_peers.h"
#include "support/fake_clock.h"
#include "support/httpd_fixture.h"
#include "support/raw_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST   "Host: localhost\r\n"
#define STATUS "GET /status HTTP/1.1\r\n" HOST "\r\n"

static int64_t now_ms(void)
{
    return clock_now_ms(clock_system());
}

/* ---- the book-keeping alone, on a clock that we move ---- */

struct book {
    struct fake_clock clk;
    struct httpd_peers *peers;
    int far[8]; /* the other ends */
    int near[8];
    struct httpd_peer *peer[8];
};

static void book_open_patient(struct book *b, size_t max, int64_t receive_ms, int64_t idle_ms)
{
    struct err e;

    fake_clock_init(&b->clk, 1000);
    const struct httpd_peers_config config = { &b->clk.base, NULL, receive_ms, idle_ms, max };
    assert_ok(httpd_peers_new(&config, &b->peers, &e));
}

static void book_open(struct book *b, size_t max)
{
    book_open_patient(b, max, 100, 1000);
}

static void book_enter(struct book *b, size_t i)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    b->near[i] = fds[0];
    b->far[i] = fds[1];
    b->peer[i] = httpd_peers_enter(b->peers, fds[0]);
    assert_non_null(b->peer[i]);
}

static bool book_is_cut(const struct book *b, size_t i)
{
    char c;

    return recv(b->far[i], &c, 1, MSG_DONTWAIT) == 0;
}

static void book_close(struct book *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        httpd_peers_leave(b->peers, b->peer[i]);
        close(b->near[i]);
        close(b->far[i]);
    }
    httpd_peers_free(b->peers);
}

static void each_phase_has_its_time(void **state)
{
    static const struct {
        enum httpd_phase phase;
        int64_t ms; /* 0: for ever */
    } cases[] = { { HTTPD_PHASE_RECEIVING, 100 },
                  { HTTPD_PHASE_IDLE, 1000 },
                  { HTTPD_PHASE_ANSWERING, 100 },
                  { HTTPD_PHASE_WAITING, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct book b;
        book_open(&b, 100);
        book_enter(&b, 0);
        httpd_peers_move(b.peers, b.peer[0], cases[i].phase);
        fake_clock_advance(&b.clk, cases[i].ms != 0 ? cases[i].ms - 1 : 1000000);
        httpd_peers_cut_overdue(b.peers);
        assert_false(book_is_cut(&b, 0));
        fake_clock_advance(&b.clk, 1);
        httpd_peers_cut_overdue(b.peers);
        assert_int_equal(book_is_cut(&b, 0), cases[i].ms != 0);
        book_close(&b, 1);
    }
}

static void staying_in_a_phase_does_not_renew_its_time(void **state)
{
    struct book b;

    book_open(&b, 100);
    book_enter(&b, 0);
    fake_clock_advance(&b.clk, 99);
    httpd_peers_move(b.peers, b.peer[0], HTTPD_PHASE_RECEIVING); /* as a request line does */
    fake_clock_advance(&b.clk, 1);
    httpd_peers_cut_overdue(b.peers);
    assert_true(book_is_cut(&b, 0));
    book_close(&b, 1);
}

static void the_oldest_make_room_and_those_who_wait_for_us_never(void **state)
{
    static const size_t order[] = { 3, 4, 5, 2, 1 }; /* 1 is only slow to read; 0 waits for us */
    static const struct {
        size_t max, n_cut; /* of six, so that fewer than three quarters of max are left */
    } cases[] = { { 9, 0 }, { 8, 1 }, { 5, 3 }, { 4, 4 }, { 2, 5 }, { 1, 5 } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct book b;
        book_open(&b, cases[i].max);
        for (size_t k = 0; k < 6; k++) {
            book_enter(&b, k);
            fake_clock_advance(&b.clk, 1);
        }
        httpd_peers_move(b.peers, b.peer[0], HTTPD_PHASE_WAITING);
        httpd_peers_move(b.peers, b.peer[1], HTTPD_PHASE_ANSWERING);
        httpd_peers_move(b.peers, b.peer[2], HTTPD_PHASE_IDLE);
        /* Those that were cut are there until the event thread has closed them. */
        assert_int_equal(httpd_peers_announce(b.peers), cases[i].max > 6);
        for (size_t k = 0; k < ARRAY_LEN(order); k++)
            assert_int_equal(book_is_cut(&b, order[k]), k < cases[i].n_cut);
        assert_false(book_is_cut(&b, 0));
        book_close(&b, 6);
    }
}

static void there_is_no_room_when_everybody_waits_for_us(void **state)
{
    struct book b;

    book_open(&b, 4);
    for (size_t i = 0; i < 4; i++) {
        book_enter(&b, i);
        httpd_peers_move(b.peers, b.peer[i], HTTPD_PHASE_WAITING);
    }
    assert_false(httpd_peers_announce(b.peers));
    for (size_t i = 0; i < 4; i++)
        assert_false(book_is_cut(&b, i));
    httpd_peers_move(b.peers, b.peer[3], HTTPD_PHASE_ANSWERING);
    assert_false(httpd_peers_announce(b.peers)); /* cut, but not gone yet */
    assert_true(book_is_cut(&b, 3));
    for (size_t i = 0; i < 3; i++)
        httpd_peers_move(b.peers, b.peer[i], HTTPD_PHASE_IDLE);
    book_close(&b, 4);
}

/* What he sent is incomplete, or it would have moved him on within that second. */
static void a_sender_who_left_is_cut_a_second_later(void **state)
{
    static const enum httpd_phase phases[] = { HTTPD_PHASE_RECEIVING, HTTPD_PHASE_IDLE,
                                               HTTPD_PHASE_WAITING, HTTPD_PHASE_ANSWERING,
                                               HTTPD_PHASE_RECEIVING };
    struct book b;

    book_open_patient(&b, 100, 60000, 60000);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        book_enter(&b, i);
        httpd_peers_move(b.peers, b.peer[i], phases[i]);
        if (i != 4) /* who is slow, but there */
            assert_int_equal(shutdown(b.far[i], SHUT_WR), 0);
    }
    httpd_peers_cut_overdue(b.peers);
    fake_clock_advance(&b.clk, 999);
    httpd_peers_cut_overdue(b.peers);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        assert_false(book_is_cut(&b, i));
    fake_clock_advance(&b.clk, 1);
    httpd_peers_cut_overdue(b.peers);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        assert_int_equal(book_is_cut(&b, i), i < 2);
    book_close(&b, ARRAY_LEN(phases));
}

static void an_announced_peer_that_never_comes_is_forgotten(void **state)
{
    struct book b;

    book_open(&b, 2);
    assert_true(httpd_peers_announce(b.peers));
    assert_true(httpd_peers_announce(b.peers));
    assert_false(httpd_peers_announce(b.peers));
    assert_false(httpd_peers_settle(b.peers, 10));
    httpd_peers_forget_all(b.peers);
    assert_true(httpd_peers_settle(b.peers, 10));
    assert_true(httpd_peers_announce(b.peers));
    book_close(&b, 0);
}

/* ---- the whole server ---- */

static void start_impatient(struct httpd_fixture *f, int64_t receive_ms, int64_t idle_ms)
{
    httpd_fixture_init(f);
    f->config.receive_ms = receive_ms;
    f->config.idle_ms = idle_ms;
    httpd_fixture_start(f);
}

static void stop(struct httpd_fixture *f)
{
    httpd_fixture_release(f);
    httpd_fixture_stop(f, 5000, 0);
    httpd_fixture_done(f);
}

static void cuts_a_request_that_does_not_arrive_whole_in_time(void **state)
{
    static const char *const texts[] = {
        "",
        "P",
        "POST /echo HTTP/1.1\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "X-Long: ",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5000\r\n",
    };
    struct httpd_fixture f;

    start_impatient(&f, 400, 60000);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (int trickling = 0; trickling < 2; trickling++) {
            const int fd = raw_connect(f.port);
            const int64_t begin = now_ms();
            assert_true(raw_send(fd, texts[i]));
            while (trickling != 0 && now_ms() - begin < 300) { /* bytes do not buy time */
                assert_true(raw_send(fd, "a"));
                clock_sleep_ms(clock_system(), 20);
            }
            assert_true(raw_is_closed(fd, 3000));
            assert_in_range(now_ms() - begin, 390, 2000);
            close(fd);
        }
    }
    assert_int_equal(httpd_fixture_n_served(&f), 0);
    stop(&f);
}

static void cuts_the_second_request_too_when_it_dawdles(void **state)
{
    struct httpd_fixture f;
    struct raw_answer a;

    start_impatient(&f, 400, 60000);
    const int fd = raw_connect(f.port);
    for (int i = 0; i < 3; i++) { /* each request has the time anew */
        assert_true(raw_send(fd, STATUS) && raw_read(fd, &a, 1000));
        raw_answer_done(&a);
        clock_sleep_ms(clock_system(), 200);
    }
    assert_true(raw_send(fd, "GET /status HTTP/1.1\r\n"));
    const int64_t begin = now_ms();
    assert_true(raw_is_closed(fd, 3000));
    assert_in_range(now_ms() - begin, 390, 2000);
    close(fd);
    stop(&f);
}

static void closes_an_idle_connection_but_none_that_waits_for_an_answer(void **state)
{
    struct httpd_fixture f;
    struct raw_answer a;

    start_impatient(&f, 300, 600);
    const int idle = raw_connect(f.port), waiting = raw_connect(f.port);
    assert_true(raw_send(waiting, "GET /block HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(raw_send(idle, STATUS) && raw_read(idle, &a, 1000));
    raw_answer_done(&a);
    const int64_t begin = now_ms();
    assert_true(raw_is_closed(idle, 3000));
    assert_in_range(now_ms() - begin, 590, 2000);
    clock_sleep_ms(clock_system(), 700);
    httpd_fixture_release(&f);
    assert_true(raw_read(waiting, &a, 1000));
    assert_int_equal(a.status, 200);
    raw_answer_done(&a);
    close(idle);
    close(waiting);
    stop(&f);
}

static void cuts_who_does_not_read_and_serves_the_others_meanwhile(void **state)
{
    struct httpd_fixture f;
    struct raw_answer a;
    int fds[40];

    start_impatient(&f, 1000, 60000);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = raw_connect(f.port);
        for (int n = 0; n < 10; n++) /* more than all socket buffers between us */
            assert_true(raw_send(fds[i], "POST /big HTTP/1.1\r\n" HOST "\r\n"));
    }
    for (int i = 0; i < 10; i++) {
        const int64_t begin = now_ms();
        assert_true(raw_exchange(f.port, STATUS, &a));
        assert_true(now_ms() - begin < 1000);
        raw_answer_done(&a);
    }
    clock_sleep_ms(clock_system(), 1500);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        assert_true(raw_is_closed(fds[i], 1000));
        close(fds[i]);
    }
    stop(&f);
}

#define N_FLOOD 6000

struct flood {
    int fds[N_FLOOD];
    atomic_bool stop;
};

/* One byte to each of them, over and over. */
static void *trickle(void *arg)
{
    struct flood *flood = arg;

    while (!flood->stop) {
        for (size_t i = 0; i < N_FLOOD && !flood->stop; i++)
            (void)send(flood->fds[i], "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        clock_sleep_ms(clock_system(), 100);
    }
    return NULL;
}

static int64_t slowest_status(const struct httpd_fixture *f, int n)
{
    int64_t worst = 0;

    for (int i = 0; i < n; i++) {
        struct raw_answer a;
        const int64_t begin = now_ms();
        if (!raw_exchange(f->port, STATUS, &a))
            fail_msg("no answer after %d ms", (int)(now_ms() - begin));
        assert_int_equal(a.status, 200);
        raw_answer_done(&a);
        worst = now_ms() - begin > worst ? now_ms() - begin : worst;
    }
    return worst;
}

/* Thousands that have sent the beginning of a request, of which the server may hold fewer than
 * come, and that go on byte by byte, against times that are far too long to help. */
static void a_flood_of_slow_senders_does_not_keep_others_out(void **state)
{
    struct httpd_fixture f;
    struct flood *flood = calloc(1, sizeof(*flood));
    struct rlimit files;
    pthread_t thread;
    int64_t worst = 0;

    assert_non_null(flood);
    httpd_fixture_init(&f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * N_FLOOD + 500)
        skip_because("needs %d open files", 2 * N_FLOOD + 500);
    f.config.receive_ms = f.config.idle_ms = 600000;
    f.config.max_files = 5500;
    httpd_fixture_start(&f);
    for (size_t i = 0; i < N_FLOOD; i++) {
        flood->fds[i] = raw_connect(f.port);
        assert_true(flood->fds[i] >= 0);
        (void)send(flood->fds[i], "GET /status HTTP/1.1\r\nX: ", 25 * (i % 2), MSG_NOSIGNAL);
        if (i % 500 == 499)
            worst = slowest_status(&f, 1) > worst ? slowest_status(&f, 1) : worst;
    }
    assert_int_equal(pthread_create(&thread, NULL, trickle, flood), 0);
    const int64_t trickled = slowest_status(&f, 50);
    print_message("slowest answer of /status: %d ms while %d came, %d ms while they trickled\n",
                  (int)worst, N_FLOOD, (int)trickled);
    assert_true(worst < 1000 && trickled < 1000);
    flood->stop = true;
    pthread_join(thread, NULL);
    for (size_t i = 0; i < N_FLOOD; i++)
        close(flood->fds[i]);
    stop(&f);
    free(flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_phase_has_its_time),
        cmocka_unit_test(staying_in_a_phase_does_not_renew_its_time),
        cmocka_unit_test(the_oldest_make_room_and_those_who_wait_for_us_never),
        cmocka_unit_test(there_is_no_room_when_everybody_waits_for_us),
        cmocka_unit_test(a_sender_who_left_is_cut_a_second_later),
        cmocka_unit_test(an_announced_peer_that_never_comes_is_forgotten),
        cmocka_unit_test(cuts_a_request_that_does_not_arrive_whole_in_time),
        cmocka_unit_test(cuts_the_second_request_too_when_it_dawdles),
        cmocka_unit_test(closes_an_idle_connection_but_none_that_waits_for_an_answer),
        cmocka_unit_test(cuts_who_does_not_read_and_serves_the_others_meanwhile),
        cmocka_unit_test(a_flood_of_slow_senders_does_not_keep_others_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
