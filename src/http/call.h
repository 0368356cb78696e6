/*
 * A call to a service: exchanges under the retry table until one succeeds, within a deadline.
 * Counts skr_retries_total{service,cause}, skr_upstream_requests_total{service,result} and
 * skr_upstream_connections_total{service,kind}.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "base/clock.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "http/client.h"

/* What all calls of a program share. */
struct http_env {
    struct http_client *client;
    const struct clock *clk;
    struct metrics *metrics; /* may be NULL */
    int64_t exchange_ms;     /* limit of a single exchange */
};

#define HTTP_MAX_SECRETS 4

struct http_call {
    const char *service; /* label: "maa", "akv", "imds", "thim", "entra", "psp" */
    enum retry_kind retry;
    int64_t deadline_ms;                   /* on env->clk */
    struct http_request request;           /* timeout_ms is set by the call */
    const char *secrets[HTTP_MAX_SECRETS]; /* masked in quoted answers; up to the first NULL */
};

/*
 * Success is a 2xx status. Fails as http_perform(), ERR_TIMEOUT also when the deadline passed, and
 * ERR_HTTP (detail = status, retry_after_s) with the message
 * "<quoted body>: http response status equal to 403 Forbidden"; *out then holds the answer too.
 */
MUST_CHECK int http_call(const struct http_env *env, const struct http_call *call,
                         struct http_response *out, struct err *e);

/* The standard reason phrase, or "". */
const char *http_reason(int status);

/*
 * Foreign text fit for an error or a log: secrets and anything shaped like a JWT are masked as
 * "[masked]", control characters blanked, cut in the middle to at most 512 bytes.
 */
#define HTTP_QUOTE_MAX 512
void http_quote(struct span text, const char *const secrets[static HTTP_MAX_SECRETS],
                char out[static HTTP_QUOTE_MAX + 1]);

#endif
