/* libcurl's own start and end, on a heap that wipes what it frees. */
#ifndef HTTP_CLIENT_CURL_GLOBAL_H
#define HTTP_CLIENT_CURL_GLOBAL_H

#include "base/err.h"

/* Counted: each success is undone by one done. */
MUST_CHECK int client_curl_global_init(struct err *e);
void client_curl_global_done(void);

#endif
