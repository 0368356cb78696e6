/*
 * Ready = a report source, and certificates that match its TCB. A thread takes one report at
 * start, fetches certificates until they match, and never gives up; it rests once ready.
 */
#ifndef SKR_READINESS_H
#define SKR_READINESS_H

#include "attest/evidence.h"

#include <pthread.h>

struct readiness {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* guarded by lock: */
    bool have_report;
    uint64_t reported_tcb; /* of the last report anybody took */
    bool wanted, stopping; /* a probe was asked for; the end */
    int64_t last_probe_ms;
    struct err reason; /* of the last failed probe; ERR_NONE before the first */
    /* set once: */
    struct device_thread *device;
    struct cert_store *certs;
    const struct clock *clk;
    bool any_tcb; /* -allowTestingMismatchedTCB: certificates of another TCB will do */
    pthread_t thread;
    bool running;
};

/* Borrows all three; starts the thread. */
MUST_CHECK int readiness_init(struct readiness *r, struct device_thread *device,
                              struct cert_store *certs, const struct clock *clk, bool any_tcb,
                              struct err *e);
void readiness_done(struct readiness *r); /* waits for the thread */

/* Every report that is taken tells which TCB is in force. */
void readiness_note_tcb(struct readiness *r, uint64_t reported_tcb);

/* The last report, if there was one, was of this TCB. */
bool readiness_has_tcb(struct readiness *r, uint64_t reported_tcb);

/* Never waits. Not ready: *reason says why, and the thread probes again, at most once a second. */
bool readiness_is_ready(struct readiness *r, struct err *reason);

#endif
