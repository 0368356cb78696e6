/* Waiting for an exchange, whatever client makes it. */
#include "http/client.h"

#include <pthread.h>

struct waiter {
    struct http_exchange exchange;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t finished;
    bool is_finished;
    struct err failure; /* ERR_NONE: there is an answer */
};

void http_response_done(struct http_response *r)
{
    buf_done(&r->body);
    *r = (struct http_response){ 0 };
}

static void finish(struct http_exchange *x, const struct err *e)
{
    struct waiter *w = CONTAINER_OF(x, struct waiter, exchange);

    pthread_mutex_lock(&w->lock);
    if (e != NULL)
        w->failure = *e;
    w->is_finished = true;
    pthread_cond_signal(&w->finished);
    pthread_mutex_unlock(&w->lock);
}

int http_perform(struct http_client *c, const struct http_request *req, struct http_response *out,
                 struct err *e)
{
    struct waiter w = { .exchange = { .request = req, .done = finish },
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .finished = PTHREAD_COND_INITIALIZER };

    c->ops->submit(c, &w.exchange);
    pthread_mutex_lock(&w.lock);
    while (!w.is_finished)
        pthread_cond_wait(&w.finished, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.finished);
    pthread_mutex_destroy(&w.lock);
    if (w.failure.code != ERR_NONE) {
        *e = w.failure;
        return -1;
    }
    *out = w.exchange.response;
    return 0;
}

void http_client_stop(struct http_client *c)
{
    c->ops->stop(c);
}

void http_client_close(struct http_client *c)
{
    if (c != NULL)
        c->ops->close(c);
}
