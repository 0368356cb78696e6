/* The loop around exchanges: what an answer means, when another attempt is made, and what is
 * counted. base/retry decides, this asks. */
#include "http/call.h"

#include "base/log.h"
#include "base/random.h"

static const char *result_name(const struct err *e)
{
    switch (e->code) {
    case ERR_NET:
        return "network";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_TLS:
        return "tls";
    case ERR_HTTP:
        if (e->detail >= 500)
            return "http_5xx";
        return e->detail >= 400 ? "http_4xx" : "invalid";
    default:
        return "invalid";
    }
}

static int refuse_status(const struct http_call *call, const struct http_response *answer,
                         struct err *e)
{
    char quoted[HTTP_QUOTE_MAX + 1];
    const char *reason = http_reason(answer->status);

    http_quote(buf_span(&answer->body), call->secrets, quoted);
    err_set(e, ERR_HTTP, "%s%shttp response status equal to %d%s%s", quoted,
            quoted[0] != '\0' ? ": " : "", answer->status, reason[0] != '\0' ? " " : "", reason);
    e->detail = answer->status;
    e->retry_after_s = answer->retry_after_s;
    return -1;
}

/* One exchange. *out holds the answer if there is one, whatever its status. */
static int attempt(const struct http_env *env, const struct http_call *call, int64_t left_ms,
                   struct http_response *out, struct err *e)
{
    struct http_request request = call->request;
    const int64_t start_ms = clock_now_ms(env->clk);

    request.timeout_ms = left_ms < env->exchange_ms ? left_ms : env->exchange_ms;
    int rc = http_perform(env->client, &request, out, e);
    const int64_t took_ms = clock_now_ms(env->clk) - start_ms;
    if (rc == 0) {
        metrics_add(env->metrics, "skr_upstream_connections_total", 1, call->service,
                    out->is_reused ? "reused" : "new", NULL);
        log_debug("%s answered status %d in %lld ms", call->service, out->status,
                  (long long)took_ms);
        if (out->status < 200 || out->status > 299)
            rc = refuse_status(call, out, e);
    } else {
        log_debug("%s gave no answer (%s) in %lld ms", call->service, err_code_name(e->code),
                  (long long)took_ms);
    }
    metrics_add(env->metrics, "skr_upstream_requests_total", 1, call->service,
                rc == 0 ? "ok" : result_name(e), NULL);
    return rc;
}

int http_call(const struct http_env *env, const struct http_call *call, struct http_response *out,
              struct err *e)
{
    struct retry retry = { .kind = call->retry };

    for (;;) {
        CLEANUP(http_response_done) struct http_response answer = { 0 };
        int64_t pause_ms = 0;
        int64_t left_ms = call->deadline_ms - clock_now_ms(env->clk);

        if (left_ms <= 0)
            return err_set(e, ERR_TIMEOUT, "no time is left to ask the service");
        const int rc = attempt(env, call, left_ms, &answer, e);
        left_ms = call->deadline_ms - clock_now_ms(env->clk);
        if (rc != 0 && retry_again(&retry, e, left_ms, random_u32(), &pause_ms)) {
            metrics_add(env->metrics, "skr_retries_total", 1, call->service, result_name(e), NULL);
            clock_sleep_ms(env->clk, pause_ms);
            continue;
        }
        if (rc == 0 || e->code == ERR_HTTP) {
            *out = answer;
            answer = (struct http_response){ 0 };
        }
        return rc;
    }
}
