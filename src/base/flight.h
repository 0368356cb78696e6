/*
 * Single flight: of the callers that need the same thing made, one makes it and the others wait
 * for its outcome. A waiter whose leader failed by running out of the leader's own time leads
 * next, if it has time left itself.
 */
#ifndef BASE_FLIGHT_H
#define BASE_FLIGHT_H

#include "base/clock.h"
#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>

struct flight {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    bool flying;
    unsigned n_landings;
    struct err outcome; /* of the last landing; ERR_NONE: success */
};

enum flight_role {
    FLIGHT_LEAD,   /* do the work, then call flight_land() */
    FLIGHT_LANDED, /* another did it, with success: read the shared result */
    FLIGHT_FAILED, /* another did it and failed, or the deadline passed: *e */
};

MUST_CHECK int flight_init(struct flight *f, struct err *e);
void flight_done(struct flight *f);

/* deadline_ms: of this caller, on the system's monotonic clock (clock_system()). */
enum flight_role flight_join(struct flight *f, int64_t deadline_ms, struct err *e);

/* outcome: NULL for success; copied. */
void flight_land(struct flight *f, const struct err *outcome);

#endif
