#include "support/asserts.h"

#include "support/fake_http.h"

#include <stdio.h>

static void check_header(const struct http_request *r, const char *wanted)
{
    char line[512];

    for (size_t i = 0; i < HTTP_MAX_HEADERS && r->headers[i].name != NULL; i++) {
        snprintf(line, sizeof(line), "%s: %s", r->headers[i].name, r->headers[i].value);
        if (strcmp(line, wanted) == 0)
            return;
    }
    fail_msg("header \"%s\" was not sent", wanted);
}

static void submit(struct http_client *c, struct http_exchange *x)
{
    struct fake_http *f = CONTAINER_OF(c, struct fake_http, base);
    const struct fake_exchange *want = &f->script[f->n_played];
    struct err e;

    if (want->method == NULL)
        fail_msg("unexpected request: %s %s", x->request->method, x->request->url);
    f->n_played++;
    assert_string_equal(x->request->method, want->method);
    assert_string_equal(x->request->url, want->url);
    if (want->body_contains != NULL &&
        (x->request->body.n == 0 ||
         memmem(x->request->body.p, x->request->body.n, want->body_contains,
                strlen(want->body_contains)) == NULL))
        fail_msg("\"%s\" is not in the body", want->body_contains);
    if (want->header != NULL)
        check_header(x->request, want->header);
    if (want->status <= 0) {
        if (want->status == 0)
            err_set(&e, ERR_NET, "connection refused");
        else
            err_set(&e, ERR_TIMEOUT, "timed out");
        x->done(x, &e);
        return;
    }
    x->response.status = want->status;
    x->response.retry_after_s = want->retry_after_s > 0 ? want->retry_after_s : -1;
    assert_int_equal(buf_add_str(&x->response.body, want->answer, &e), 0);
    x->done(x, NULL);
}

static void close_nothing(struct http_client *c)
{
    (void)c;
}

void fake_http_init(struct fake_http *f, const struct fake_exchange *script)
{
    static const struct http_client_ops ops = { submit, close_nothing, close_nothing };

    *f = (struct fake_http){ .base = { &ops }, .script = script };
}

void fake_http_finish(struct fake_http *f)
{
    if (f->script[f->n_played].method != NULL)
        fail_msg("request was not made: %s %s", f->script[f->n_played].method,
                 f->script[f->n_played].url);
}
