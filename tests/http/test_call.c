#include "support/asserts.h"

#include "support/fake_clock.h"
#include "support/fake_http.h"

#include "base/log.h"
#include "http/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define URL "https://vault.test/keys/k/release?api-version=7.4"

/* Lines of a script. */
#define ANSWER(status_, ...)                                                                       \
    {                                                                                              \
        .method = "POST", .url = URL, .status = (status_), .answer = __VA_ARGS__                   \
    }
#define SILENCE                                                                                    \
    {                                                                                              \
        .method = "POST", .url = URL, .status = 0                                                  \
    }
#define TIMEOUT                                                                                    \
    {                                                                                              \
        .method = "POST", .url = URL, .status = -1                                                 \
    }

static const struct metric_desc METRICS[] = {
    { "skr_upstream_requests_total", METRIC_COUNTER, "", { "service", "result" } },
    { "skr_retries_total", METRIC_COUNTER, "", { "service", "cause" } },
    { "skr_upstream_connections_total", METRIC_COUNTER, "", { "service", "kind" } },
    { 0 },
};

/* A client that only ever says one thing, and remembers the time limits that it was given. */
struct fixed_client {
    struct http_client base;
    struct fake_clock *clk;
    int64_t takes_ms;
    int64_t timeouts_ms[8];
    size_t n;
    enum err_code code;
    int status;
    bool is_reused;
};

static void fixed_submit(struct http_client *c, struct http_exchange *x)
{
    struct fixed_client *f = CONTAINER_OF(c, struct fixed_client, base);
    struct err e;

    f->timeouts_ms[f->n++ % ARRAY_LEN(f->timeouts_ms)] = x->request->timeout_ms;
    fake_clock_advance(f->clk, f->takes_ms);
    x->response.status = f->status;
    x->response.retry_after_s = -1;
    x->response.is_reused = f->is_reused;
    err_set(&e, f->code, "what %s says", "the client");
    x->done(x, f->code != ERR_NONE ? &e : NULL);
}

static const struct http_client_ops FIXED_OPS = { fixed_submit, NULL, NULL };

struct fixture {
    struct fake_clock clk;
    struct fake_http http;
    struct http_env env;
    struct http_call call;
    struct http_response out;
    struct err e;
};

static void setup(struct fixture *f, const struct fake_exchange *script)
{
    *f = (struct fixture){ 0 };
    fake_clock_init(&f->clk, 1700000000);
    fake_http_init(&f->http, script);
    f->env = (struct http_env){ &f->http.base, &f->clk.base, NULL, 20000 };
    assert_int_equal(metrics_new(METRICS, &f->env.metrics, &f->e), 0);
    f->call = (struct http_call){ .service = "akv",
                                  .deadline_ms = clock_now_ms(&f->clk.base) + 50000,
                                  .request = { .method = "POST", .url = URL } };
}

static void teardown(struct fixture *f)
{
    fake_http_finish(&f->http);
    metrics_free(f->env.metrics);
    http_response_done(&f->out);
}

/* Asserts that exactly these counters are there. */
static void assert_counted(const struct fixture *f, const char *const lines[])
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    size_t n = 0, wanted = 0;

    assert_ok(metrics_format(f->env.metrics, &text, &e));
    const char *all = buf_cstr(&text);
    for (const char *c = all; (c = strstr(c, "service=")) != NULL; c++)
        n += strncmp(c, "service=\"akv\",kind=", 19) != 0;
    for (; lines[wanted] != NULL; wanted++)
        if (strstr(all, lines[wanted]) == NULL)
            fail_msg("%s is not in %s", lines[wanted], all);
    assert_int_equal(n, wanted);
}

#define counted(...) assert_counted(&f, (const char *const[]){ __VA_ARGS__, NULL })

static void gives_back_an_answer_at_once(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ ANSWER(207, "{\"a\":1}"), { 0 } });
    assert_ok(http_call(&f.env, &f.call, &f.out, &e));
    assert_int_equal(f.out.status, 207);
    assert_string_equal(buf_cstr(&f.out.body), "{\"a\":1}");
    assert_int_equal(f.clk.slept_ms, 0);
    counted("skr_upstream_requests_total{service=\"akv\",result=\"ok\"} 1");
    teardown(&f);
}

static void tries_again_after_passing_failures(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ SILENCE,
                                        ANSWER(503, "busy"),
                                        ANSWER(429, "slow down", .retry_after_s = 7),
                                        ANSWER(200, "good"),
                                        { 0 } });
    assert_ok(http_call(&f.env, &f.call, &f.out, &e));
    assert_string_equal(buf_cstr(&f.out.body), "good");
    assert_in_range(f.clk.slept_ms, 100 + 200 + 7000, 125 + 250 + 7000);
    counted("skr_upstream_requests_total{service=\"akv\",result=\"ok\"} 1",
            "skr_upstream_requests_total{service=\"akv\",result=\"network\"} 1",
            "skr_upstream_requests_total{service=\"akv\",result=\"http_5xx\"} 1",
            "skr_upstream_requests_total{service=\"akv\",result=\"http_4xx\"} 1",
            "skr_retries_total{service=\"akv\",cause=\"network\"} 1",
            "skr_retries_total{service=\"akv\",cause=\"http_5xx\"} 1",
            "skr_retries_total{service=\"akv\",cause=\"http_4xx\"} 1");
    teardown(&f);
}

static void gives_up_after_four_attempts(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ ANSWER(500, "1"),
                                        ANSWER(502, "2"),
                                        SILENCE,
                                        ANSWER(503, "4", .retry_after_s = 9),
                                        { 0 } });
    assert_fails(ERR_HTTP, "4: http response status equal to 503 Service Unavailable",
                 http_call(&f.env, &f.call, &f.out, &e));
    assert_int_equal(e.detail, 503);
    assert_int_equal(e.retry_after_s, 9);
    assert_int_equal(f.out.status, 503);
    assert_string_equal(buf_cstr(&f.out.body), "4");
    teardown(&f);
}

static void keeps_no_answer_of_an_earlier_attempt(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ ANSWER(500, "1"), TIMEOUT, TIMEOUT, { 0 } });
    assert_fails(ERR_TIMEOUT, "timed out", http_call(&f.env, &f.call, &f.out, &e));
    assert_int_equal(f.out.status, 0);
    assert_null(f.out.body.p);
    counted("skr_upstream_requests_total{service=\"akv\",result=\"timeout\"} 2",
            "skr_upstream_requests_total{service=\"akv\",result=\"http_5xx\"} 1",
            "skr_retries_total{service=\"akv\",cause=\"timeout\"} 1",
            "skr_retries_total{service=\"akv\",cause=\"http_5xx\"} 1");
    teardown(&f);
}

static void names_the_status_behind_the_answer(void **state)
{
    static const struct {
        int status;
        const char *answer, *message;
    } cases[] = {
        { 403, "{\"error\":1}", "{\"error\":1}: http response status equal to 403 Forbidden" },
        { 400, "two\nlines", "two lines: http response status equal to 400 Bad Request" },
        { 401, "", "http response status equal to 401 Unauthorized" },
        { 302, "moved", "moved: http response status equal to 302 Found" },
        { 444, "what", "what: http response status equal to 444" },
        { 199, "", "http response status equal to 199" },
        { 403, "Bearer abc and s3cret",
          "Bearer [masked] and [masked]: http response status equal "
          "to 403 Forbidden" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct err e;
        setup(&f, (struct fake_exchange[]){ ANSWER(cases[i].status, cases[i].answer), { 0 } });
        f.call.secrets[0] = "s3cret";
        assert_fails(ERR_HTTP, "", http_call(&f.env, &f.call, &f.out, &e));
        assert_string_equal(e.msg, cases[i].message);
        assert_int_equal(e.detail, cases[i].status);
        assert_int_equal(e.retry_after_s, -1);
        assert_string_equal(buf_cstr(&f.out.body), cases[i].answer);
        teardown(&f);
    }
}

static void asks_the_metadata_service_more_patiently(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ ANSWER(404, ""), ANSWER(410, ""), ANSWER(200, ""), { 0 } });
    f.call.retry = RETRY_METADATA;
    assert_ok(http_call(&f.env, &f.call, &f.out, &e));
    assert_in_range(f.clk.slept_ms, 3000, 3750);
    teardown(&f);
}

static void does_not_wait_beyond_the_deadline(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ ANSWER(429, "", .retry_after_s = 60), { 0 } });
    assert_fails(ERR_HTTP, "429 Too Many Requests", http_call(&f.env, &f.call, &f.out, &e));
    assert_int_equal(e.retry_after_s, 60);
    assert_int_equal(f.clk.slept_ms, 0);
    teardown(&f);
}

static void makes_no_exchange_after_the_deadline(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ { 0 } });
    f.call.deadline_ms = clock_now_ms(&f.clk.base);
    assert_fails(ERR_TIMEOUT, "no time is left", http_call(&f.env, &f.call, &f.out, &e));
    teardown(&f);
}

static void limits_each_exchange_by_what_is_left(void **state)
{
    struct fixture f;
    struct err e;
    struct fixed_client client = { .base = { &FIXED_OPS }, .clk = &f.clk, .takes_ms = 18000 };

    setup(&f, (struct fake_exchange[]){ { 0 } });
    f.env.client = &client.base;
    client.code = ERR_NET;
    assert_fails(ERR_NET, "what the client says", http_call(&f.env, &f.call, &f.out, &e));
    assert_int_equal(client.n, 3);
    assert_int_equal(client.timeouts_ms[0], 20000);
    assert_int_equal(client.timeouts_ms[1], 20000);
    assert_in_range(client.timeouts_ms[2], 13000, 13699);
    teardown(&f);
}

static void names_each_result_and_repeats_only_some(void **state)
{
    static const struct {
        enum err_code code;
        int status;
        const char *line;
    } cases[] = {
        { ERR_TLS, 0, "service=\"akv\",result=\"tls\"} 1" },
        { ERR_PARSE, 0, "service=\"akv\",result=\"invalid\"} 1" },
        { ERR_NOMEM, 0, "service=\"akv\",result=\"invalid\"} 1" },
        { ERR_NONE, 307, "service=\"akv\",result=\"invalid\"} 1" },
        { ERR_NONE, 499, "service=\"akv\",result=\"http_4xx\"} 1" },
        { ERR_NONE, 200, "service=\"akv\",result=\"ok\"} 1" },
        { ERR_NONE, 299, "service=\"akv\",result=\"ok\"} 1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct err e;
        struct fixed_client client = {
            .base = { &FIXED_OPS }, .clk = &f.clk, .code = cases[i].code, .status = cases[i].status
        };
        setup(&f, (struct fake_exchange[]){ { 0 } });
        f.env.client = &client.base;
        const int rc = http_call(&f.env, &f.call, &f.out, &e);
        assert_int_equal(rc, cases[i].status / 100 == 2 ? 0 : -1);
        assert_int_equal(client.n, 1);
        counted(cases[i].line);
        teardown(&f);
    }
}

static void logs_nothing_but_service_status_and_time(void **state)
{
    char path[] = "test_call_XXXXXX";
    char line[400] = "";
    struct fixture f;
    struct err e;

    close(mkstemp(path));
    assert_ok(log_open(path, LOG_DEBUG, LOG_TEXT, &e));
    setup(&f, (struct fake_exchange[]){ ANSWER(403, "the-answer"), { 0 } });
    f.call.request.headers[0] = (struct http_header){ "Authorization", "Bearer the-token" };
    f.call.request.body = span_str("the-question");
    assert_fails(ERR_HTTP, "403", http_call(&f.env, &f.call, &f.out, &e));
    log_close();
    FILE *log = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), log));
    assert_null(fgets(line + 200, 200, log));
    fclose(log);
    unlink(path);
    assert_non_null(strstr(line, " debug akv answered status 403 in 0 ms"));
    assert_null(strstr(line, "the-"));
    assert_null(strstr(line, "http"));
    teardown(&f);
}

/* Nothing is said of an exchange without an answer, nor is an answer that says no left out. */
static void counts_connections_that_are_used_again(void **state)
{
    static const struct {
        enum err_code code;
        int status;
        bool is_reused;
    } exchanges[] = { { ERR_NONE, 200, false },
                      { ERR_NONE, 200, true },
                      { ERR_NONE, 403, true },
                      { ERR_PARSE, 0, true } };
    CLEANUP(buf_done) struct buf text = { 0 };
    struct fixed_client client = { .base = { &FIXED_OPS } };
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ { 0 } });
    client.clk = &f.clk;
    f.env.client = &client.base;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        client.code = exchanges[i].code;
        client.status = exchanges[i].status;
        client.is_reused = exchanges[i].is_reused;
        assert_int_equal(http_call(&f.env, &f.call, &f.out, &e), i < 2 ? 0 : -1);
    }
    assert_ok(metrics_format(f.env.metrics, &text, &e));
    assert_non_null(
        strstr(buf_cstr(&text), "_connections_total{service=\"akv\",kind=\"new\"} 1\n"));
    assert_non_null(
        strstr(buf_cstr(&text), "_connections_total{service=\"akv\",kind=\"reused\"} 2\n"));
    teardown(&f);
}

static void counts_for_nobody_too(void **state)
{
    struct fixture f;
    struct err e;

    setup(&f, (struct fake_exchange[]){ SILENCE, ANSWER(200, ""), { 0 } });
    struct metrics *m = TAKE(f.env.metrics);
    assert_ok(http_call(&f.env, &f.call, &f.out, &e));
    f.env.metrics = m;
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_an_answer_at_once),
        cmocka_unit_test(tries_again_after_passing_failures),
        cmocka_unit_test(gives_up_after_four_attempts),
        cmocka_unit_test(keeps_no_answer_of_an_earlier_attempt),
        cmocka_unit_test(names_the_status_behind_the_answer),
        cmocka_unit_test(asks_the_metadata_service_more_patiently),
        cmocka_unit_test(does_not_wait_beyond_the_deadline),
        cmocka_unit_test(makes_no_exchange_after_the_deadline),
        cmocka_unit_test(limits_each_exchange_by_what_is_left),
        cmocka_unit_test(names_each_result_and_repeats_only_some),
        cmocka_unit_test(logs_nothing_but_service_status_and_time),
        cmocka_unit_test(counts_connections_that_are_used_again),
        cmocka_unit_test(counts_for_nobody_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
