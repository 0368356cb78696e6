/*
 * One thread drives all exchanges; any thread may submit one.
 *
 *   idle      no request was made yet: the thread waits on a condition, libcurl is not initialised
 *   serving   multi is set: the thread waits in curl_multi_poll(), submit() wakes it
 *   closing   nothing is accepted any more; the thread ends what is outstanding, then itself
 *
 * A failure of the engine as a whole ends what is under way and leads back to idle. Handles are
 * reset and used again; connections live in the multi handle, whichever handle opened them.
 */
#include "http/client_curl.h"

#include "http/client_curl_global.h"
#include "http/client_curl_share.h"
#include "http/client_curl_transfer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* As many connections as callers (the server's workers): what exceeds it is opened anew each time.
 */
#define MAX_IDLE_CONNECTIONS 256L
#define MAX_IDLE_HANDLES     16
#define POLL_MS              60000 /* everything that ends a wait earlier wakes it */
#define STACK_SIZE           (512 * 1024)

struct client_curl {
    struct http_client base;
    struct http_client_curl_config config;
    pthread_t thread;

    pthread_mutex_t lock;     /* guards the next four */
    pthread_cond_t is_wanted; /* while idle: something is queued, or closing */
    STAILQ_HEAD(, transfer) queue;
    bool is_closing;
    CURLM *multi; /* NULL while idle; changed by the thread alone */

    /* the thread's own */
    struct client_curl_share share; /* while serving */
    LIST_HEAD(, transfer) active;
    CURL *idle[MAX_IDLE_HANDLES];
    size_t n_idle;
};

static void fail_closing(struct transfer *t)
{
    struct err e;

    err_set(&e, ERR_NET, "the client was stopped");
    transfer_fail(t, &e);
}

static void give_handle(struct client_curl *c, CURL *easy)
{
    if (c->n_idle < ARRAY_LEN(c->idle))
        c->idle[c->n_idle++] = easy;
    else
        curl_easy_cleanup(easy);
}

static CURL *take_handle(struct client_curl *c)
{
    if (c->n_idle > 0)
        return c->idle[--c->n_idle];
    CURL *easy = curl_easy_init();
    if (easy == NULL || curl_easy_setopt(easy, CURLOPT_SHARE, c->share.curl) == CURLE_OK)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static void start(struct client_curl *c, struct transfer *t)
{
    CURL *easy = take_handle(c);
    struct err e;

    if (easy == NULL) {
        err_nomem(&e);
        transfer_fail(t, &e);
        return;
    }
    int rc = transfer_start(t, easy, c->config.connect_timeout_ms, &e);
    if (rc == 0) {
        const CURLMcode added = curl_multi_add_handle(c->multi, easy);
        if (added != CURLM_OK)
            rc =
                err_set(&e, ERR_NOMEM, "libcurl takes no exchange: %s", curl_multi_strerror(added));
    }
    if (rc != 0) {
        transfer_fail(t, &e);
        give_handle(c, easy);
        return;
    }
    LIST_INSERT_HEAD(&c->active, t, active);
}

/* Takes a transfer from the engine; its handle can be used again once the transfer has ended. */
static CURL *detach(struct client_curl *c, struct transfer *t)
{
    LIST_REMOVE(t, active);
    curl_multi_remove_handle(c->multi, t->easy);
    return t->easy;
}

static struct transfer *next_queued(struct client_curl *c)
{
    pthread_mutex_lock(&c->lock);
    struct transfer *t = STAILQ_FIRST(&c->queue);
    if (t != NULL)
        STAILQ_REMOVE_HEAD(&c->queue, queued);
    pthread_mutex_unlock(&c->lock);
    return t;
}

static void finish_completed(struct client_curl *c)
{
    int n_left = 0;
    const CURLMsg *message = NULL;

    while ((message = curl_multi_info_read(c->multi, &n_left)) != NULL) {
        const CURLcode result = message->data.result;
        struct transfer *t = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        CURL *easy = detach(c, t);
        transfer_finish(t, result);
        give_handle(c, easy);
    }
}

static bool is_closing(struct client_curl *c)
{
    pthread_mutex_lock(&c->lock);
    const bool closing = c->is_closing;
    pthread_mutex_unlock(&c->lock);
    return closing;
}

static void set_multi(struct client_curl *c, CURLM *multi)
{
    pthread_mutex_lock(&c->lock);
    c->multi = multi;
    pthread_mutex_unlock(&c->lock);
}

static int open_engine(struct client_curl *c, struct err *e)
{
    if (client_curl_global_init(e) != 0)
        return -1;
    CURLM *multi = curl_multi_init();
    int rc = 0;
    if (multi == NULL ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS) != CURLM_OK)
        rc = err_set(e, ERR_NOMEM, "libcurl has no memory for its engine");
    if (rc != 0 || client_curl_share_init(&c->share, e) != 0) {
        curl_multi_cleanup(multi);
        client_curl_global_done();
        return -1;
    }
    set_multi(c, multi);
    return 0;
}

static void close_engine(struct client_curl *c)
{
    CURLM *multi = c->multi;

    set_multi(c, NULL);
    while (c->n_idle > 0)
        curl_easy_cleanup(c->idle[--c->n_idle]);
    curl_multi_cleanup(multi);
    client_curl_share_done(&c->share);
    client_curl_global_done();
}

/* Drives exchanges until the client closes or the engine fails; then ends those under way. */
static void serve(struct client_curl *c)
{
    CURLMcode rc = CURLM_OK;
    struct err e;

    while (rc == CURLM_OK && !is_closing(c)) {
        int n_running = 0;
        struct transfer *t = NULL;
        while ((t = next_queued(c)) != NULL)
            start(c, t);
        rc = curl_multi_perform(c->multi, &n_running);
        finish_completed(c);
        if (rc == CURLM_OK)
            rc = curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
    }
    while (!LIST_EMPTY(&c->active)) {
        struct transfer *t = LIST_FIRST(&c->active);
        CURL *easy = detach(c, t);
        if (rc != CURLM_OK) {
            err_set(&e, ERR_NET, "libcurl's engine failed: %s", curl_multi_strerror(rc));
            transfer_fail(t, &e);
        } else {
            fail_closing(t);
        }
        give_handle(c, easy);
    }
}

/* Idle until there is something to do. False: closing. */
static bool wait_for_work(struct client_curl *c)
{
    pthread_mutex_lock(&c->lock);
    while (STAILQ_EMPTY(&c->queue) && !c->is_closing)
        pthread_cond_wait(&c->is_wanted, &c->lock);
    const bool closing = c->is_closing;
    pthread_mutex_unlock(&c->lock);
    return !closing;
}

static void *run(void *arg)
{
    struct client_curl *c = arg;
    struct transfer *t = NULL;
    struct err e;

    while (wait_for_work(c)) {
        if (open_engine(c, &e) == 0) {
            serve(c);
            close_engine(c);
        } else {
            while ((t = next_queued(c)) != NULL)
                transfer_fail(t, &e);
        }
    }
    while ((t = next_queued(c)) != NULL)
        fail_closing(t);
    return NULL;
}

/* Called with the lock held. A wake-up that libcurl cannot deliver is one that is pending. */
static void wake(struct client_curl *c)
{
    if (c->multi != NULL)
        (void)curl_multi_wakeup(c->multi);
    else
        pthread_cond_signal(&c->is_wanted);
}

static void submit(struct http_client *base, struct http_exchange *x)
{
    struct client_curl *c = CONTAINER_OF(base, struct client_curl, base);
    struct transfer *t = NULL;
    struct err e;

    if (transfer_new(x, c->config.roots, &t, &e) != 0) {
        x->done(x, &e);
        return;
    }
    pthread_mutex_lock(&c->lock);
    const bool refused = c->is_closing;
    if (!refused) {
        STAILQ_INSERT_TAIL(&c->queue, t, queued);
        wake(c);
    }
    pthread_mutex_unlock(&c->lock);
    if (refused)
        fail_closing(t);
}

static void client_free(struct client_curl *c)
{
    pthread_cond_destroy(&c->is_wanted);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void stop_client(struct http_client *base)
{
    struct client_curl *c = CONTAINER_OF(base, struct client_curl, base);

    pthread_mutex_lock(&c->lock);
    c->is_closing = true;
    wake(c);
    pthread_mutex_unlock(&c->lock);
}

static void close_client(struct http_client *base)
{
    struct client_curl *c = CONTAINER_OF(base, struct client_curl, base);

    stop_client(base);
    pthread_join(c->thread, NULL);
    client_free(c);
}

/* The thread takes no signals: they are the program's, and SIGPIPE is nobody's. */
static int start_thread(struct client_curl *c)
{
    pthread_attr_t attr;
    sigset_t all, before;

    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return rc;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
    if (rc == 0)
        rc = pthread_create(&c->thread, &attr, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

int http_client_curl_new(const struct http_client_curl_config *config, struct http_client **out,
                         struct err *e)
{
    static const struct http_client_ops ops = { submit, stop_client, close_client };
    struct client_curl *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return err_nomem(e);
    c->base.ops = &ops;
    c->config = *config;
    STAILQ_INIT(&c->queue);
    LIST_INIT(&c->active);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->is_wanted, NULL);
    errno = start_thread(c);
    if (errno != 0) {
        err_sys(e, "starting the thread of the HTTP client");
        client_free(c);
        return -1;
    }
    *out = &c->base;
    return 0;
}
