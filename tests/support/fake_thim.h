/* A node's certificate service under the test's control; safe for many threads. */
#ifndef SUPPORT_FAKE_THIM_H
#define SUPPORT_FAKE_THIM_H

#include "http/call.h"

#include <pthread.h>

#define FAKE_THIM_URL "http://127.0.0.1:1/thim"

struct fake_thim {
    struct http_client base;
    struct http_env env; /* of this client and the system's clock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int status;
    uint64_t tcb;
    bool blocked;
    size_t n_started, n_answered;
};

void fake_thim_init(struct fake_thim *f, uint64_t tcb);
void fake_thim_set(struct fake_thim *f, int status, uint64_t tcb);
void fake_thim_block(struct fake_thim *f, bool blocked);
void fake_thim_wait_started(struct fake_thim *f, size_t n);

/* The answer of such a service. */
void fake_thim_format(uint64_t tcb, char *out, size_t size);

#endif
