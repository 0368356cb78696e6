/* What one caller gets, well-behaved or not. The judge is the bytes on the wire. */
#include "support/asserts.h"

#include "base/str.h"
#include "support/httpd_fixture.h"
#include "support/raw_client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: localhost\r\n"

static bool body_is(const struct raw_answer *a, const char *needle)
{
    return str_contains(buf_span(&a->body), needle);
}

static void answers_on_both_loopback_families(void **state)
{
    struct httpd_fixture *f = *state;
    const int fds[] = { raw_connect(f->port), raw_connect_v6(f->port) };

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        struct raw_answer a;
        if (fds[i] < 0 && i == 1)
            skip_because("this machine has no ::1");
        assert_true(raw_send(fds[i], "GET /status HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(raw_read(fds[i], &a, 5000));
        assert_int_equal(a.status, 200);
        assert_true(body_is(&a, "{\"message\":\"Status OK\""));
        assert_non_null(strstr(a.head, "Content-Type: application/json; charset=utf-8\r\n"));
        assert_null(strcasestr(a.head, "x-insecure-dev"));
        raw_answer_done(&a);
        close(fds[i]);
    }
}

static void gives_each_request_an_id_of_its_own(void **state)
{
    struct httpd_fixture *f = *state;
    char before[64] = "";

    for (int i = 0; i < 3; i++) {
        struct raw_answer a;
        assert_true(raw_exchange(f->port, "GET /status HTTP/1.1\r\n" HOST "\r\n", &a));
        const char *id = strstr((const char *)a.body.p, "\"id\":\"");
        assert_non_null(id);
        assert_int_equal(strspn(id + 6, "0123456789abcdef"), HTTPD_REQUEST_ID_SIZE - 1);
        assert_string_not_equal(before, id);
        snprintf(before, sizeof(before), "%s", id);
        raw_answer_done(&a);
    }
}

static void answers_everything_that_parses_with_one_document(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *body, *header;
    } cases[] = {
        { "GET /status HTTP/1.1\r\n" HOST "\r\n", 200, "Status OK", "" },
        { "GET /status HTTP/1.0\r\n\r\n", 200, "Status OK", "Connection: close" },
        { "GET /status?a=b&c HTTP/1.1\r\n" HOST "\r\n", 200, "Status OK", "" },
        { "GET http://localhost:8080/status?a HTTP/1.1\r\n" HOST "\r\n", 200, "Status OK", "" },
        { "GET http://localhost HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "abc", "" },
        { "POST /direct HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "abc", "" },
        { "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "",
          "Content-Length: 0" },
        { "POST /direct HTTP/1.1\r\n" HOST "\r\n", 200, "", "Content-Length: 0" },
        { "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
          "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n",
          200, "abc", "" },
        { "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 404, "not_found", "" },
        { "GET /%73tatus HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "GET /status/ HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "GET /x/../status HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "GET /status%00 HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "GET * HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", "" },
        { "POST /status HTTP/1.1\r\n" HOST "\r\n", 405, "method_not_allowed", "Allow: GET\r\n" },
        { "get /status HTTP/1.1\r\n" HOST "\r\n", 405, "method_not_allowed", "Allow: GET\r\n" },
        { "BREW /block HTTP/1.1\r\n" HOST "\r\n", 405, "method_not_allowed",
          "Allow: POST, GET\r\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpd_fixture *f = *state;
        struct raw_answer a;
        if (!raw_exchange(f->port, cases[i].request, &a))
            fail_msg("no answer to: %s", cases[i].request);
        if (a.status != cases[i].status || !body_is(&a, cases[i].body) ||
            strstr(a.head, cases[i].header) == NULL)
            fail_msg("to: %s\n%s%.*s", cases[i].request, a.head, (int)a.body.n,
                     (const char *)a.body.p);
        raw_answer_done(&a);
    }
}

static void head_is_refused_without_a_body(void **state)
{
    struct httpd_fixture *f = *state;
    struct raw_answer a;
    const int fd = raw_connect(f->port);

    assert_true(
        raw_send(fd, "HEAD /status HTTP/1.1\r\n" HOST "\r\nGET /status HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(raw_read_head(fd, &a, 5000));
    assert_int_equal(a.status, 405);
    assert_true(raw_read(fd, &a, 5000)); /* the next answer begins right behind */
    assert_int_equal(a.status, 200);
    raw_answer_done(&a);
    close(fd);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct httpd_fixture *f = *state;
    const int fd = raw_connect(f->port);
    char body[8];

    for (int i = 0; i < 100; i++) {
        char text[200];
        snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n%03d",
                 i % 2 != 0 ? "/echo" : "/direct", i);
        assert_true(raw_send(fd, text));
    }
    for (int i = 0; i < 100; i++) {
        struct raw_answer a;
        assert_true(raw_read(fd, &a, 5000));
        snprintf(body, sizeof(body), "%03d", i);
        assert_string_equal((const char *)a.body.p, body);
        raw_answer_done(&a);
    }
    close(fd);
}

static void takes_a_request_byte_by_byte(void **state)
{
    struct httpd_fixture *f = *state;
    static const char *const text = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                                    "\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
    struct raw_answer a;
    const int fd = raw_connect(f->port), on = 1;

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (const char *p = text; *p != '\0'; p++) {
        assert_true(raw_send_bytes(fd, p, 1));
        clock_sleep_ms(clock_system(), 1);
    }
    assert_true(raw_read(fd, &a, 5000));
    assert_string_equal((const char *)a.body.p, "abc");
    raw_answer_done(&a);
    close(fd);
}

static void answers_a_caller_who_has_closed_his_sending_side(void **state)
{
    static const char *const requests[] = { "GET /status", "POST /echo", "GET /block",
                                            "POST /big" };

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct httpd_fixture *f = *state;
        struct raw_answer a;
        char text[100];
        const int fd = raw_connect(f->port);
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" HOST "\r\n", requests[i]);
        assert_true(raw_send(fd, text));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        if (strstr(text, "/block") != NULL) {
            httpd_fixture_wait_blocked(f, 1);
            httpd_fixture_release(f);
        }
        if (!raw_read(fd, &a, 5000) || a.status != 200)
            fail_msg("%s: \"%s\"", requests[i], a.head);
        raw_answer_done(&a);
        assert_true(raw_is_closed(fd, 2000)); /* long before the idle time is over */
        close(fd);
    }
}

static void survives_callers_that_leave_at_any_moment(void **state)
{
    struct httpd_fixture *f = *state;
    static const char *const text =
        "POST /big HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789";
    const struct linger reset = { 1, 0 };
    struct raw_answer a;

    for (size_t n = 0; n <= strlen(text); n++) {
        for (int how = 0; how < 2; how++) { /* a clean end, and a reset */
            const int fd = raw_connect(f->port);
            assert_true(fd >= 0 && raw_send_bytes(fd, text, n));
            if (how == 1)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            close(fd);
        }
    }
    const int fd = raw_connect(f->port); /* in the middle of its answer */
    assert_true(raw_send(fd, text));
    assert_true(raw_read_head(fd, &a, 5000));
    close(fd);
    assert_true(raw_exchange(f->port, "GET /status HTTP/1.1\r\n" HOST "\r\n", &a));
    assert_int_equal(a.status, 200);
    raw_answer_done(&a);
}

static void survives_callers_that_leave_while_they_wait(void **state)
{
    struct httpd_fixture *f = *state;
    struct raw_answer a;

    for (int i = 0; i < 20; i++) {
        const int fd = raw_connect(f->port);
        assert_true(raw_send(fd, "POST /block HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"));
        httpd_fixture_wait_blocked(f, i + 1);
        close(fd);
    }
    httpd_fixture_release(f);
    httpd_fixture_wait_blocked(f, 0);
    assert_true(raw_exchange(f->port, "POST /block HTTP/1.1\r\n" HOST "\r\n", &a));
    assert_int_equal(a.status, 200);
    raw_answer_done(&a);
}

static void marks_answers_of_development_mode(void **state)
{
    struct httpd_fixture f;
    static const char *const requests[] = { "GET /status", "GET /nowhere", "POST /echo" };

    httpd_fixture_init(&f);
    f.config.insecure_dev = true;
    httpd_fixture_start(&f);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct raw_answer a;
        char text[100];
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" HOST "\r\n", requests[i]);
        assert_true(raw_exchange(f.port, text, &a));
        assert_non_null(strstr(a.head, "x-insecure-dev: true\r\n"));
        raw_answer_done(&a);
    }
    httpd_fixture_stop(&f, 0, 0);
    httpd_fixture_done(&f);
}

static void counts_requests_by_route_and_status(void **state)
{
    struct httpd_fixture *f = *state;
    static const char *const requests[] = { "GET /status", "GET /status", "GET /a",
                                            "GET /b",      "PUT /status", "POST /echo" };
    static const char *const lines[] = {
        "skr_requests_total{endpoint=\"/status\",status=\"200\"} 2\n",
        "skr_requests_total{endpoint=\"other\",status=\"404\"} 2\n",
        "skr_requests_total{endpoint=\"/status\",status=\"405\"} 1\n",
        "skr_requests_total{endpoint=\"/echo\",status=\"200\"} 1\n",
        "skr_request_seconds_count{endpoint=\"/echo\",status=\"200\"} 1\n",
        "skr_workers_busy 0\n",
        "skr_requests_queued 0\n",
        "skr_connections 1\n",
    };
    CLEANUP(buf_done) struct buf text = { 0 };
    struct raw_answer a;
    struct err e;

    const int idle = raw_connect(f->port);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        char request[100];
        snprintf(request, sizeof(request), "%s HTTP/1.1\r\n" HOST "\r\n", requests[i]);
        assert_true(raw_exchange(f->port, request, &a));
        raw_answer_done(&a);
    }
    clock_sleep_ms(clock_system(), 200); /* the last connections are still being closed */
    assert_ok(metrics_format(f->metrics, &text, &e));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!str_contains(buf_span(&text), lines[i]))
            fail_msg("%s is not in:\n%s", lines[i], buf_cstr(&text));
    close(idle);
}

#define with_server(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, httpd_fixture_set_up, httpd_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(answers_on_both_loopback_families),
        with_server(gives_each_request_an_id_of_its_own),
        with_server(answers_everything_that_parses_with_one_document),
        with_server(head_is_refused_without_a_body),
        with_server(answers_pipelined_requests_in_order),
        with_server(takes_a_request_byte_by_byte),
        with_server(answers_a_caller_who_has_closed_his_sending_side),
        with_server(survives_callers_that_leave_at_any_moment),
        with_server(survives_callers_that_leave_while_they_wait),
        with_server(counts_requests_by_route_and_status),
        cmocka_unit_test(marks_answers_of_development_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
