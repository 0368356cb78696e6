/*
 * A fixed number of slots, given to endpoints as they are named. With all slots at work for other
 * endpoints, a release makes a session of its own. A thread wipes sessions whose time has come.
 *
 * Locks: st->lock is taken before that of a slot, never after.
 */
#include "skr/session_store.h"

#include "skr/session_slot.h"

#include <stdlib.h>
#include <string.h>

#define N_SLOTS    16
#define STACK_SIZE 262144

struct place {
    struct session_slot slot;
    /* guarded by the store's lock: */
    char authority[sizeof(((struct endpoint *)0)->authority)]; /* "": free */
    unsigned n_callers; /* inside session_slot_get(): the slot stays theirs */
    int64_t called_ms;  /* last */
};

struct session_store {
    const struct config_session *limits;
    struct service *service;
    pthread_t keeper;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a session may have been made, or the end */
    bool closing;
    struct place places[N_SLOTS];
};

/* ---- the keeper ---- */

static void *keep(void *arg)
{
    struct session_store *st = arg;

    pthread_mutex_lock(&st->lock);
    while (!st->closing) {
        int64_t left_ms = INT64_MAX;
        for (size_t i = 0; i < N_SLOTS; i++) {
            const int64_t ms = session_slot_expire(&st->places[i].slot);
            left_ms = ms < left_ms ? ms : left_ms;
        }
        if (left_ms == INT64_MAX) {
            pthread_cond_wait(&st->changed, &st->lock);
            continue;
        }
        const int64_t until_ms = clock_now_ms(clock_system()) + left_ms;
        const struct timespec until = { .tv_sec = until_ms / 1000,
                                        .tv_nsec = until_ms % 1000 * 1000000 };
        pthread_cond_timedwait(&st->changed, &st->lock, &until);
    }
    pthread_mutex_unlock(&st->lock);
    return NULL;
}

static int start_keeper(struct session_store *st, struct err *e)
{
    pthread_attr_t attr;

    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
        if (rc == 0)
            rc = pthread_create(&st->keeper, &attr, keep, st);
        pthread_attr_destroy(&attr);
    }
    return rc == 0 ? 0
                   : err_set(e, ERR_SYS, "no thread for attestation sessions: %s", strerror(rc));
}

static void wake_keeper(struct session_store *st)
{
    pthread_mutex_lock(&st->lock);
    pthread_cond_signal(&st->changed);
    pthread_mutex_unlock(&st->lock);
}

/* ---- beginning and end ---- */

static void free_slots(struct session_store *st, size_t n)
{
    while (n > 0)
        session_slot_done(&st->places[--n].slot);
    pthread_cond_destroy(&st->changed);
    pthread_mutex_destroy(&st->lock);
    free(st);
}

int session_store_new(const struct config_session *limits, struct service *service,
                      struct session_store **out, struct err *e)
{
    struct session_store *st = calloc(1, sizeof(*st));
    pthread_condattr_t attr;
    size_t n = 0;

    if (st == NULL)
        return err_nomem(e);
    st->limits = limits;
    st->service = service;
    pthread_mutex_init(&st->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&st->changed, &attr);
    pthread_condattr_destroy(&attr);
    while (n < N_SLOTS && session_slot_init(&st->places[n].slot, limits, service, e) == 0)
        n++;
    if (n < N_SLOTS || start_keeper(st, e) != 0) {
        free_slots(st, n);
        return -1;
    }
    *out = st;
    return 0;
}

void session_store_free(struct session_store *st)
{
    if (st == NULL)
        return;
    pthread_mutex_lock(&st->lock);
    st->closing = true;
    pthread_cond_signal(&st->changed);
    pthread_mutex_unlock(&st->lock);
    pthread_join(st->keeper, NULL);
    free_slots(st, N_SLOTS);
}

/* ---- slots ---- */

/* The endpoint's place; failing that a free one, failing that the one that was idle longest; NULL
 * when all are at work. With the lock held. */
static struct place *find_place(struct session_store *st, const char *authority)
{
    struct place *best = NULL;

    for (size_t i = 0; i < N_SLOTS; i++) {
        struct place *p = &st->places[i];
        if (strcmp(p->authority, authority) == 0)
            return p;
        if (p->n_callers == 0 && !session_slot_is_renewing(&p->slot) &&
            (best == NULL || p->called_ms < best->called_ms))
            best = p;
    }
    return best;
}

static struct place *enter(struct session_store *st, const struct endpoint *maa)
{
    pthread_mutex_lock(&st->lock);
    struct place *p = find_place(st, maa->authority);
    if (p != NULL && strcmp(p->authority, maa->authority) != 0) {
        session_slot_assign(&p->slot, maa);
        memcpy(p->authority, maa->authority, sizeof(p->authority));
    }
    if (p != NULL) {
        p->n_callers++;
        p->called_ms = clock_now_ms(st->service->parts.env->clk);
    }
    pthread_mutex_unlock(&st->lock);
    return p;
}

static void leave(struct session_store *st, struct place *p)
{
    pthread_mutex_lock(&st->lock);
    p->n_callers--;
    pthread_mutex_unlock(&st->lock);
}

static int make_own(struct session_store *st, const struct endpoint *maa, int64_t deadline_ms,
                    struct session **out, struct failure *f)
{
    const int rc = session_new(st->service, maa, deadline_ms, out, f);

    metrics_add(st->service->parts.env->metrics, "skr_sessions_total", 1,
                rc == 0 ? "made" : "failed", NULL, NULL);
    return rc;
}

int session_store_get(struct session_store *st, const struct endpoint *maa, int64_t deadline_ms,
                      struct session **out, bool *out_reused, struct failure *f)
{
    const bool shared = st->limits->max_age_ms > 0 && st->limits->max_uses > 1;
    struct place *p = shared ? enter(st, maa) : NULL;

    if (p == NULL) {
        *out_reused = false;
        return make_own(st, maa, deadline_ms, out, f);
    }
    const int rc = session_slot_get(&p->slot, deadline_ms, out, out_reused, f);
    leave(st, p);
    if (rc == 0 && !*out_reused)
        wake_keeper(st);
    return rc;
}

/* A slot that is displaced meanwhile holds another session: each looks for itself. */
void session_store_drop(struct session_store *st, const struct session *session, const char *cause)
{
    for (size_t i = 0; i < N_SLOTS; i++)
        session_slot_drop(&st->places[i].slot, session, cause);
}

void session_store_drop_endpoint(struct session_store *st, const struct endpoint *maa,
                                 const char *cause)
{
    pthread_mutex_lock(&st->lock);
    for (size_t i = 0; i < N_SLOTS; i++)
        if (strcmp(st->places[i].authority, maa->authority) == 0)
            session_slot_drop(&st->places[i].slot, NULL, cause);
    pthread_mutex_unlock(&st->lock);
}

void session_store_check_tcb(struct session_store *st)
{
    for (size_t i = 0; i < N_SLOTS; i++)
        session_slot_check_tcb(&st->places[i].slot);
}

bool session_store_denied(struct session_store *st, const struct session *session, bool reused,
                          const struct endpoint *vault, const struct key_ref *key)
{
    bool again = false;

    for (size_t i = 0; i < N_SLOTS; i++)
        if (session_slot_denied(&st->places[i].slot, session, reused, vault, key, &again))
            return again;
    return reused; /* replaced meanwhile, perhaps for this very key: the caller joins */
}
