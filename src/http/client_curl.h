/* The real client: libcurl's multi interface on one thread of its own, for any number of callers.
 */
#ifndef HTTP_CLIENT_CURL_H
#define HTTP_CLIENT_CURL_H

#include "crypto/roots.h"
#include "http/client.h"

struct http_client_curl_config {
    int64_t connect_timeout_ms;
    struct roots *roots; /* borrowed; outlives the client */
};

/*
 * Starts the thread. libcurl is initialised at the first request, not here.
 * HTTPS_PROXY and NO_PROXY of the environment count, except for requests with no_proxy.
 */
MUST_CHECK int http_client_curl_new(const struct http_client_curl_config *config,
                                    struct http_client **out, struct err *e);

#endif
