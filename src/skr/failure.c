#include "skr/failure.h"

#include <string.h>

#define DEFAULT_RETRY_AFTER_S 1

void failure_done(struct failure *f)
{
    json_decref(f->explain);
    *f = (struct failure){ 0 };
}

const char *stage_name(enum stage s)
{
    static const char *const names[N_STAGES] = { "request", "report",  "certs", "attest",
                                                 "token",   "release", "unwrap" };

    return names[s];
}

int failure_set(struct failure *f, enum stage stage, int status, const char *code)
{
    f->stage = stage;
    f->status = status;
    f->code = code;
    f->upstream_status = f->err.code == ERR_HTTP ? f->err.detail : 0;
    f->retryable = status == 503 || status == 504 ||
                   (status == 502 && strcmp(code, "upstream_invalid") != 0 &&
                    strcmp(code, "unwrap_failed") != 0);
    f->retry_after_s = -1;
    if (status == 503)
        f->retry_after_s = f->err.code == ERR_HTTP && f->err.retry_after_s >= 0
                               ? f->err.retry_after_s
                               : DEFAULT_RETRY_AFTER_S;
    return -1;
}

/* What an answer with this status from a service means, apart from refusals of that service. */
static int by_status(struct failure *f, enum stage stage)
{
    const int status = f->err.detail;

    if (status == 429)
        return failure_set(f, stage, 503, "throttled");
    if (status == 408)
        return failure_set(f, stage, 504, "timeout");
    return failure_set(f, stage, 502, status >= 500 ? "upstream_failed" : "upstream_invalid");
}

static bool is_denial(enum stage stage, int status)
{
    return stage == STAGE_ATTEST && (status == 400 || status == 401 || status == 403);
}

/* 404, 408, 410 and 429 of the metadata service are passing states, everything else is its no. */
static bool is_token_refusal(enum stage stage, int status)
{
    return stage == STAGE_TOKEN && status >= 400 && status < 500 && status != 404 &&
           status != 408 && status != 410 && status != 429;
}

static int by_service(struct failure *f, enum stage stage)
{
    switch (f->err.code) {
    case ERR_HTTP:
        if (is_denial(stage, f->err.detail))
            return failure_set(f, stage, 403, "attestation_denied");
        if (is_token_refusal(stage, f->err.detail))
            return failure_set(f, stage, 502, "token_refused");
        if (stage == STAGE_TOKEN && (f->err.detail == 404 || f->err.detail == 410))
            return failure_set(f, stage, 502, "upstream_failed");
        return by_status(f, stage);
    case ERR_NET:
        return failure_set(f, stage, 502, "upstream_failed");
    case ERR_TLS:
    case ERR_PARSE:
    case ERR_CHECK:
        return failure_set(f, stage, 502, "upstream_invalid");
    case ERR_TIMEOUT:
        return failure_set(f, stage, 504, "timeout");
    default:
        return failure_set(f, stage, 500, "internal");
    }
}

int failure_at(struct failure *f, enum stage stage)
{
    const enum err_code code = f->err.code;

    if (code == ERR_NOMEM)
        return failure_set(f, stage, 500, "internal");
    switch (stage) {
    case STAGE_REQUEST:
        return failure_set(f, stage, 400,
                           code == ERR_CHECK ? "host_not_allowed" : "invalid_request");
    case STAGE_REPORT:
        if (code == ERR_UNSUPPORTED)
            return failure_set(f, stage, 503, "no_report_source");
        if (code == ERR_TIMEOUT)
            return failure_set(f, stage, 504, "timeout");
        return failure_set(f, stage, 500, "report_failed");
    case STAGE_CERTS:
        if (code == ERR_TIMEOUT)
            return failure_set(f, stage, 504, "timeout");
        return failure_set(f, stage, 503,
                           code == ERR_CHECK ? "tcb_mismatch" : "certificates_unavailable");
    case STAGE_UNWRAP:
        return failure_set(f, stage, 502, "unwrap_failed");
    default:
        return by_service(f, stage);
    }
}

int failure_refused(struct failure *f, enum akv_refusal refusal)
{
    static const char *const codes[] = {
        [AKV_TOKEN] = "access_denied",     [AKV_ACCESS] = "access_denied",
        [AKV_POLICY] = "policy_denied",    [AKV_STATEMENT] = "attestation_denied",
        [AKV_NOT_FOUND] = "key_not_found", [AKV_OTHER] = "release_refused",
    };

    if (refusal == AKV_NOT_REFUSED)
        return failure_at(f, STAGE_RELEASE);
    return failure_set(f, STAGE_RELEASE, 403, codes[refusal]);
}
