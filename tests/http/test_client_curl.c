/* The client against a server that behaves: what is sent, what is understood, and how connections
 * and threads are used. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/clock.h"
#include "base/harden.h"
#include "base/str.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct judge_server *judge;

/* Asserts a 200 and gives the body as text, to be freed. */
static char *get_text(const char *port, const char *path)
{
    CLEANUP(http_response_done) struct http_response r = { 0 };
    char *text = NULL;
    struct err e;

    assert_ok(judge_server_get(judge, port, path, &r, &e));
    assert_int_equal(r.status, 200);
    assert_ok(str_from_span(buf_span(&r.body), &text, &e));
    return text;
}

/* What the server received. */
static struct buf echo(struct http_request request)
{
    struct http_response r = { 0 };
    char url[JUDGE_URL_SIZE];
    struct err e;

    judge_server_url(judge, "plain", "/echo?a=b%20c", url);
    request.url = url;
    request.timeout_ms = 10000;
    request.max_body = 4 * HTTP_MAX_BODY;
    assert_ok(http_perform(judge->client, &request, &r, &e));
    assert_int_equal(r.status, 200);
    return r.body;
}

static void sends_exactly_what_is_asked_for(void **state)
{
    static const struct {
        struct http_request request;
        const char *sent; /* behind the request line and Host */
    } cases[] = {
        { { .method = "GET" }, "Accept: */*\r\n\r\n" },
        { { .method = "GET",
            .headers = { { "Metadata", "true" }, { "accept", "text/plain" }, { "X-Empty", " " } } },
          "Metadata: true\r\naccept: text/plain\r\nX-Empty:\r\n\r\n" },
        { { .method = "POST",
            .headers = { { "Content-Type", "application/json" },
                         { "Authorization", "Bearer abc" },
                         { "User-Agent", "me" } },
            .body = { (const uint8_t *)"{\"a\":\0}", 7 } },
          "Accept: */*\r\nContent-Type: application/json\r\n"
          "Authorization: Bearer abc\r\nUser-Agent: me\r\nContent-Length: 7\r\n\r\n{\"a\":" },
        { { .method = "POST" }, "Accept: */*\r\nContent-Length: 0\r\n\r\n" },
        { { .method = "PUT", .body = { (const uint8_t *)"x", 1 } },
          "Accept: */*\r\nContent-Length: 1\r\n\r\nx" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(str_freep) char *wanted = NULL;
        CLEANUP(buf_done) struct buf got = { 0 };
        struct err e;
        assert_ok(str_printf(&wanted, &e, "%s /echo?a=b%%20c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s",
                             cases[i].request.method, judge_server_port(judge, "plain"),
                             cases[i].sent));
        got = echo(cases[i].request);
        assert_string_equal(buf_cstr(&got), wanted);
        if (i == 2)
            assert_memory_equal(got.p + got.n - 7, "{\"a\":\0}", 7);
    }
}

static void sends_a_large_body_without_asking_first(void **state)
{
    CLEANUP(buf_done) struct buf body = { 0 };
    CLEANUP(buf_done) struct buf got = { 0 };
    struct err e;

    for (int i = 0; i < 200000; i++) /* libcurl asks from 1 MiB on */
        assert_ok(buf_add_str(&body, "0123456789", &e));
    got = echo((struct http_request){ .method = "POST", .body = buf_span(&body) });
    assert_null(strstr(buf_cstr(&got), "Expect"));
    assert_true(str_ends_with(buf_cstr(&got), buf_cstr(&body)));
}

static void takes_any_status_for_an_answer(void **state)
{
    static const int statuses[] = { 200, 204, 299, 301, 304, 400, 401, 403,
                                    404, 407, 408, 429, 500, 503, 599, 777 };

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        char path[32];
        struct err e;
        snprintf(path, sizeof(path), "/status/%d", statuses[i]);
        assert_ok(judge_server_get(judge, "plain", path, &r, &e));
        assert_int_equal(r.status, statuses[i]);
        assert_int_equal(r.retry_after_s, -1);
    }
}

static void follows_no_redirect(void **state)
{
    CLEANUP(http_response_done) struct http_response r = { 0 };
    struct err e;

    assert_ok(judge_server_get(judge, "plain", "/redirect", &r, &e));
    assert_int_equal(r.status, 307);
    assert_string_equal(buf_cstr(&r.body), "moved");
}

static void takes_bodies_as_they_come(void **state)
{
    CLEANUP(str_freep) char *zipped = get_text("plain", "/gzip");
    CLEANUP(str_freep) char *chunked = get_text("plain", "/chunked/70000");
    CLEANUP(str_freep) char *unbounded = get_text("plain", "/until-close/70000");
    CLEANUP(str_freep) char *late = get_text("plain", "/continue");
    CLEANUP(str_freep) char *none = get_text("plain", "/size/0");

    assert_string_equal(zipped, "\x1f\x8b\x08 not decoded");
    assert_int_equal(strspn(chunked, "y"), 70000);
    assert_int_equal(strspn(unbounded, "z"), 70000);
    assert_string_equal(late, "at last");
    assert_string_equal(none, "");
}

static void reads_retry_after(void **state)
{
    static const struct {
        const char *path;
        int seconds;
    } cases[] = {
        { "/retry-after/7", 7 },
        { "/retry-after/999999", 3600 },
        { "/retry-after/Sun%2C%2006%20Nov%201994%2008:49:37%20GMT", 0 },
        { "/retry-after/Sun%2C%2006%20Nov%202094%2008:49:37%20GMT", 3600 },
        { "/retry-after/soon", -1 },
        { "/retry-after/", -1 },
        { "/continue", -1 }, /* the interim answer's does not count */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        struct err e;
        assert_ok(judge_server_get(judge, "plain", cases[i].path, &r, &e));
        assert_int_equal(r.retry_after_s, cases[i].seconds);
    }
}

static void refuses_requests_that_cannot_be_sent(void **state)
{
    static const struct {
        struct http_request request;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { { .url = "http://127.0.0.1:1/", .headers = { { "A", "x\r\nB: y" } } },
          ERR_ARG,
          "header" },
        { { .url = "http://127.0.0.1:1/", .headers = { { "A", "x" }, { "B:", "y" } } },
          ERR_ARG,
          "header 2" },
        { { .url = "http://127.0.0.1:1/", .method = "DELETE" }, ERR_ARG, "method" },
        { { .url = "http://127.0.0.1:1/", .method = "GET / HTTP/1.1\r\n" }, ERR_ARG, "method" },
        { { .url = "127.0.0.1:1/" }, ERR_ARG, "scheme" },
        { { .url = "/a?b=http://x" }, ERR_ARG, "URL" },
        { { .url = "file:///etc/passwd" }, ERR_ARG, "scheme" },
        { { .url = "http://user:pw@127.0.0.1:1/" }, ERR_ARG, "user information" },
        { { .url = "http://127.0.0.1:1/a b" }, ERR_ARG, "blank" },
        { { .url = "http://127.0.0.1:1/", .timeout_ms = -1 }, ERR_TIMEOUT, "no time" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_response r = { .status = -7 };
        struct http_request request = cases[i].request;
        struct err e;
        request.timeout_ms = request.timeout_ms != 0 ? request.timeout_ms : 1000;
        request.method = request.method != NULL ? request.method : "GET";
        assert_fails(cases[i].code, cases[i].needle, http_perform(judge->client, &request, &r, &e));
        assert_null(strstr(e.msg, "pw"));
        assert_int_equal(r.status, -7);
    }
}

/* Whether the answer says that its connection was used again. */
static bool is_reused(const char *port)
{
    CLEANUP(http_response_done) struct http_response r = { 0 };
    char url[JUDGE_URL_SIZE];
    struct err e;

    judge_server_url(judge, port, "/then-close", url);
    const struct http_request request = { .method = "GET", .url = url, .timeout_ms = 10000 };
    assert_ok(http_perform(judge->client, &request, &r, &e));
    return r.is_reused;
}

static void says_whether_a_connection_was_used_again(void **state)
{
    CLEANUP(str_freep) char *opened = get_text("plain", "/connection");
    CLEANUP(str_freep) char *opened_tls = get_text("tls", "/connection");

    /* the server closes each connection after this answer */
    assert_true(is_reused("plain"));
    assert_true(is_reused("tls"));
    assert_false(is_reused("plain"));
    assert_false(is_reused("tls"));
}

static void uses_a_connection_again(void **state)
{
    CLEANUP(str_freep) char *first = get_text("plain", "/connection");
    CLEANUP(str_freep) char *first_tls = get_text("tls", "/connection");

    for (int i = 0; i < 10; i++) {
        CLEANUP(str_freep) char *next = get_text("plain", "/connection");
        CLEANUP(str_freep) char *next_tls = get_text("tls", "/connection");
        assert_string_equal(next, first);
        assert_string_equal(next_tls, first_tls);
    }
}

/* The server closes while idle, or on receipt of the second request, which it never answers. */
static void survives_a_connection_that_died_idle(void **state)
{
    static const char *const paths[] = { "/then-close", "/then-close-soon" };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (int is_tls = 0; is_tls < 2; is_tls++) {
            const char *port = is_tls ? "tls" : "plain";
            CLEANUP(http_response_done) struct http_response r = { 0 };
            CLEANUP(str_freep) char *first = get_text(port, paths[i]);
            char url[JUDGE_URL_SIZE];
            struct err e;
            clock_sleep_ms(clock_system(), i == 0 ? 0 : 80);
            judge_server_url(judge, port, "/connection", url);
            const struct http_request request = {
                .method = "POST", .url = url, .body = span_str("once"), .timeout_ms = 10000
            };
            assert_ok(http_perform(judge->client, &request, &r, &e));
            assert_string_not_equal(buf_cstr(&r.body), first);
        }
    }
}

#define N_PARALLEL 500

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    size_t n_done, n_good;
    char expected[8];
    struct err last_failure;
};

struct member {
    struct http_exchange exchange;
    struct crowd *crowd;
};

static void member_done(struct http_exchange *x, const struct err *e)
{
    struct crowd *c = CONTAINER_OF(x, struct member, exchange)->crowd;
    const bool is_good = e == NULL && x->response.status == 200 &&
                         span_equal(buf_span(&x->response.body), span_str(c->expected));

    http_response_done(&x->response); /* with the last one, the crowd goes home */
    pthread_mutex_lock(&c->lock);
    if (e != NULL)
        c->last_failure = *e;
    c->n_good += is_good;
    c->n_done++;
    pthread_cond_signal(&c->all_done);
    pthread_mutex_unlock(&c->lock);
}

static void crowd_wait(struct crowd *c, size_t n)
{
    pthread_mutex_lock(&c->lock);
    while (c->n_done < n)
        pthread_cond_wait(&c->all_done, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* The server answers none before it has all of them. */
static void meet(struct http_client *client, const char *port, const char *path, size_t n)
{
    struct member *members = calloc(n, sizeof(*members));
    struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER,
                           .all_done = PTHREAD_COND_INITIALIZER,
                           .expected = "met" };
    char url[JUDGE_URL_SIZE];

    assert_non_null(members);
    judge_server_url(judge, port, path, url);
    const struct http_request request = { .method = "GET", .url = url, .timeout_ms = 60000 };
    for (size_t i = 0; i < n; i++) {
        members[i] = (struct member){ { .request = &request, .done = member_done }, &crowd };
        client->ops->submit(client, &members[i].exchange);
    }
    crowd_wait(&crowd, n);
    free(members);
    if (crowd.n_good != n)
        fail_msg("%zu of %zu succeeded; %s", crowd.n_good, n, crowd.last_failure.msg);
}

static void raise_files(void)
{
    struct err e;
    size_t limit = 0;

    assert_ok(harden_raise_files(4096, &limit, &e));
    if (limit < N_PARALLEL + 100)
        skip_because("only %zu open files are allowed", limit);
}

static void makes_500_exchanges_at_once(void **state)
{
    raise_files();
    meet(judge->client, "plain", "/meet/500", N_PARALLEL);
}

static void keeps_the_connections_of_all_callers(void **state)
{
    const struct http_client_curl_config config = { 2000, judge->roots };
    struct http_client *client = NULL;
    struct err e;

    raise_files();
    assert_ok(http_client_curl_new(&config, &client, &e));
    meet(client, "tls", "/meet/200", 200);
    CLEANUP(str_freep) char *before = get_text("plain", "/accepted");
    meet(client, "tls", "/meet/0200", 200); /* the same again under another name */
    CLEANUP(str_freep) char *after = get_text("plain", "/accepted");
    assert_string_equal(before, after);
    http_client_close(client);
}

static void *perform_many(void *arg)
{
    size_t *n_good = arg;
    struct err e;

    for (int i = 0; i < 20; i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        *n_good +=
            judge_server_get(judge, i % 4 == 0 ? "tls" : "plain", "/size/3000", &r, &e) == 0 &&
            r.body.n == 3000;
    }
    return NULL;
}

static void serves_many_threads(void **state)
{
    pthread_t threads[32];
    size_t n_good[ARRAY_LEN(threads)] = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, perform_many, &n_good[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(n_good[i], 20);
    }
}

static void ends_what_is_outstanding_when_it_closes(void **state)
{
    static struct member members[20];
    struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER,
                           .all_done = PTHREAD_COND_INITIALIZER };
    const struct http_client_curl_config config = { 2000, judge->roots };
    struct http_client *client = NULL;
    char url[JUDGE_URL_SIZE];
    struct err e;

    assert_ok(http_client_curl_new(&config, &client, &e));
    judge_server_url(judge, "plain", "/silent", url);
    const struct http_request request = { .method = "GET", .url = url, .timeout_ms = 60000 };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        members[i] = (struct member){ { .request = &request, .done = member_done }, &crowd };
        client->ops->submit(client, &members[i].exchange);
        if (i == 10) /* some are under way, the rest may still be queued */
            clock_sleep_ms(clock_system(), 100);
    }
    http_client_close(client);
    assert_int_equal(crowd.n_done, ARRAY_LEN(members));
    assert_int_equal(crowd.last_failure.code, ERR_NET);
    assert_string_equal(crowd.last_failure.msg, "the client was stopped");
}

static void closes_without_ever_being_used(void **state)
{
    const struct http_client_curl_config config = { 2000, judge->roots };
    struct http_client *client = NULL;
    struct err e;

    assert_ok(http_client_curl_new(&config, &client, &e));
    http_client_close(client);
    http_client_close(NULL);
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
        cmocka_unit_test(sends_exactly_what_is_asked_for),
        cmocka_unit_test(sends_a_large_body_without_asking_first),
        cmocka_unit_test(takes_any_status_for_an_answer),
        cmocka_unit_test(follows_no_redirect),
        cmocka_unit_test(takes_bodies_as_they_come),
        cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(refuses_requests_that_cannot_be_sent),
        cmocka_unit_test(uses_a_connection_again),
        cmocka_unit_test(says_whether_a_connection_was_used_again),
        cmocka_unit_test(survives_a_connection_that_died_idle),
        cmocka_unit_test(makes_500_exchanges_at_once),
        cmocka_unit_test(keeps_the_connections_of_all_callers),
        cmocka_unit_test(serves_many_threads),
        cmocka_unit_test(ends_what_is_outstanding_when_it_closes),
        cmocka_unit_test(closes_without_ever_being_used),
    };

    return cmocka_run_group_tests(tests, start, judge_server_stop);
}
