/*
 * The HTTP servers of the simulated cloud (libmicrohttpd): a thread for each connection, simple
 * rather than fast, and able to answer as badly as struct sim_delivery asks.
 */
#ifndef SIM_SIMHTTPD_H
#define SIM_SIMHTTPD_H

#include "sim/exchange.h"

#define SIMHTTPD_MAX_CONNECTIONS 2000

/* Fills the answer of one request. Runs on many threads at once. */
typedef void (*simhttpd_handler)(void *ctx, struct sim_request *req, struct sim_reply *out);

struct simhttpd_config {
    enum sim_listener listener;
    const char *address;    /* IPv4 */
    int port;               /* 0: any free one */
    const char *cert, *key; /* PEM; for SIM_TLS. Borrowed until the start is over */
    simhttpd_handler handle;
    void *ctx;
};

struct simhttpd;

/* Listens and serves. Fails: ERR_SYS (the message names the address), ERR_NOMEM. */
MUST_CHECK int simhttpd_start(const struct simhttpd_config *config, struct simhttpd **out,
                              struct err *e);
int simhttpd_port(const struct simhttpd *s);

/* Ends stalled answers, waits for the handlers that run, and closes every connection. */
void simhttpd_stop(struct simhttpd *s);

#endif
