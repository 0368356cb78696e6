/*
 * A service of skr whose attestation service, processor and clock are under the test's control;
 * the parts in between are the real ones. Safe for many threads.
 */
#ifndef SUPPORT_FAKE_MAA_H
#define SUPPORT_FAKE_MAA_H

#include "skr/session.h"

#include <stdatomic.h>

#define FAKE_MAA_TCB UINT64_C(0x7308000000000003)

struct fake_maa {
    struct http_client client;
    struct report_source source;
    struct clock clock; /* the system's, ahead by what was added or slept */
    struct http_env env;
    struct config config;
    struct roots *roots; /* none: there is no TLS */
    struct service *service;
    atomic_llong ahead_ms;
    _Atomic uint64_t tcb;  /* what reports say */
    atomic_int status;     /* of the attestation service's answers; 200 */
    atomic_int token_life; /* seconds; 0: the token does not tell */
    pthread_mutex_t lock;  /* guards the rest */
    pthread_cond_t changed;
    bool blocked; /* requests wait */
    size_t n_started, n_answered;
    char runtime_data[1024]; /* of the last request, as base64url */
};

/* Puts the service together and starts it; certificates are of FAKE_MAA_TCB and never refreshed. */
void fake_maa_start(struct fake_maa *f, int64_t max_age_ms, int64_t max_uses);
void fake_maa_stop(struct fake_maa *f);

void fake_maa_advance(struct fake_maa *f, int64_t ms);
void fake_maa_block(struct fake_maa *f, bool blocked);
void fake_maa_wait_started(struct fake_maa *f, size_t n); /* requests in all */
size_t fake_maa_n_answered(struct fake_maa *f);

/* An endpoint "<name>.attest.azure.net". */
struct endpoint fake_maa_endpoint(const char *name);

/* A session of that endpoint, which must be had. */
struct session *fake_maa_get(struct fake_maa *f, const char *name, bool *reused);
/* The same for one release; true: the session was there before. */
bool fake_maa_use(struct fake_maa *f, const char *name);
/* n releases, after which so many attestations were asked for in all. */
void fake_maa_assert_uses(struct fake_maa *f, const char *name, size_t n, size_t n_attested);

#endif
