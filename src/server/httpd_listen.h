/* The listening sockets: loopback only, one for each address family that this machine has. */
#ifndef SERVER_HTTPD_LISTEN_H
#define SERVER_HTTPD_LISTEN_H

#include "base/err.h"

#define HTTPD_LISTEN_MAX 2

struct httpd_listen {
    int fds[HTTPD_LISTEN_MAX]; /* non-blocking; -1: not open */
    int port;
};

/*
 * Listens on 127.0.0.1 and ::1. port 0 takes a free one, the same on both families.
 * A family that does not exist here is passed over with a line in the log.
 *
 * Fails: ERR_SYS naming address and port, also when neither family exists.
 */
MUST_CHECK int httpd_listen_open(int port, struct httpd_listen *out, struct err *e);

/* New connections are refused from now on. May be called twice. */
void httpd_listen_close(struct httpd_listen *l);

#endif
