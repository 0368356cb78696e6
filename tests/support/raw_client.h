/* A client of HTTP servers on loopback that sends whatever bytes it is told, also wrong ones. */
#ifndef SUPPORT_RAW_CLIENT_H
#define SUPPORT_RAW_CLIENT_H

#include "base/buf.h"

#define RAW_HEAD_SIZE 4096

struct raw_answer {
    int status;
    char head[RAW_HEAD_SIZE]; /* status line and headers */
    struct buf body;
};

/* A connected socket, or -1. */
int raw_connect(int port);
int raw_connect_v6(int port);

/* False: the peer did not take all of it. */
bool raw_send(int fd, const char *text);
bool raw_send_bytes(int fd, const void *p, size_t n);

/* One answer, by its Content-Length (none is read after HEAD). False: it did not come whole within
 * ms. The answer is to be done with raw_answer_done(). */
bool raw_read(int fd, struct raw_answer *out, int ms);
bool raw_read_head(int fd, struct raw_answer *out, int ms);
void raw_answer_done(struct raw_answer *a);

/* Whether the peer ends the connection within ms; what it sends before that is thrown away. */
bool raw_is_closed(int fd, int ms);

/* Connects, sends, reads one answer into *out, closes. */
bool raw_exchange(int port, const char *text, struct raw_answer *out);

#endif
