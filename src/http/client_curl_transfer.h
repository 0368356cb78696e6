/* One exchange as libcurl makes it: the options of its handle, what comes in, what it means. */
#ifndef HTTP_CLIENT_CURL_TRANSFER_H
#define HTTP_CLIENT_CURL_TRANSFER_H

#include "crypto/roots.h"
#include "http/client.h"

#include <curl/curl.h>
#include <sys/queue.h>

#define TRANSFER_PEER_SIZE 272

struct transfer {
    STAILQ_ENTRY(transfer) queued; /* the client's: waits to be started */
    LIST_ENTRY(transfer) active;   /* the client's: is under way */
    struct http_exchange *x;
    int64_t deadline_ms; /* on the system's clock */
    struct roots *roots;
    CURL *easy;
    struct curl_slist *headers;
    char peer[TRANSFER_PEER_SIZE]; /* host[:port], for messages */
    char reason[CURL_ERROR_SIZE];  /* libcurl's */
    struct err failure;            /* ours, when a callback stopped the exchange */

    /* the answer so far */
    struct buf body;
    size_t max_body;
    size_t n_header; /* bytes of all header lines */
    bool in_header;  /* a status line has come, the empty line after it has not */
    int retry_after_s;
};

/* Takes the time; x and roots are borrowed. Fails: ERR_NOMEM. */
MUST_CHECK int transfer_new(struct http_exchange *x, struct roots *roots, struct transfer **out,
                            struct err *e);

/* Sets up a fresh or reset handle, which is borrowed until the end. The request is judged here.
 * Fails: ERR_ARG, ERR_TIMEOUT (no time left), ERR_NOMEM. */
MUST_CHECK int transfer_start(struct transfer *t, CURL *easy, int64_t connect_timeout_ms,
                              struct err *e);

/* The handle has ended the exchange with this result: calls done() and frees. */
void transfer_finish(struct transfer *t, CURLcode result);

/* Ends it with an error instead. */
void transfer_fail(struct transfer *t, const struct err *e);

#endif
