#include "support/httpd_fixture.h"

#include "base/harden.h"
#include "support/asserts.h"

#include <stdlib.h>
#include <time.h>

#define BIG_SIZE (1024 * 1024)

static void served(struct httpd_fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->n_served++;
    pthread_mutex_unlock(&f->lock);
}

static void say(struct httpd_response *out, int status, const char *key, const char *value,
                const char *id)
{
    struct err e;

    out->status = status;
    out->content_type = "application/json; charset=utf-8";
    if (buf_printf(&out->body, &e, "{\"%s\":\"%s\",\"id\":\"%s\"}", key, value, id) != 0)
        abort();
}

static void handle_status(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    served(ctx);
    say(out, 200, "message", "Status OK", req->id);
}

static void handle_echo(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    struct err e;

    served(ctx);
    out->status = 200;
    if (buf_add(&out->body, req->body.p, req->body.n, &e) != 0)
        abort();
}

static void handle_big(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    struct err e;
    uint8_t *p;

    served(ctx);
    out->status = 200;
    if (buf_reserve(&out->body, BIG_SIZE, &p, &e) != 0)
        abort();
    memset(p, 'x', BIG_SIZE);
    out->body.n = BIG_SIZE;
}

static void handle_block(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    struct httpd_fixture *f = ctx;

    served(f);
    pthread_mutex_lock(&f->lock);
    f->n_blocked++;
    pthread_cond_broadcast(&f->changed);
    while (!f->is_released)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    say(out, 200, "done", req->path, req->id);
    pthread_mutex_lock(&f->lock);
    f->n_blocked--;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void handle_fault(void *ctx, enum httpd_fault fault, const struct httpd_request *req,
                         struct httpd_response *out)
{
    static const struct {
        int status;
        const char *name;
    } words[] = {
        [HTTPD_NOT_FOUND] = { 404, "not_found" },
        [HTTPD_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed" },
        [HTTPD_TOO_LARGE] = { 413, "too_large" },
        [HTTPD_BAD_FRAMING] = { 400, "bad_framing" },
        [HTTPD_OVERLOADED] = { 503, "overloaded" },
        [HTTPD_SHUTTING_DOWN] = { 503, "shutting_down" },
    };

    say(out, words[fault].status, "fault", words[fault].name, req->id);
    if (words[fault].status == 503)
        out->retry_after_s = 1;
}

static const struct httpd_route ROUTES[] = {
    { "GET", "/status", handle_status, false },
    { "POST", "/direct", handle_echo, false },
    { "POST", "/echo", handle_echo, true },
    { "POST", "/big", handle_big, true },
    { "POST", "/block", handle_block, true },
    { "GET", "/block", handle_block, true },
    { NULL, NULL, NULL, false },
};

static const struct metric_desc METRICS[] = {
    { "skr_requests_total", METRIC_COUNTER, "Requests.", { "endpoint", "status" } },
    { "skr_request_seconds", METRIC_HISTOGRAM, "Duration.", { "endpoint", "status" } },
    { "skr_workers_busy", METRIC_GAUGE, "Busy workers.", { NULL } },
    { "skr_requests_queued", METRIC_GAUGE, "Queued requests.", { NULL } },
    { "skr_connections", METRIC_GAUGE, "Connections.", { NULL } },
    { NULL, METRIC_COUNTER, NULL, { NULL } },
};

void httpd_fixture_init(struct httpd_fixture *f)
{
    struct err e;
    size_t limit;

    assert_ok(harden_raise_files(65536, &limit, &e)); /* both ends of each connection are ours */
    *f = (struct httpd_fixture){ 0 };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_ok(metrics_new(METRICS, &f->metrics, &e));
    f->config = (struct httpd_config){ .port = 0,
                                       .routes = ROUTES,
                                       .fault = handle_fault,
                                       .ctx = f,
                                       .clk = clock_system(),
                                       .metrics = f->metrics,
                                       .request_ms = 5000,
                                       .receive_ms = 5000,
                                       .idle_ms = 5000,
                                       .max_files = 4096 };
}

void httpd_fixture_start(struct httpd_fixture *f)
{
    struct err e;

    assert_ok(httpd_start(&f->config, &f->httpd, &e));
    f->port = httpd_port(f->httpd);
}

void httpd_fixture_wait_blocked(struct httpd_fixture *f, int n)
{
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&f->lock);
        const int now = f->n_blocked;
        pthread_mutex_unlock(&f->lock);
        if (now == n)
            return;
        clock_sleep_ms(clock_system(), 10);
    }
    fail_msg("%d handlers never blocked", n);
}

int httpd_fixture_n_served(struct httpd_fixture *f)
{
    pthread_mutex_lock(&f->lock);
    const int n = f->n_served;
    pthread_mutex_unlock(&f->lock);
    return n;
}

void httpd_fixture_release(struct httpd_fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_released = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void httpd_fixture_stop(struct httpd_fixture *f, int64_t drain_ms, size_t want_n_cut)
{
    size_t n_cut = 12345;

    httpd_stop(f->httpd, drain_ms, &n_cut);
    assert_int_equal(n_cut, want_n_cut);
}

void httpd_fixture_done(struct httpd_fixture *f)
{
    httpd_fixture_release(f);
    httpd_fixture_wait_blocked(f, 0);
    clock_sleep_ms(clock_system(), 50); /* a worker that was cut still has to leave the pool */
    metrics_free(f->metrics);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

int httpd_fixture_set_up(void **state)
{
    struct httpd_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    httpd_fixture_init(f);
    httpd_fixture_start(f);
    *state = f;
    return 0;
}

int httpd_fixture_tear_down(void **state)
{
    struct httpd_fixture *f = *state;

    httpd_fixture_release(f);
    httpd_fixture_stop(f, 5000, 0);
    httpd_fixture_done(f);
    free(f);
    return 0;
}
