/*
 * A stack of keys under one lock; keys are made without it. A caller who finds the stack empty
 * does not wait for the thread, which may be far from its turn on a busy machine.
 */
#include "skr/key_pool.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE      262144
#define NICE            10   /* not idle: it shares the heap's locks with threads in a hurry */
#define PAUSE_FAILED_MS 1000 /* after a key that could not be made */

struct key_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a key was taken, or the end */
    /* guarded by lock: */
    struct wrapping_key *keys[KEY_POOL_MAX];
    size_t n;
    bool stopping;
    bool lock_refused; /* said once */
    /* set once: */
    size_t size;
    struct metrics *metrics;
    pthread_t thread;
};

/* All keys pass here, whoever made them. */
static int make(struct key_pool *p, struct wrapping_key **out, struct err *e)
{
    if (wrapping_key_generate(out, e) != 0)
        return -1;
    if (wrapping_key_is_locked(*out))
        return 0;
    pthread_mutex_lock(&p->lock);
    const bool said = p->lock_refused;
    p->lock_refused = true;
    pthread_mutex_unlock(&p->lock);
    if (!said)
        log_warning("the system does not allow keys to be locked in memory: raise RLIMIT_MEMLOCK");
    return 0;
}

/* Called with the lock held. */
static void show_size(const struct key_pool *p)
{
    metrics_set(p->metrics, "skr_key_pool_size", (double)p->n, NULL, NULL, NULL);
}

/* Called with the lock held. */
static void pause_unless_stopping(struct key_pool *p, int64_t ms)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + ms;
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = until_ms % 1000 * 1000000 };
    int rc = 0;

    while (!p->stopping && rc == 0)
        rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* Makes a key; called with the lock held, which it gives up meanwhile. */
static void fill_one(struct key_pool *p)
{
    struct wrapping_key *key = NULL;
    struct err e;

    pthread_mutex_unlock(&p->lock);
    const int rc = make(p, &key, &e);
    pthread_mutex_lock(&p->lock);
    if (rc != 0) {
        log_warning("making a key ahead failed: %s", e.msg);
        pause_unless_stopping(p, PAUSE_FAILED_MS);
        return;
    }
    p->keys[p->n++] = key;
    show_size(p);
}

static void *run(void *arg)
{
    struct key_pool *p = arg;

    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE) != 0)
        log_info("keys are made ahead at ordinary priority");
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (p->n < p->size)
            fill_one(p);
        else
            pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int start(struct key_pool *p, struct err *e)
{
    pthread_attr_t attr;

    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
        if (rc == 0)
            rc = pthread_create(&p->thread, &attr, run, p);
        pthread_attr_destroy(&attr);
    }
    return rc == 0 ? 0 : err_set(e, ERR_SYS, "no thread to make keys: %s", strerror(rc));
}

int key_pool_new(size_t size, struct metrics *metrics, struct key_pool **out, struct err *e)
{
    struct key_pool *p = calloc(1, sizeof(*p));
    pthread_condattr_t attr;

    assert(size > 0 && size <= KEY_POOL_MAX);
    if (p == NULL)
        return err_nomem(e);
    p->size = size;
    p->metrics = metrics;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (start(p, e) != 0) {
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void key_pool_free(struct key_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    while (p->n > 0)
        wrapping_key_free(p->keys[--p->n]);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int key_pool_take(struct key_pool *p, struct wrapping_key **out, struct err *e)
{
    struct wrapping_key *key = NULL;

    pthread_mutex_lock(&p->lock);
    if (p->n > 0) {
        key = p->keys[--p->n];
        show_size(p);
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    if (key == NULL) {
        metrics_add(p->metrics, "skr_key_pool_waits_total", 1, NULL, NULL, NULL);
        return make(p, out, e);
    }
    *out = key;
    return 0;
}
