/*
 * The workers: threads that run the handlers that wait, made when they are needed and gone after
 * half a minute without work; and the queue before them.
 */
#ifndef SERVER_HTTPD_WORKERS_H
#define SERVER_HTTPD_WORKERS_H

#include "server/httpd.h"

/* What one handler works on. */
struct httpd_job {
    struct httpd_request req; /* method and path: static; body: of the next member */
    struct buf body;
    struct httpd_response out;
    httpd_handler handle;
    void *ctx;
    struct httpd_ticket *ticket; /* NULL: nobody waits for it any more */
    struct httpd_job *prev, *next;
};

MUST_CHECK int httpd_job_new(struct httpd_job **out, struct err *e);
void httpd_job_free(struct httpd_job *job); /* wipes; NULL is fine */

enum httpd_outcome {
    HTTPD_PENDING,
    HTTPD_ANSWERED, /* job->out is the answer */
    HTTPD_OVERDUE,  /* its deadline passed in the queue */
    HTTPD_CUT,      /* drained before it was done; the job is no longer the ticket's */
};

/* The submitter's half. Belongs to the pool while PENDING, to the submitter before and after. */
struct httpd_ticket {
    struct httpd_job *job;
    enum httpd_outcome outcome;
};

struct httpd_workers_config {
    const struct clock *clk;
    struct metrics *metrics; /* skr_workers_busy, skr_requests_queued */
    /* Called once for each submitted ticket when it is no longer PENDING, on any thread. */
    void (*ready)(struct httpd_ticket *ticket);
};

struct httpd_workers;

MUST_CHECK int httpd_workers_new(const struct httpd_workers_config *config,
                                 struct httpd_workers **out, struct err *e);

/* After drain. Handlers that still run are left to themselves: the last one frees the pool. */
void httpd_workers_free(struct httpd_workers *w);

enum httpd_submitted { HTTPD_SUBMITTED, HTTPD_WORKERS_FULL, HTTPD_WORKERS_DRAINING };

/* Never blocks. Unless SUBMITTED, nothing happened. */
enum httpd_submitted httpd_workers_submit(struct httpd_workers *w, struct httpd_ticket *ticket);

/* Ends the queued jobs whose deadline passed. Returns the ms until the next one, or INT64_MAX. */
int64_t httpd_workers_expire(struct httpd_workers *w);

/* Takes no more jobs, gives those that it has up to ms, cuts the rest and returns their number.
 * From its return on ready() is not called and no call of it is under way. */
size_t httpd_workers_drain(struct httpd_workers *w, int64_t ms);

#endif
