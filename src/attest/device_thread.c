/*
 * One thread, one queue. A request lives on its caller's stack and is linked into the queue; the
 * caller that gives up unlinks it under the lock, so neither the queue nor the thread ever holds
 * a request whose caller is gone. The queue is as long as there are callers.
 *
 *   waiting    in the queue             caller gives up: unlinked, the device never sees it
 *   current    its report is under way  caller gives up: current becomes NULL, the report is
 * dropped finished   outcome is filled in     caller takes it and leaves
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

struct request {
    struct request *next;
    const uint8_t *report_data;
    pthread_cond_t finished_cond;
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
    report_source_close(d->source);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static void note_name(struct device_thread *d)
{
    snprintf(d->name, sizeof(d->name), "%s", report_source_name(d->source));
}

/* With the lock held. */
static void finish(struct request *r, int rc)
{
    r->rc = rc;
    r->finished = true;
    pthread_cond_signal(&r->finished_cond);
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
    if (d->current != NULL) {
        memcpy(d->current->report, report, sizeof(report));
        d->current->error = error;
        finish(d->current, rc);
        d->current = NULL;
    }
}

static void *run(void *arg)
{
    struct device_thread *d = arg;

    pthread_mutex_lock(&d->lock);
    while (!d->closing) {
        struct request *r = d->queue;

        if (r == NULL) {
            pthread_cond_wait(&d->changed, &d->lock);
            continue;
        }
        d->queue = r->next;
        serve_one(d, r);
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

/* With the lock held: every caller that waits for its turn is told. */
static void refuse_queue(struct device_thread *d)
{
    while (d->queue != NULL) {
        struct request *r = d->queue;

        d->queue = r->next;
        err_set(&r->error, ERR_UNSUPPORTED, SHUTTING_DOWN);
        finish(r, -1);
    }
}

void device_thread_close(struct device_thread *d, int64_t wait_ms)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    refuse_queue(d);
    pthread_cond_broadcast(&d->changed);
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

/* With the lock held. */
static void enqueue(struct device_thread *d, struct request *r)
{
    struct request **at = &d->queue;

    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    pthread_cond_broadcast(&d->changed);
}

/* With the lock held: whatever state the request is in, nobody knows it afterwards. */
static void withdraw(struct device_thread *d, struct request *r)
{
    struct request **at = &d->queue;

    if (d->current == r)
        d->current = NULL;
    while (*at != NULL && *at != r)
        at = &(*at)->next;
    if (*at == r)
        *at = r->next;
}

/* With the lock held. */
static int wait_finished(struct device_thread *d, struct request *r, int64_t deadline_ms)
{
    const struct timespec until = timespec_of_ms(deadline_ms);

    if (d->closing)
        return err_set(&r->error, ERR_UNSUPPORTED, SHUTTING_DOWN);
    if (clock_now_ms(clock_system()) >= deadline_ms)
        return err_set(&r->error, ERR_TIMEOUT, "deadline passed before a report was asked for");
    enqueue(d, r);
    while (!r->finished) {
        if (pthread_cond_timedwait(&r->finished_cond, &d->lock, &until) == ETIMEDOUT &&
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
    struct request r = { .report_data = report_data };

    if (init_cond(&r.finished_cond) != 0)
        return err_nomem(e);
    pthread_mutex_lock(&d->lock);
    d->n_callers++;
    const int rc = wait_finished(d, &r, deadline_ms);
    d->n_callers--;
    if (d->closing)
        pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_cond_destroy(&r.finished_cond);
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
