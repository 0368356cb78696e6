#include "support/asserts.h"

#include "support/fake_thim.h"

#include <inttypes.h>
#include <stdio.h>

void fake_thim_format(uint64_t tcb, char *out, size_t size)
{
    snprintf(out, size,
             "{\"vcekCert\":\"-----BEGIN CERTIFICATE-----\\nVCEK %" PRIx64 "\\n\","
             "\"tcbm\":\"%016" PRIX64 "\","
             "\"certificateChain\":\"-----BEGIN CERTIFICATE-----\\nASK, ARK\\n\","
             "\"cacheControl\":\"86400\"}",
             tcb, tcb);
}

static void submit(struct http_client *c, struct http_exchange *x)
{
    struct fake_thim *f = CONTAINER_OF(c, struct fake_thim, base);
    char answer[512];
    struct err e;

    assert_string_equal(x->request->url, FAKE_THIM_URL);
    pthread_mutex_lock(&f->lock);
    f->n_started++;
    pthread_cond_broadcast(&f->changed);
    while (f->blocked)
        pthread_cond_wait(&f->changed, &f->lock);
    f->n_answered++;
    x->response.status = f->status;
    x->response.retry_after_s = -1;
    fake_thim_format(f->tcb, answer, sizeof(answer));
    pthread_mutex_unlock(&f->lock);
    assert_int_equal(buf_add_str(&x->response.body, answer, &e), 0);
    x->done(x, NULL);
}

static void close_nothing(struct http_client *c)
{
    (void)c;
}

void fake_thim_init(struct fake_thim *f, uint64_t tcb)
{
    static const struct http_client_ops ops = { submit, close_nothing, close_nothing };

    *f = (struct fake_thim){ .base = { &ops }, .status = 200, .tcb = tcb };
    f->env = (struct http_env){ .client = &f->base, .clk = clock_system(), .exchange_ms = 20000 };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
}

void fake_thim_set(struct fake_thim *f, int status, uint64_t tcb)
{
    pthread_mutex_lock(&f->lock);
    f->status = status;
    f->tcb = tcb;
    pthread_mutex_unlock(&f->lock);
}

void fake_thim_block(struct fake_thim *f, bool blocked)
{
    pthread_mutex_lock(&f->lock);
    f->blocked = blocked;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fake_thim_wait_started(struct fake_thim *f, size_t n)
{
    pthread_mutex_lock(&f->lock);
    while (f->n_started < n)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}
