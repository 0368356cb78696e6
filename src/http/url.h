/* The few things that are done to URLs, which are otherwise libcurl's. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "base/buf.h"

/* Percent-encodes all but RFC 3986 unreserved characters; appends. */
MUST_CHECK int url_encode(const char *s, struct buf *out, struct err *e);

struct url_parts {
    bool https;       /* else http */
    char host[256];   /* lower case, no brackets around IPv6 */
    int port;         /* 0: none given */
    const char *path; /* borrowed; from the first '/' on, or "" */
};

/*
 * [scheme://]host[:port][/path]: without a scheme it is https. Host: letters, digits, '-', '.',
 * at most 253, no empty label; a number only as four decimals; or an IPv6 address in brackets.
 * Refused: user information, other schemes, blanks, control characters and bytes beyond ASCII
 * anywhere, a port outside 1..65535. Fails: ERR_PARSE.
 */
MUST_CHECK int url_parse(const char *text, struct url_parts *out, struct err *e);

/* Whether a host, as url_parse() gives it, is this machine or its metadata service by its spelling:
 * localhost, *.localhost, 127.0.0.0/8, ::1, 169.254.169.254. */
bool url_host_is_local(const char *host);

#endif
