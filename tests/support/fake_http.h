/* An HTTP client that plays a script: each exchange must be the next one of the list. */
#ifndef SUPPORT_FAKE_HTTP_H
#define SUPPORT_FAKE_HTTP_H

#include "http/client.h"

struct fake_exchange {
    const char *method, *url; /* what is expected; a NULL method ends the script */
    int status;               /* 0: no answer, ERR_NET; -1: ERR_TIMEOUT */
    const char *answer;
    int retry_after_s;         /* 0: none */
    const char *body_contains; /* expected in the request's body; NULL: not looked at */
    const char *header;        /* "Name: value" expected among the headers; NULL: not looked at */
};

struct fake_http {
    struct http_client base;
    const struct fake_exchange *script;
    size_t n_played;
};

void fake_http_init(struct fake_http *f, const struct fake_exchange *script);
void fake_http_finish(struct fake_http *f); /* asserts that the whole script was played */

#endif
