/* What is refused, and how: framing, sizes, and bytes that are no HTTP. */
#include "support/asserts.h"

#include "base/str.h"
#include "support/httpd_fixture.h"
#include "support/raw_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST "Host: localhost\r\n"

static bool body_is(const struct raw_answer *a, const char *needle)
{
    return str_contains(buf_span(&a->body), needle);
}

static void refuses_requests_whose_end_is_ambiguous(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 5\r\n",
        "Content-Length: 3\r\ncontent-length: 5\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length : 3\r\n",
        "Transfer-Encoding\t: chunked\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct httpd_fixture *f = *state;
        const int before = httpd_fixture_n_served(f);
        struct raw_answer a;
        char text[512];
        const int fd = raw_connect(f->port);
        snprintf(text, sizeof(text),
                 "POST /direct HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\nGET /status HTTP/1.1\r\n" HOST
                 "\r\n",
                 heads[i]);
        assert_true(raw_send(fd, text));
        if (!raw_read(fd, &a, 5000) || a.status != 400 || !body_is(&a, "bad_framing"))
            fail_msg("%s: %s", heads[i], a.head);
        assert_non_null(strstr(a.head, "Connection: close\r\n"));
        assert_true(raw_is_closed(fd, 5000)); /* nothing is taken for a second request */
        assert_int_equal(httpd_fixture_n_served(f), before);
        raw_answer_done(&a);
        close(fd);
    }
}

/* The library words these itself; what counts is that no handler runs and the caller is told. */
static void refuses_what_is_not_http(void **state)
{
    static char huge_url[40000], huge_header[40000];
    static const struct {
        const char *request;
        int status; /* 0: closed without an answer is fine too */
    } cases[] = {
        { "POST /direct HTTP/1.1\r\n\r\n", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nabc", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nabc", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\nabc", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nabc", 413 },
        { "POST /direct HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
          "fffffffffffffffff\r\nx\r\n",
          413 },
        { "POST /direct HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400 },
        { "POST /direct HTTP/1.1\r\n" HOST "no colon here\r\n\r\n", 400 },
        { "POST /dir ect HTTP/1.1\r\n" HOST "\r\n", 0 },
        { "POST /direct HTTP/2.0\r\n" HOST "\r\n", 505 },
        { "POST /direct FTP/1.1\r\n" HOST "\r\n", 400 },
        { "\x16\x03\x01\x02\x01\x01\r\n\r\n", 0 },
        { "garbage\r\n\r\n", 0 },
        { huge_url, 414 },
        { huge_header, 431 },
    };

    const int n = snprintf(huge_url, sizeof(huge_url), "POST /direct?");
    memset(huge_url + n, 'a', sizeof(huge_url) - (size_t)n - 1);
    const int m = snprintf(huge_header, sizeof(huge_header), "POST /direct HTTP/1.1\r\nHost: ");
    memset(huge_header + m, 'a', sizeof(huge_header) - (size_t)m - 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpd_fixture *f = *state;
        struct raw_answer a;
        const int fd = raw_connect(f->port);
        const bool sent = raw_send(fd, cases[i].request);
        const bool answered = raw_read(fd, &a, 5000);
        if (cases[i].status != 0 && (!answered || a.status != cases[i].status))
            fail_msg("sent %d: %.200s\n-> %s", sent, cases[i].request, a.head);
        assert_true(raw_is_closed(fd, 5000));
        assert_int_equal(httpd_fixture_n_served(f), 0);
        raw_answer_done(&a);
        close(fd);
    }
}

static void tells_a_large_body_off_before_it_comes(void **state)
{
    struct httpd_fixture *f = *state;
    static const char *const lengths[] = { "1048577", "9000000000", "18446744073709551615" };

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct raw_answer a;
        char text[200];
        const int fd = raw_connect(f->port);
        snprintf(text, sizeof(text), "POST /direct HTTP/1.1\r\n" HOST "Content-Length: %s\r\n\r\n",
                 lengths[i]);
        assert_true(raw_send(fd, text));
        assert_true(raw_read(fd, &a, 2000));
        assert_int_equal(a.status, 413);
        assert_true(body_is(&a, "too_large"));
        assert_true(raw_is_closed(fd, 2000));
        raw_answer_done(&a);
        close(fd);
    }
    assert_int_equal(httpd_fixture_n_served(f), 0);
}

/* A client that writes everything before it reads must not lose the answer to a reset. */
static void a_client_that_sends_all_the_same_reads_why(void **state)
{
    struct httpd_fixture *f = *state;
    const size_t n = 6 * 1024 * 1024;
    char *body = calloc(1, n);

    assert_non_null(body);
    for (int i = 0; i < 3; i++) {
        struct raw_answer a;
        const int fd = raw_connect(f->port);
        assert_true(
            raw_send(fd, "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 6291456\r\n\r\n"));
        assert_true(raw_send_bytes(fd, body, n));
        assert_true(raw_read(fd, &a, 5000));
        assert_int_equal(a.status, 413);
        raw_answer_done(&a);
        close(fd);
    }
    free(body);
}

static bool send_chunks(int fd, size_t n_chunks)
{
    static char chunk[6 + 65536 + 2];

    memcpy(chunk, "10000\r", 6);
    chunk[5] = '\r';
    if (!raw_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"))
        return false;
    for (size_t i = 0; i < n_chunks; i++)
        if (!raw_send(fd, "10000\r\n") || !raw_send_bytes(fd, chunk, 65536) ||
            !raw_send(fd, "\r\n"))
            return false;
    return raw_send(fd, "0\r\n\r\n");
}

static void bounds_a_body_that_names_no_length(void **state)
{
    static const struct {
        size_t n_chunks;
        int status; /* 0: cut */
    } cases[] = { { 16, 200 }, { 17, 413 }, { 127, 413 }, { 2000, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpd_fixture *f = *state;
        struct raw_answer a = { 0 };
        const int fd = raw_connect(f->port);
        const bool sent = send_chunks(fd, cases[i].n_chunks);
        if (cases[i].status == 0) {
            assert_false(sent);
        } else {
            assert_true(sent);
            assert_true(raw_read(fd, &a, 5000));
            assert_int_equal(a.status, cases[i].status);
        }
        raw_answer_done(&a);
        close(fd);
    }
}

#define N_HEAVY 75

/* Sends bodies that lack one byte, waits, completes them; returns how many were refused. */
static int n_heavy_refused(int port, const char *body, size_t n, int64_t wait_ms)
{
    int fds[N_HEAVY], n_refused = 0;
    char head[100];

    snprintf(head, sizeof(head), "POST /direct HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             n + 1);
    for (size_t i = 0; i < N_HEAVY; i++) {
        fds[i] = raw_connect(port);
        assert_true(raw_send(fds[i], head) && raw_send_bytes(fds[i], body, n));
    }
    clock_sleep_ms(clock_system(), wait_ms);
    for (size_t i = 0; i < N_HEAVY; i++) {
        struct raw_answer a;
        assert_true(raw_send(fds[i], "x") && raw_read(fds[i], &a, 20000));
        assert_int_equal(a.status, body_is(&a, "overloaded") ? 503 : 200);
        n_refused += a.status == 503;
        raw_answer_done(&a);
        close(fds[i]);
    }
    return n_refused;
}

/* Many large bodies that never end may not fill the memory: the bound is 64 MiB for all. */
static void bounds_all_bodies_together(void **state)
{
    struct httpd_fixture f;
    const size_t n = 1000000;
    char *body = calloc(1, n);
    int n_refused = 0;

    assert_non_null(body);
    httpd_fixture_init(&f);
    f.config.receive_ms = 60000;
    httpd_fixture_start(&f);
    for (int64_t wait_ms = 200; wait_ms < 4000 && n_refused == 0; wait_ms *= 4)
        n_refused = n_heavy_refused(f.port, body, n, wait_ms); /* all has to be read by then */
    assert_in_range(n_refused, 1, N_HEAVY - 60);
    assert_int_equal(n_heavy_refused(f.port, body, n / 2, 200), 0); /* all was given back */
    httpd_fixture_stop(&f, 1000, 0);
    httpd_fixture_done(&f);
    free(body);
}

static void waits_for_a_body_when_asked_to_go_on(void **state)
{
    struct httpd_fixture *f = *state;
    struct raw_answer a;
    const int fd = raw_connect(f->port);

    assert_true(raw_send(fd, "POST /echo HTTP/1.1\r\n" HOST
                             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    assert_true(raw_read_head(fd, &a, 5000));
    assert_int_equal(a.status, 100);
    assert_true(raw_send(fd, "abc"));
    assert_true(raw_read(fd, &a, 5000));
    assert_int_equal(a.status, 200);
    raw_answer_done(&a);
    close(fd);
}

#define with_server(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, httpd_fixture_set_up, httpd_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(refuses_requests_whose_end_is_ambiguous),
        with_server(refuses_what_is_not_http),
        with_server(tells_a_large_body_off_before_it_comes),
        with_server(a_client_that_sends_all_the_same_reads_why),
        with_server(bounds_a_body_that_names_no_length),
        cmocka_unit_test(bounds_all_bodies_together),
        with_server(waits_for_a_body_when_asked_to_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
