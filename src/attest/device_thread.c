/*
 * One thread, one queue. A request lives on its caller's stack and is linked into the queue; the
 * caller that gives up unlinks it under the lock, so neither the queue nor the thread ever holds
 * a request whose caller is gone. The queue is as long as there are callers.
 *
 *   waiting    in the queue             caller gives up: unlinked, the device never sees it
 *   current    its report is under way  caller gives up: current becomes NULL, the report is
 *              dropped
 *   finished   outcome is filled in     caller takes it and leaves
 *
 * Who is woken wants the lock first of all, so it is given up before: what a caller sleeps on is
 * therefore not on its stack but the object's, and used again by others; at worst it is woken for
 * nothing.
 */
#include "attest/device_thread.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE   64
#define STACK_BYTES ((size_t)256 * 1024)

#define SHUTTING_DOWN "the report source is being shut down"

struct waiter {
    struct waiter *next;
    pthread_cond_t wake;
};

struct request {
    struct request *next;
    const uint8_t *report_data;
    struct waiter *waiter;
    bool finished;
    int rc;
    uint8_t report[SNP_REPORT_SIZE];
    struct err error;
};

struct device_thread {
    pthread_t thread;
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* work to do, closing, ended, a caller left */
    struct report_source *source;
    struct request *queue;   /* first in, first out */
    struct request **tail;   /* where the next one is linked in */
    struct waiter *waiters;  /* those that nobody sleeps on */
    bool is_idle;            /* the thread waits for work, and nobody has woken it */
    struct request *current; /* whose report is under way; NULL also when its caller left */
    size_t n_callers;        /* inside device_thread_fetch() */
    bool closing;            /* no more requests */
    bool ended;              /* the thread has left its loop */
    bool orphaned;           /* the thread frees the object */
    char name[NAME_SIZE];    /* of the source that gave the last report */
};

static struct timespec timespec_of_ms(int64_t ms)
{
    return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static int init_cond(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0)
        return -1;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    const int rc = pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

static void free_object(struct device_thread *d)
{
    while (d->waiters != NULL) {
        struct waiter *w = d->waiters;

        d->waiters = w->next;
        pthread_cond_destroy(&w->wake);
        free(w);
    }
    report_source_close(d->source);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static void note_name(struct device_thread *d)
{
    const char *name = report_source_name(d->source);

    if (strcmp(d->name, name) != 0)
        snprintf(d->name, sizeof(d->name), "%s", name);
}

/* With the lock held. NULL when out of memory. */
static struct waiter *take_waiter(struct device_thread *d)
{
    struct waiter *w = d->waiters;

    if (w != NULL) {
        d->waiters = w->next;
        return w;
    }
    w = calloc(1, sizeof(*w));
    if (w != NULL && init_cond(&w->wake) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

/* With the lock held. */
static void give_waiter(struct device_thread *d, struct waiter *w)
{
    w->next = d->waiters;
    d->waiters = w;
}

/* With the lock held, which it gives up for a moment. */
static void wake(struct device_thread *d, pthread_cond_t *sleeper)
{
    pthread_mutex_unlock(&d->lock);
    pthread_cond_signal(sleeper);
    pthread_mutex_lock(&d->lock);
}

/* With the lock held: the first of the queue, which is not empty. */
static struct request *dequeue(struct device_thread *d)
{
    struct request *r = d->queue;

    d->queue = r->next;
    if (d->queue == NULL)
        d->tail = &d->queue;
    return r;
}

/* With the lock held, which it gives up while the source works. */
static void serve_one(struct device_thread *d, struct request *r)
{
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err error = { 0 };

    memcpy(report_data, r->report_data, sizeof(report_data));
    d->current = r;
    pthread_mutex_unlock(&d->lock);
    const int rc = report_source_fetch(d->source, report_data, report, &error);
    pthread_mutex_lock(&d->lock);
    if (rc == 0)
        note_name(d);
    struct request *asker = d->current; /* gone as soon as the lock is */
    if (asker == NULL)
        return;
    if (rc == 0)
        memcpy(asker->report, report, sizeof(report));
    else
        asker->error = error;
    asker->rc = rc;
    asker->finished = true;
    d->current = NULL;
    wake(d, &asker->waiter->wake);
}

static void *run(void *arg)
{
    struct device_thread *d = arg;

    pthread_mutex_lock(&d->lock);
    while (!d->closing) {
        if (d->queue != NULL) {
            serve_one(d, dequeue(d));
            continue;
        }
        d->is_idle = true;
        pthread_cond_wait(&d->changed, &d->lock);
    }
    d->ended = true;
    pthread_cond_broadcast(&d->changed);
    const bool orphaned = d->orphaned;
    while (orphaned && d->n_callers != 0)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
    if (orphaned)
        free_object(d);
    return NULL;
}

/* Signals are the business of the other threads: this one may sit in the kernel for a minute. */
static int start_thread(struct device_thread *d)
{
    pthread_attr_t attr;
    sigset_t all, before;

    if (pthread_attr_init(&attr) != 0)
        return -1;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&d->thread, &attr, run, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return -1;
    pthread_setname_np(d->thread, "device");
    return 0;
}

int device_thread_new(struct report_source *source, struct device_thread **out, struct err *e)
{
    struct device_thread *d = calloc(1, sizeof(*d));

    if (d == NULL || init_cond(&d->changed) != 0) {
        free(d);
        report_source_close(source);
        return err_nomem(e);
    }
    pthread_mutex_init(&d->lock, NULL);
    d->source = source;
    d->tail = &d->queue;
    note_name(d);
    if (start_thread(d) != 0) {
        free_object(d);
        return err_set(e, ERR_NOMEM, "no thread for the report source");
    }
    *out = d;
    return 0;
}

/* With the lock held. False: a report is still under way. */
static bool wait_ended(struct device_thread *d, int64_t until_ms)
{
    const struct timespec until = timespec_of_ms(until_ms);

    while (!d->ended)
        if (pthread_cond_timedwait(&d->changed, &d->lock, &until) == ETIMEDOUT && !d->ended)
            return false;
    return true;
}

/* With the lock held. */
static void refuse(struct request *r)
{
    err_set(&r->error, ERR_UNSUPPORTED, SHUTTING_DOWN);
    r->rc = -1;
    r->finished = true;
    pthread_cond_signal(&r->waiter->wake);
}

void device_thread_stop(struct device_thread *d)
{
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    while (d->queue != NULL)
        refuse(dequeue(d));
    if (d->current != NULL)
        refuse(d->current);
    d->current = NULL;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

void device_thread_close(struct device_thread *d, int64_t wait_ms)
{
    if (d == NULL)
        return;
    device_thread_stop(d);
    pthread_mutex_lock(&d->lock);
    if (!wait_ended(d, clock_now_ms(clock_system()) + wait_ms)) {
        d->orphaned = true;
        pthread_detach(d->thread);
        pthread_mutex_unlock(&d->lock);
        return;
    }
    /* no request is left, so those who are still inside are on their way out */
    while (d->n_callers != 0)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    free_object(d);
}

/* With the lock held, which it may give up for a moment. */
static void enqueue(struct device_thread *d, struct request *r)
{
    *d->tail = r;
    d->tail = &r->next;
    if (d->is_idle) {
        d->is_idle = false;
        wake(d, &d->changed);
    }
}

/* With the lock held: whatever state the request is in, nobody knows it afterwards. */
static void withdraw(struct device_thread *d, struct request *r)
{
    struct request **at = &d->queue;

    if (d->current == r)
        d->current = NULL;
    while (*at != NULL && *at != r)
        at = &(*at)->next;
    if (*at != r)
        return;
    *at = r->next;
    if (d->tail == &r->next)
        d->tail = at;
}

/* With the lock held. */
static int wait_finished(struct device_thread *d, struct request *r, int64_t deadline_ms)
{
    const struct timespec until = timespec_of_ms(deadline_ms);

    if (d->closing)
        return err_set(&r->error, ERR_UNSUPPORTED, SHUTTING_DOWN);
    if (clock_now_ms(clock_system()) >= deadline_ms)
        return err_set(&r->error, ERR_TIMEOUT, "deadline passed before a report was asked for");
    r->waiter = take_waiter(d);
    if (r->waiter == NULL)
        return err_nomem(&r->error);
    enqueue(d, r);
    while (!r->finished) {
        if (pthread_cond_timedwait(&r->waiter->wake, &d->lock, &until) == ETIMEDOUT &&
            !r->finished) {
            const bool under_way = d->current == r;

            withdraw(d, r);
            return err_set(&r->error, ERR_TIMEOUT, "deadline passed while %s %s",
                           under_way ? "waiting for a report from" : "waiting for a turn at",
                           d->name);
        }
    }
    return r->rc;
}

int device_thread_fetch(struct device_thread *d,
                        const uint8_t report_data[static SNP_REPORT_DATA_SIZE], int64_t deadline_ms,
                        uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    struct request r; /* report and error are big: whoever fills them says so in rc */

    r.report_data = report_data;
    r.next = NULL;
    r.waiter = NULL;
    r.finished = false;
    pthread_mutex_lock(&d->lock);
    d->n_callers++;
    const int rc = wait_finished(d, &r, deadline_ms);
    if (r.waiter != NULL)
        give_waiter(d, r.waiter);
    d->n_callers--;
    if (d->closing)
        pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (rc != 0) {
        *e = r.error;
        return -1;
    }
    memcpy(out_report, r.report, sizeof(r.report));
    return 0;
}

void device_thread_source_name(struct device_thread *d, char *out, size_t size)
{
    pthread_mutex_lock(&d->lock);
    snprintf(out, size, "%s", d->name);
    pthread_mutex_unlock(&d->lock);
}
