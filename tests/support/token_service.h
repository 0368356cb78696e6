/* A token service for threads: answers from one form, can be made to hold its answers, and keeps
 * the last request. Its clock may be moved while threads look at it. */
#ifndef SUPPORT_TOKEN_SERVICE_H
#define SUPPORT_TOKEN_SERVICE_H

#include "base/clock.h"
#include "base/metrics.h"
#include "http/call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MOVING_CLOCK_UNIX_S 1700000000

struct moving_clock {
    struct clock base;
    _Atomic int64_t ms; /* sleeping moves it */
};

struct token_service {
    struct http_client base;
    struct moving_clock clk;
    struct metrics *metrics;
    struct http_env env;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool holding;
    unsigned n_asked;
    int status;       /* of all answers; 0: ERR_NET */
    const char *form; /* the body; a # stands for the number of the request, from 1 on */
    char url[512], body[4096], headers[512];
    bool no_proxy;
};

/* Answers {"access_token":"token#","expires_in":"3600"}. */
void token_service_init(struct token_service *s);
void token_service_done(struct token_service *s);

/* What is answered from now on. */
void token_service_answer(struct token_service *s, int status, const char *form);

/* While holding, requests come in and wait for their answers. */
void token_service_hold(struct token_service *s, bool holding);

unsigned token_service_asked(struct token_service *s);
void token_service_wait_asked(struct token_service *s, unsigned n); /* until n requests came */

/* A line of the metrics' text format. */
void assert_metric(struct token_service *s, const char *line);

#endif
