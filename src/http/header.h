/* Decisions about single header fields. */
#ifndef HTTP_HEADER_H
#define HTTP_HEADER_H

#include "base/buf.h"

#define HEADER_MAX_RETRY_AFTER_S 3600

/* Whether a field can be sent as it is: the name a token of RFC 9110 §5.6.2, no line break or other
 * control character but tab in the value. */
bool header_is_sendable(const char *name, const char *value);

/* The seconds that a Retry-After value asks for, as a number or as a date (RFC 9110 §10.2.3) seen
 * from now; capped. -1: it is neither. */
int header_retry_after_s(struct span value, int64_t now_unix_s);

#endif
