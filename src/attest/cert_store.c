/*
 * One pointer under a lock, and single flight for replacing it. Callers say which chain they found
 * wanting, so that the second of two callers who noticed the same change finds the work done.
 */
#include "attest/cert_store.h"

#include "base/flight.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>

struct cert_store {
    pthread_mutex_t lock;       /* guards current */
    struct cert_chain *current; /* a reference, or NULL */
    struct flight flight;
    char *thim_url;
    const struct http_env *env;
};

int cert_store_new(const char *thim_url, const struct http_env *env, struct cert_chain *initial,
                   struct cert_store **out, struct err *e)
{
    CLEANUP(cert_chain_releasep) struct cert_chain *first = initial;
    CLEANUP(str_freep) char *url = NULL;
    struct cert_store *s = NULL;

    if (str_dup(thim_url, &url, e) != 0)
        return -1;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_nomem(e);
    if (flight_init(&s->flight, e) != 0) {
        free(s);
        return -1;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->current = TAKE(first);
    s->thim_url = TAKE(url);
    s->env = env;
    *out = s;
    return 0;
}

void cert_store_free(struct cert_store *s)
{
    if (s == NULL)
        return;
    flight_done(&s->flight);
    pthread_mutex_destroy(&s->lock);
    cert_chain_release(s->current);
    str_free(s->thim_url);
    free(s);
}

struct cert_chain *cert_store_current(struct cert_store *s)
{
    struct cert_chain *c = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->current != NULL)
        c = cert_chain_acquire(s->current);
    pthread_mutex_unlock(&s->lock);
    return c;
}

/* Another chain than seen with a reference, or NULL. */
static struct cert_chain *get_other(struct cert_store *s, const struct cert_chain *seen)
{
    struct cert_chain *c = cert_store_current(s);

    if (c == seen)
        cert_chain_releasep(&c);
    return c;
}

/* Puts a new chain in use; it comes back with a reference for the caller. */
static struct cert_chain *replace(struct cert_store *s, struct cert_chain *made)
{
    struct cert_chain *old = NULL;
    struct cert_chain *mine = cert_chain_acquire(made);

    pthread_mutex_lock(&s->lock);
    old = s->current;
    s->current = made;
    pthread_mutex_unlock(&s->lock);
    cert_chain_release(old);
    return mine;
}

static int fetch(struct cert_store *s, int64_t deadline_ms, struct cert_chain **out, struct err *e)
{
    CLEANUP(thim_certs_done) struct thim_certs certs = { 0 };
    struct cert_chain *made = NULL;

    if (thim_fetch(s->env, s->thim_url, deadline_ms, &certs, e) != 0)
        return -1;
    if (cert_chain_new(&certs, clock_unix_s(s->env->clk), &made, e) != 0)
        return -1;
    *out = replace(s, made);
    return 0;
}

/* What the leader of a flight does: somebody may have landed between its look and its lead. */
static int lead(struct cert_store *s, const struct cert_chain *seen, int64_t deadline_ms,
                struct cert_chain **out, struct err *e)
{
    struct cert_chain *other = get_other(s, seen);

    if (other != NULL) {
        flight_land(&s->flight, NULL);
        *out = other;
        return 0;
    }
    const int rc = fetch(s, deadline_ms, out, e);
    metrics_add(s->env->metrics, "skr_cert_refresh_total", 1, rc == 0 ? "ok" : "failed", NULL,
                NULL);
    flight_land(&s->flight, rc == 0 ? NULL : e);
    return rc;
}

int cert_store_refresh(struct cert_store *s, const struct cert_chain *seen, int64_t deadline_ms,
                       struct cert_chain **out, struct err *e)
{
    /* A flight that was landing while the caller looked may have brought the very chain that the
     * caller found wanting: then look again. */
    for (;;) {
        struct cert_chain *other = get_other(s, seen);

        if (other != NULL) {
            *out = other;
            return 0;
        }
        switch (flight_join(&s->flight, deadline_ms, e)) {
        case FLIGHT_FAILED:
            return err_wrap(e, "refreshing the processor's certificates");
        case FLIGHT_LEAD:
            if (lead(s, seen, deadline_ms, out, e) != 0)
                return err_wrap(e, "refreshing the processor's certificates");
            return 0;
        case FLIGHT_LANDED:
            break;
        }
    }
}
