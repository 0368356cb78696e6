#include "support/asserts.h"

#include "support/token_service.h"

#include <stdio.h>

static const struct metric_desc TOKEN_METRICS[] = {
    { "skr_token_requests_total", METRIC_COUNTER, "h", { "kind", "result" } },
    { "skr_token_cache_total", METRIC_COUNTER, "h", { "result" } },
    { "skr_token_fetched_seconds", METRIC_GAUGE, "h", { "resource" } },
    { "skr_token_expiry_seconds", METRIC_GAUGE, "h", { "resource" } },
    { "skr_upstream_connections_total", METRIC_COUNTER, "h", { "service", "kind" } },
    { "skr_retries_total", METRIC_COUNTER, "h", { "service", "cause" } },
    { "skr_upstream_requests_total", METRIC_COUNTER, "h", { "service", "result" } },
    { 0 },
};

static int64_t moving_now_ms(const struct clock *c)
{
    return atomic_load(&CONTAINER_OF(c, const struct moving_clock, base)->ms);
}

static int64_t moving_unix_s(const struct clock *c)
{
    return MOVING_CLOCK_UNIX_S + moving_now_ms(c) / 1000;
}

static void moving_sleep_ms(const struct clock *c, int64_t ms)
{
    atomic_fetch_add(&((struct moving_clock *)(uintptr_t)c)->ms, ms);
}

static void token_service_note(struct token_service *s, const struct http_request *r)
{
    size_t n = 0;

    snprintf(s->url, sizeof(s->url), "%s %s", r->method, r->url);
    snprintf(s->body, sizeof(s->body), "%.*s", (int)r->body.n,
             r->body.n != 0 ? (const char *)r->body.p : "");
    s->headers[0] = '\0';
    for (size_t i = 0; i < HTTP_MAX_HEADERS && r->headers[i].name != NULL; i++)
        n += (size_t)snprintf(s->headers + n, sizeof(s->headers) - n, "%s: %s\n",
                              r->headers[i].name, r->headers[i].value);
    s->no_proxy = r->no_proxy;
}

static int token_service_fill(const char *form, unsigned n, struct buf *out, struct err *e)
{
    const size_t before = strcspn(form, "#");

    if (form[before] == '\0')
        return buf_add_str(out, form, e);
    return buf_printf(out, e, "%.*s%u%s", (int)before, form, n, form + before + 1);
}

static void token_service_submit(struct http_client *c, struct http_exchange *x)
{
    struct token_service *s = CONTAINER_OF(c, struct token_service, base);
    struct err e, *failure = NULL;

    pthread_mutex_lock(&s->lock);
    const unsigned n = ++s->n_asked;
    token_service_note(s, x->request);
    pthread_cond_broadcast(&s->changed);
    while (s->holding)
        pthread_cond_wait(&s->changed, &s->lock);
    x->response.status = s->status;
    x->response.retry_after_s = -1;
    if (s->status == 0) {
        err_set(&e, ERR_NET, "connection refused");
        failure = &e;
    } else if (token_service_fill(s->form, n, &x->response.body, &e) != 0) {
        failure = &e;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    x->done(x, failure);
}

void token_service_init(struct token_service *s)
{
    static const struct clock_ops clock_ops = { moving_now_ms, moving_unix_s, moving_sleep_ms };
    static const struct http_client_ops ops = { token_service_submit, NULL, NULL };
    struct err e;

    memset(s, 0, sizeof(*s));
    s->base.ops = &ops;
    s->clk.base.ops = &clock_ops;
    atomic_store(&s->clk.ms, 1000);
    assert_ok(metrics_new(TOKEN_METRICS, &s->metrics, &e));
    s->env = (struct http_env){ &s->base, &s->clk.base, s->metrics, 20000 };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->status = 200;
    s->form = "{\"access_token\":\"token#\",\"expires_in\":\"3600\"}";
}

void token_service_done(struct token_service *s)
{
    metrics_free(s->metrics);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

void token_service_answer(struct token_service *s, int status, const char *form)
{
    pthread_mutex_lock(&s->lock);
    s->status = status;
    s->form = form;
    pthread_mutex_unlock(&s->lock);
}

void token_service_hold(struct token_service *s, bool holding)
{
    pthread_mutex_lock(&s->lock);
    s->holding = holding;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

unsigned token_service_asked(struct token_service *s)
{
    pthread_mutex_lock(&s->lock);
    const unsigned n = s->n_asked;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void token_service_wait_asked(struct token_service *s, unsigned n)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_asked < n)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void assert_metric(struct token_service *s, const char *line)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char needle[256];
    struct err e;

    assert_ok(metrics_format(s->metrics, &text, &e));
    snprintf(needle, sizeof(needle), "\n%s\n", line);
    if (strstr(buf_cstr(&text), needle) == NULL)
        fail_msg("%s is not in\n%s", line, buf_cstr(&text));
}
