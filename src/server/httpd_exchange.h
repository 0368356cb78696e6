/*
 * One request on its way through the server, on the event thread: its framing is judged, its body
 * collected, its route found, its answer sent.
 */
#ifndef SERVER_HTTPD_EXCHANGE_H
#define SERVER_HTTPD_EXCHANGE_H

#include "server/httpd_gate.h"
#include "server/httpd_workers.h"

#include <stdatomic.h>

#define HTTPD_ID_SIZE   16 /* bytes of a request's id */
#define HTTPD_IDS_STOCK 64

struct MHD_Connection;

/* What all exchanges share. */
struct httpd_exchange_env {
    const struct httpd_config *config;
    struct httpd_peers *peers;
    struct httpd_workers *workers;
    struct httpd_gate *gate;
    atomic_bool closing; /* answers say "Connection: close" */

    /* the event thread's */
    size_t body_bytes;                           /* held by exchanges */
    uint8_t ids[HTTPD_IDS_STOCK][HTTPD_ID_SIZE]; /* random, in stock: a system call less for each */
    size_t n_ids;
};

struct httpd_exchange;

/* The library's view of one call of its handler. */
struct httpd_exchange_call {
    struct MHD_Connection *connection;
    struct httpd_peer *peer;
    const char *method, *path, *version;
    struct span data; /* the library's own memory; wiped after it was taken */
};

/*
 * The next step: begins with *ex NULL, then once for each piece of the body, then until there is
 * an answer. False: the connection is to be closed.
 */
bool httpd_exchange_step(struct httpd_exchange_env *env, struct httpd_exchange **ex,
                         const struct httpd_exchange_call *call);

/* The answer is sent, or the connection lost. Wipes. ex NULL: the library itself said no. */
void httpd_exchange_end(struct httpd_exchange_env *env, struct httpd_exchange *ex,
                        struct MHD_Connection *connection, struct httpd_peer *peer);

/* For the pool: lets the event thread take the exchange of this ticket up again. */
void httpd_exchange_resume(struct httpd_ticket *ticket);

#endif
