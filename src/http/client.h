/*
 * The seam to the network: one request, one answer. Any status is an answer. Redirects are never
 * followed. Answers beyond max_body are errors, never cut.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/buf.h"

struct http_header {
    const char *name, *value;
};

#define HTTP_MAX_HEADERS 8

struct http_request {
    const char *method; /* GET, POST, PUT */
    const char *url;
    struct http_header headers[HTTP_MAX_HEADERS]; /* up to the first with a NULL name */
    struct span body;
    int64_t timeout_ms; /* for the whole exchange, from submit */
    size_t max_body;    /* of the answer; 0: HTTP_MAX_BODY */
    bool no_proxy;      /* for link-local and loopback services, whatever the environment says */
};

#define HTTP_MAX_BODY (1024 * 1024)

struct http_response {
    int status;
    int retry_after_s; /* seconds from now, at most 3600; -1 when absent or neither form of it */
    struct buf body;
    bool is_reused; /* it came on a connection that an earlier exchange had opened */
};

struct http_exchange {
    const struct http_request *request; /* with all it points to, borrowed until done() */
    struct http_response response;      /* filled before done() when e is NULL */
    /* Exactly once, on a thread of the client or from within submit(). e: NULL for an answer, else
     * ERR_ARG (the request cannot be sent), ERR_NET, ERR_TLS, ERR_TIMEOUT, ERR_PARSE (answer too
     * long, or not HTTP) or ERR_NOMEM. The exchange may be freed by it. It must not wait. */
    void (*done)(struct http_exchange *x, const struct err *e);
};

struct http_client;

struct http_client_ops {
    void (*submit)(struct http_client *c, struct http_exchange *x);
    void (*stop)(struct http_client *c);
    void (*close)(struct http_client *c); /* stops first */
};

struct http_client {
    const struct http_client_ops *ops;
};

void http_response_done(struct http_response *r);

/* Submits and waits. Fails as done() does; *out is untouched then. */
MUST_CHECK int http_perform(struct http_client *c, const struct http_request *req,
                            struct http_response *out, struct err *e);
/* From now on every exchange, outstanding or new, ends with ERR_NET at once. The object stays
 * usable by threads that do not know yet, until it is closed. */
void http_client_stop(struct http_client *c);
void http_client_close(struct http_client *c); /* NULL is fine */

#endif
