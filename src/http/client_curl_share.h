/* What the handles of one client have in common beside connections: its TLS sessions. */
#ifndef HTTP_CLIENT_CURL_SHARE_H
#define HTTP_CLIENT_CURL_SHARE_H

#include "base/err.h"

#include <curl/curl.h>
#include <pthread.h>

/*
 * A session spares a new connection the exchange of certificates. libcurl offers one only to the
 * host name and port that gave it. Never share between clients: what a session's peer was trusted
 * for, it was trusted for under one client's roots.
 */
struct client_curl_share {
    CURLSH *curl;
    pthread_mutex_t locks[CURL_LOCK_DATA_LAST]; /* by what libcurl wants to touch */
};

/* *out must stay where it is. Fails: ERR_NOMEM. */
MUST_CHECK int client_curl_share_init(struct client_curl_share *out, struct err *e);

/* When all handles that use it are gone. */
void client_curl_share_done(struct client_curl_share *s);

#endif
