/* A server under test, with routes that echo, and some that block until they are let go. */
#ifndef SUPPORT_HTTPD_FIXTURE_H
#define SUPPORT_HTTPD_FIXTURE_H

#include "server/httpd.h"

#include <pthread.h>
#include <stdbool.h>

/*
 * Routes: GET /status and POST /direct on the event thread; POST /echo, POST /big, POST /block and
 * GET /block on workers. /direct and /echo answer with the body, /big with a megabyte, /block with
 * {"done":"<id>"} once release was called. Faults are answered as {"fault":"<number>","id":…}.
 */
struct httpd_fixture {
    struct httpd *httpd;
    int port;
    struct httpd_config config; /* may be changed between init and start */
    struct metrics *metrics;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_blocked; /* handlers inside /block */
    int n_served;  /* calls of any handler */
    bool is_released;
};

/* For cmocka: a started fixture as the test's state; it has to drain cleanly in the end. */
int httpd_fixture_set_up(void **state);
int httpd_fixture_tear_down(void **state);

void httpd_fixture_init(struct httpd_fixture *f); /* calm times: 5 s for everything */
void httpd_fixture_start(struct httpd_fixture *f);
/* Waits until n handlers are inside /block; fails the test after 10 s. */
void httpd_fixture_wait_blocked(struct httpd_fixture *f, int n);
int httpd_fixture_n_served(struct httpd_fixture *f);
void httpd_fixture_release(struct httpd_fixture *f); /* all, from now on */
/* Stops, asserting how many requests were cut. */
void httpd_fixture_stop(struct httpd_fixture *f, int64_t drain_ms, size_t want_n_cut);
/* After stop: waits for handlers that were cut, and frees. */
void httpd_fixture_done(struct httpd_fixture *f);

#endif
