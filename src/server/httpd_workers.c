/*
 * Who owns a job: the ticket's holder before it is submitted and after ready(); the pool from
 * submit to ready(). When a drain cuts a job that a worker is inside of, ticket and job part under
 * the lock: the ticket goes back alone, the job stays with its worker, who frees it.
 *
 * Invariants, under the lock (assert_invariants):
 *   n_busy + n_idle == n_threads;  n_busy == running.n;
 *   running.n + queue.n <= HTTPD_MAX_WORKERS + HTTPD_MAX_QUEUED.
 */
#include "server/httpd_workers.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define IDLE_S     30

struct jobs {
    struct httpd_job *head, *tail;
    size_t n;
};

struct httpd_workers {
    struct httpd_workers_config config;
    pthread_mutex_t lock; /* of all below, and of every submitted ticket and its job's links */
    pthread_cond_t work;  /* a job was queued, or draining began */
    pthread_cond_t done;  /* a job or a thread ended */
    struct jobs queue, running;
    size_t n_threads, n_idle, n_busy;
    size_t n_handing; /* calls of ready() under way: what they use must outlive them */
    bool draining;
    bool orphaned; /* free() left it to the handlers that still run */
};

int httpd_job_new(struct httpd_job **out, struct err *e)
{
    struct httpd_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return err_nomem(e);
    *out = job;
    return 0;
}

void httpd_job_free(struct httpd_job *job)
{
    if (job == NULL)
        return;
    buf_done(&job->body);
    buf_done(&job->out.body);
    free(job);
}

static void jobs_append(struct jobs *l, struct httpd_job *job)
{
    job->prev = l->tail;
    job->next = NULL;
    *(l->tail != NULL ? &l->tail->next : &l->head) = job;
    l->tail = job;
    l->n++;
}

static void jobs_remove(struct jobs *l, struct httpd_job *job)
{
    *(job->prev != NULL ? &job->prev->next : &l->head) = job->next;
    *(job->next != NULL ? &job->next->prev : &l->tail) = job->prev;
    l->n--;
}

static void assert_invariants(const struct httpd_workers *w)
{
    assert(w->n_busy + w->n_idle == w->n_threads);
    assert(w->n_busy == w->running.n);
    assert(w->n_threads <= HTTPD_MAX_WORKERS);
    assert(w->queue.n + w->n_busy <= HTTPD_MAX_WORKERS + HTTPD_MAX_QUEUED);
    (void)w;
}

/* With the lock held, which also keeps the metrics alive: nobody drains an orphan. */
static void publish(const struct httpd_workers *w)
{
    assert_invariants(w);
    if (w->orphaned)
        return;
    metrics_set(w->config.metrics, "skr_workers_busy", (double)w->n_busy, NULL, NULL, NULL);
    metrics_set(w->config.metrics, "skr_requests_queued", (double)w->queue.n, NULL, NULL, NULL);
}

int httpd_workers_new(const struct httpd_workers_config *config, struct httpd_workers **out,
                      struct err *e)
{
    struct httpd_workers *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;

    if (w == NULL)
        return err_nomem(e);
    w->config = *config;
    pthread_mutex_init(&w->lock, NULL); /* these cannot fail on Linux */
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
    pthread_cond_init(&w->done, &attr);
    pthread_condattr_destroy(&attr);
    *out = w;
    return 0;
}

static void destroy(struct httpd_workers *w)
{
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Gives tickets back that are no longer PENDING. Called with the lock held, which it gives up. */
static void hand_back(struct httpd_workers *w, struct httpd_ticket *ticket)
{
    w->n_handing++;
    pthread_mutex_unlock(&w->lock);
    w->config.ready(ticket);
    pthread_mutex_lock(&w->lock);
    w->n_handing--;
    pthread_cond_broadcast(&w->done);
}

/* Runs one job, or finds it too late. Called with the lock held, which it gives up meanwhile. */
static void run_job(struct httpd_workers *w, struct httpd_job *job)
{
    const bool late = clock_now_ms(w->config.clk) >= job->req.deadline_ms;

    jobs_remove(&w->queue, job);
    jobs_append(&w->running, job);
    w->n_idle--;
    w->n_busy++;
    publish(w);
    pthread_mutex_unlock(&w->lock);
    if (!late) {
        log_set_request_id(job->req.id);
        job->handle(job->ctx, &job->req, &job->out);
        log_set_request_id("");
    }
    pthread_mutex_lock(&w->lock);
    jobs_remove(&w->running, job);
    w->n_busy--;
    w->n_idle++;
    publish(w);
    if (job->ticket == NULL) {
        httpd_job_free(job);
        return;
    }
    job->ticket->outcome = late ? HTTPD_OVERDUE : HTTPD_ANSWERED;
    hand_back(w, job->ticket);
}

/* False: there was no work for long enough. Called with the lock held. */
static bool wait_for_job(struct httpd_workers *w)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (w->queue.n == 0 && !w->draining)
        if (pthread_cond_timedwait(&w->work, &w->lock, &until) == ETIMEDOUT)
            break;
    return w->queue.n > 0;
}

static void *worker_main(void *arg)
{
    struct httpd_workers *w = arg;

    pthread_mutex_lock(&w->lock);
    while (wait_for_job(w))
        run_job(w, w->queue.head);
    w->n_idle--;
    w->n_threads--;
    const bool is_last = w->orphaned && w->n_threads == 0;
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
    if (is_last)
        destroy(w);
    return NULL;
}

/* With the lock held. The thread inherits the signal mask of the event thread: all blocked. */
static bool add_thread(struct httpd_workers *w)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    const int rc = pthread_create(&thread, &attr, worker_main, w);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        log_warning("cannot start one more worker beside %zu (errno %d)", w->n_threads, rc);
        return false;
    }
    w->n_threads++;
    w->n_idle++;
    return true;
}

/* Whether one more job will get a thread in time to come. With the lock held. */
static bool has_room(struct httpd_workers *w)
{
    if (w->queue.n + w->n_busy >= HTTPD_MAX_WORKERS + HTTPD_MAX_QUEUED)
        return false;
    if (w->queue.n < w->n_idle || w->n_threads == HTTPD_MAX_WORKERS)
        return true;
    return add_thread(w) || w->n_threads > 0;
}

enum httpd_submitted httpd_workers_submit(struct httpd_workers *w, struct httpd_ticket *ticket)
{
    enum httpd_submitted answer = HTTPD_SUBMITTED;

    pthread_mutex_lock(&w->lock);
    if (w->draining)
        answer = HTTPD_WORKERS_DRAINING;
    else if (!has_room(w))
        answer = HTTPD_WORKERS_FULL;
    if (answer == HTTPD_SUBMITTED) {
        ticket->outcome = HTTPD_PENDING;
        ticket->job->ticket = ticket;
        jobs_append(&w->queue, ticket->job);
        publish(w);
    }
    pthread_mutex_unlock(&w->lock);
    if (answer == HTTPD_SUBMITTED) /* after the lock, which who wakes up wants first of all */
        pthread_cond_signal(&w->work);
    return answer;
}

/* Takes a job from the queue, as not to be run. With the lock held. */
static struct httpd_ticket *withdraw(struct httpd_workers *w, struct httpd_job *job,
                                     enum httpd_outcome outcome)
{
    jobs_remove(&w->queue, job);
    publish(w);
    job->ticket->outcome = outcome;
    return job->ticket;
}

int64_t httpd_workers_expire(struct httpd_workers *w)
{
    int64_t ms = INT64_MAX;

    pthread_mutex_lock(&w->lock);
    /* All requests get the same time, so the head's deadline is the next one. */
    while (w->queue.head != NULL) {
        ms = w->queue.head->req.deadline_ms - clock_now_ms(w->config.clk);
        if (ms > 0)
            break;
        ms = INT64_MAX;
        hand_back(w, withdraw(w, w->queue.head, HTTPD_OVERDUE));
    }
    pthread_mutex_unlock(&w->lock);
    return ms;
}

static void wait_until_done(struct httpd_workers *w, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (w->queue.n + w->n_busy > 0)
        if (pthread_cond_timedwait(&w->done, &w->lock, &until) == ETIMEDOUT)
            return;
}

/* One job that is not done yet, taken from the queue or from its worker. With the lock held. */
static struct httpd_ticket *cut_one(struct httpd_workers *w)
{
    if (w->queue.head != NULL)
        return withdraw(w, w->queue.head, HTTPD_CUT);
    for (struct httpd_job *job = w->running.head; job != NULL; job = job->next) {
        struct httpd_ticket *ticket = job->ticket;
        if (ticket == NULL)
            continue;
        job->ticket = NULL;
        ticket->job = NULL;
        ticket->outcome = HTTPD_CUT;
        return ticket;
    }
    return NULL;
}

size_t httpd_workers_drain(struct httpd_workers *w, int64_t ms)
{
    size_t n_cut = 0;

    pthread_mutex_lock(&w->lock);
    w->draining = true;
    pthread_cond_broadcast(&w->work);
    wait_until_done(w, ms);
    for (struct httpd_ticket *ticket; (ticket = cut_one(w)) != NULL; n_cut++)
        hand_back(w, ticket);
    while (w->n_handing > 0)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return n_cut;
}

void httpd_workers_free(struct httpd_workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->draining = true;
    pthread_cond_broadcast(&w->work);
    while (w->n_threads > w->n_busy)
        pthread_cond_wait(&w->done, &w->lock);
    w->orphaned = w->n_busy > 0;
    const bool is_orphaned = w->orphaned;
    pthread_mutex_unlock(&w->lock);
    if (!is_orphaned)
        destroy(w);
}
