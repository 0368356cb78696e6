/* The client against a server that misbehaves, one way in each row. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/clock.h"

#include <stdio.h>

#define LABEL_64 "a234567890123456789012345678901234567890123456789012345678901234"

static struct judge_server *judge;

static void names_each_fault(void **state)
{
    static const struct {
        const char *path;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { "/nothing", ERR_NET, "Empty reply" },
        { "/reset", ERR_NET, "reset" },
        { "/reset-in-body", ERR_NET, "reset" },
        { "/short", ERR_NET, "90 bytes remaining" },
        { "/short-chunk", ERR_NET, "" },
        { "/no-last-chunk", ERR_NET, "" },
        { "/bad-chunk", ERR_NET, "chunk" },
        { "/headers-only", ERR_NET, "closed within the header" },
        { "/raw/HTTP%2F1.1%20200%20OK%0D%0A", ERR_NET, "closed within the header" },
        { "/raw/HTTP%2F1.1%20200%20O", ERR_NET, "Empty reply" },
        { "/raw/HTTP%2F1.1%20200%20OK%0D%0AContent-Length:%201%0D%0A", ERR_NET, "" },
        { "/raw/SSH-2.0-OpenSSH_9.2%0D%0A", ERR_PARSE, "HTTP/0.9" },
        { "/raw/HTTP%2F1.1%20abc%20OK%0D%0A%0D%0A", ERR_PARSE, "" },
        { "/raw/HTTP%2F9.9%20200%20OK%0D%0A%0D%0A", ERR_PARSE, "" },
        { "/raw/HTTP%2F1.1%0D%0A%0D%0A", ERR_PARSE, "" },
        { "/raw/HTTP%2F1.1%20020%20OK%0D%0AContent-Length:%200%0D%0A%0D%0A", ERR_PARSE, "" },
        { "/raw/HTTP%2F1.1%20200%20OK%0D%0AContent-Length:%20ten%0D%0A%0D%0A", ERR_PARSE, "" },
        { "/many-headers/700", ERR_PARSE, "header of the answer is longer than 65536 bytes" },
        { "/long-header/200000", ERR_PARSE, "header" },
        { "/long-status/200000", ERR_PARSE, "header" },
        { "/endless-interim", ERR_PARSE, "header of the answer is longer than 65536 bytes" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_response r = { .status = -7 };
        char peer[40];
        struct err e;
        assert_fails(cases[i].code, cases[i].needle,
                     judge_server_get(judge, "plain", cases[i].path, &r, &e));
        snprintf(peer, sizeof(peer), "127.0.0.1:%d: ", judge_server_port(judge, "plain"));
        assert_int_equal(strncmp(e.msg, peer, strlen(peer)), 0);
        assert_int_equal(r.status, -7);
        assert_null(r.body.p);
    }
}

static void takes_headers_up_to_the_limit(void **state)
{
    CLEANUP(http_response_done) struct http_response many = { 0 };
    CLEANUP(http_response_done) struct http_response one = { 0 };
    struct err e;

    assert_ok(judge_server_get(judge, "plain", "/many-headers/600", &many, &e));
    assert_ok(judge_server_get(judge, "plain", "/long-header/60000", &one, &e));
}

static void never_cuts_an_answer(void **state)
{
    static const struct {
        const char *path;
        size_t max;
        bool is_good;
    } cases[] = {
        { "/size/5000", 5000, true },
        { "/size/5001", 5000, false },
        { "/chunked/5000", 5000, true },
        { "/chunked/5001", 5000, false },
        { "/until-close/5000", 5000, true },
        { "/until-close/5001", 5000, false },
        { "/announce/5001", 5000, false }, /* refused before a byte of it has come */
        { "/size/1048576", 0, true },
        { "/size/1048577", 0, false },
        { "/chunked/1048577", 0, false },
        { "/announce/9000000000000000000", 0, false },
        { "/announce/99000000000000000000", 0, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        char url[JUDGE_URL_SIZE], needle[64];
        struct err e;
        judge_server_url(judge, "plain", cases[i].path, url);
        const struct http_request request = {
            .method = "GET", .url = url, .timeout_ms = 10000, .max_body = cases[i].max
        };
        const size_t max = cases[i].max != 0 ? cases[i].max : HTTP_MAX_BODY;
        snprintf(needle, sizeof(needle), "answer is longer than %zu bytes", max);
        if (cases[i].is_good) {
            assert_ok(http_perform(judge->client, &request, &r, &e));
            assert_int_equal(r.body.n, max);
        } else {
            assert_fails(ERR_PARSE, needle, http_perform(judge->client, &request, &r, &e));
            assert_null(r.body.p);
        }
    }
}

static void gives_up_when_the_time_is_over(void **state)
{
    static const struct {
        const char *port, *path;
        int64_t limit_ms, at_least_ms;
    } cases[] = {
        { "plain", "/silent", 300, 290 },      { "plain", "/drip", 300, 290 },
        { "plain", "/announce/10", 300, 290 }, { "stuck", "/", 300, 290 },
        { "stuck", "/", 60000, 1990 }, /* the client's limit for connecting */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_response r = { 0 };
        char url[JUDGE_URL_SIZE];
        struct err e;
        const int64_t start_ms = clock_now_ms(clock_system());
        judge_server_url(judge, cases[i].port, cases[i].path, url);
        const struct http_request request = { .method = "GET",
                                              .url = url,
                                              .timeout_ms = cases[i].limit_ms };
        assert_fails(ERR_TIMEOUT, "out", http_perform(judge->client, &request, &r, &e));
        const int64_t took_ms = clock_now_ms(clock_system()) - start_ms;
        assert_in_range(took_ms, cases[i].at_least_ms, cases[i].at_least_ms + 5000);
    }
}

static void says_when_nobody_is_there(void **state)
{
    struct http_response r = { 0 };
    struct http_request request = { .method = "GET", .timeout_ms = 10000 };
    char url[64];
    struct err e;

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", judge_server_port(judge, "refused"));
    request.url = url;
    assert_fails(ERR_NET, "Failed to connect", http_perform(judge->client, &request, &r, &e));
    /* a label of 64 characters: no question leaves this machine */
    request.url = "http://" LABEL_64 ".invalid/secret-path?secret-query";
    assert_fails(ERR_NET, LABEL_64 ".invalid: Could not resolve host",
                 http_perform(judge->client, &request, &r, &e));
    assert_null(strstr(e.msg, "secret"));
}

static int start(void **state)
{
    const int rc = judge_server_start(state);

    judge = *state;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_fault),
        cmocka_unit_test(takes_headers_up_to_the_limit),
        cmocka_unit_test(never_cuts_an_answer),
        cmocka_unit_test(gives_up_when_the_time_is_over),
        cmocka_unit_test(says_when_nobody_is_there),
    };

    return cmocka_run_group_tests(tests, start, judge_server_stop);
}
