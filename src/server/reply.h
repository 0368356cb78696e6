/* Answers as JSON documents. */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include "server/httpd.h"
#include "skr/failure.h"

/* Takes over value (NULL counts as out of memory). */
void reply_json(struct httpd_response *out, int status, json_t *value);

/* With status 200, a document that is formatted already: for answers that are given often. */
void reply_text(struct httpd_response *out, const char *json);

/* {"error","code","stage","request_id","retryable"} and, where there is something to say,
 * "upstream_status", "hint", "explain"; logs the failure once. Takes over f's explanation. */
void reply_failure(struct httpd_response *out, const struct httpd_request *req, struct failure *f);

#endif
