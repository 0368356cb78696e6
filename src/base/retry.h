/*
 * When a failed exchange is tried again: pure decisions over one table for all services.
 *
 *   4 attempts; back-off 0.1 s doubling up to 5 s, with jitter; Retry-After honoured;
 *   a time-out (408 counts as one) is retried once; everything within the deadline.
 *   The instance metadata service: also 404 and 410, and the first pause is at least 1 s.
 *   Never retried: 400, 401, 403 and other refusals, a TLS certificate failure, a garbled answer.
 */
#ifndef BASE_RETRY_H
#define BASE_RETRY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum retry_kind { RETRY_SERVICE, RETRY_METADATA };

struct retry {
    enum retry_kind kind;
    int n_failed;   /* attempts that ended without success so far */
    int n_timeouts; /* of these, time-outs */
};

/*
 * Called after a failure; counts it. True: pause for *out_pause_ms and try again.
 * left_ms   time until the caller's deadline; an attempt that could not start before it is not made
 * random    any 32 random bits, for the jitter
 */
bool retry_again(struct retry *r, const struct err *e, int64_t left_ms, uint32_t random,
                 int64_t *out_pause_ms);

/* Pause before attempt n (1, 2, …) of background work that never gives up: up to 60 s. */
int64_t retry_background_ms(int n_failed, uint32_t random);

#endif
