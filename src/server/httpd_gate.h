/*
 * The gate: one thread that accepts connections, cuts those that overstay, and sees off those
 * whose sender has not finished.
 */
#ifndef SERVER_HTTPD_GATE_H
#define SERVER_HTTPD_GATE_H

#include "server/httpd_listen.h"
#include "server/httpd_peers.h"

#include <sys/socket.h>

struct httpd_gate_config {
    struct httpd_peers *peers; /* borrowed */
    int64_t tick_ms;           /* how often it looks for connections to cut */

    /* Both on the gate's thread. admit takes fd over; false: it is closed already.
     * tick is called at least every tick_ms and says when it wants to be called again, in ms. */
    bool (*admit)(void *ctx, int fd, const struct sockaddr *addr, socklen_t addr_size);
    int64_t (*tick)(void *ctx);
    void *ctx;
};

struct httpd_gate;

MUST_CHECK int httpd_gate_new(const struct httpd_gate_config *config, struct httpd_gate **out,
                              struct err *e);

/* Starts the thread; on success the sockets are the gate's. Fails: ERR_SYS. */
MUST_CHECK int httpd_gate_open(struct httpd_gate *g, struct httpd_listen *sockets, struct err *e);

/* From its return on new connections are refused and admit is not called; tick goes on. */
void httpd_gate_shut(struct httpd_gate *g);

/* Shuts, ends the thread and frees. NULL is fine, and so is one that was never opened. */
void httpd_gate_free(struct httpd_gate *g);

/*
 * For a connection that was answered before its request was read whole, and is about to be closed.
 * Closing with unread bytes resets the connection, and the answer may be lost with it. So a
 * duplicate of fd stays open and what still comes is thrown away, within bounds of time and size.
 */
void httpd_gate_see_off(struct httpd_gate *g, int fd);

#endif
