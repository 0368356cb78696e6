/*
 * The connections that are open and what each is doing, so that one that takes too long is cut
 * and the oldest make room for new ones. One lock, in the object; every function takes it.
 */
#ifndef SERVER_HTTPD_PEERS_H
#define SERVER_HTTPD_PEERS_H

#include "base/clock.h"
#include "base/metrics.h"

#include <stdbool.h>

enum httpd_phase {
    HTTPD_PHASE_RECEIVING, /* a request is expected or arriving: receive_ms from here */
    HTTPD_PHASE_IDLE,      /* answered before, silent since: idle_ms */
    HTTPD_PHASE_WAITING,   /* its request is queued or with a worker: never cut */
    HTTPD_PHASE_ANSWERING, /* taking its answer: receive_ms */
    HTTPD_PHASE_CUT,       /* shut down by us; the event thread will close it */
    HTTPD_N_PHASES,
};

struct httpd_peers_config {
    const struct clock *clk;
    struct metrics *metrics; /* skr_connections */
    int64_t receive_ms, idle_ms;
    size_t max; /* connections */
};

struct httpd_peer;
struct httpd_peers;

MUST_CHECK int httpd_peers_new(const struct httpd_peers_config *config, struct httpd_peers **out,
                               struct err *e);
void httpd_peers_free(struct httpd_peers *p); /* when all have left; NULL is fine */

/*
 * A connection is announced when it was accepted, and enters when the event thread has it; at
 * most HTTPD_PEERS_BURST may be under way between the two, see httpd_peers_settle().
 */
#define HTTPD_PEERS_BURST 64
/* Makes room, if need be by cutting the oldest. False: there is none until somebody leaves. */
bool httpd_peers_announce(struct httpd_peers *p);
void httpd_peers_forget(struct httpd_peers *p); /* announced, but will not enter */
/* Waits until all announced ones have entered; false when some have not within ms. */
bool httpd_peers_settle(struct httpd_peers *p, int64_t ms);
void httpd_peers_forget_all(struct httpd_peers *p);

/* fd stays the caller's and open until the peer has left. NULL when out of memory. */
struct httpd_peer *httpd_peers_enter(struct httpd_peers *p, int fd);
void httpd_peers_leave(struct httpd_peers *p, struct httpd_peer *peer);

/* The peer's time begins anew, unless it is in that phase already. */
void httpd_peers_move(struct httpd_peers *p, struct httpd_peer *peer, enum httpd_phase phase);

/* Shuts down the connections whose time is over, and those whose sender left in mid-request. */
void httpd_peers_cut_overdue(struct httpd_peers *p);

size_t httpd_peers_count(struct httpd_peers *p); /* who has entered and not left */

/* Waits until nobody is in WAITING, and at most ms more for those in ANSWERING. */
void httpd_peers_wait_answered(struct httpd_peers *p, int64_t ms);

#endif
