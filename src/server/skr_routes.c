#include "server/skr_routes.h"

#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "server/health.h"
#include "server/reply.h"
#include "skr/release.h"

#include <stdio.h>

#define BAD_FORMAT "invalid request format"

/* The members that a request of any route may carry; borrowed from json. */
struct members {
    json_t *json;
    const char *runtime_data, *maa_endpoint, *akv_endpoint, *kid, *access_token;
};

static void members_done(struct members *m)
{
    json_decref(m->json);
    *m = (struct members){ 0 };
}

static int parse_members(struct span body, struct members *out, struct err *e)
{
    const struct {
        const char *name;
        const char **target;
    } table[] = {
        { "runtime_data", &out->runtime_data }, { "maa_endpoint", &out->maa_endpoint },
        { "akv_endpoint", &out->akv_endpoint }, { "kid", &out->kid },
        { "access_token", &out->access_token },
    };

    if (json_parse(body, &out->json, e) != 0)
        return -1;
    if (!json_is_object(out->json))
        return err_set(e, ERR_PARSE, "the request is not a JSON object");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (json_get_string_nocase(out->json, table[i].name, table[i].target, e) != 0)
            return -1;
    return 0;
}

static int require(const char *value, const char *name, struct err *e)
{
    return str_is_empty(value) ? err_set(e, ERR_ARG, "member \"%s\" is missing or empty", name) : 0;
}

static int bad_request(struct failure *f)
{
    return failure_set(f, STAGE_REQUEST, 400, "invalid_request");
}

static int get_data(const struct members *m, struct buf *out, struct failure *f)
{
    if (require(m->runtime_data, "runtime_data", &f->err) != 0) {
        err_wrap(&f->err, BAD_FORMAT);
        return bad_request(f);
    }
    if (b64_decode(span_str(m->runtime_data), out, &f->err) != 0) {
        err_wrap(&f->err, "decoding base64-encoded runtime data of request failed");
        return bad_request(f);
    }
    return 0;
}

static int parse(const struct httpd_request *req, struct members *m, struct failure *f)
{
    if (parse_members(req->body, m, &f->err) == 0)
        return 0;
    err_wrap(&f->err, BAD_FORMAT);
    return bad_request(f);
}

static int reply(struct httpd_response *out, json_t *value, struct failure *f)
{
    if (value == NULL) {
        err_nomem(&f->err);
        return failure_at(f, STAGE_REQUEST);
    }
    reply_json(out, 200, value);
    return 0;
}

static int raw(struct service *s, const struct httpd_request *req, struct httpd_response *out,
               struct failure *f)
{
    CLEANUP(members_done) struct members m = { 0 };
    CLEANUP(buf_done) struct buf data = { 0 };
    uint8_t report[SNP_REPORT_SIZE];
    char hex[2 * SNP_REPORT_SIZE + 1];
    char text[sizeof(hex) + 16];

    if (parse(req, &m, f) != 0 || get_data(&m, &data, f) != 0 ||
        service_report(s, buf_span(&data), req->deadline_ms, report, f) != 0)
        return -1;
    hex_format(report, sizeof(report), hex);
    snprintf(text, sizeof(text), "{\"report\":\"%s\"}", hex);
    reply_text(out, text);
    return 0;
}

static int combined(struct service *s, const struct httpd_request *req, struct httpd_response *out,
                    struct failure *f)
{
    CLEANUP(members_done) struct members m = { 0 };
    CLEANUP(buf_done) struct buf data = { 0 };
    CLEANUP(buf_done) struct buf certs = { 0 };
    CLEANUP(buf_done) struct buf report = { 0 };
    CLEANUP(evidence_done) struct evidence ev = { .chain = NULL };

    if (parse(req, &m, f) != 0 || get_data(&m, &data, f) != 0 ||
        service_evidence(s, buf_span(&data), req->deadline_ms, &ev, f) != 0)
        return -1;
    if (b64_encode(span_str(ev.chain->pem), B64_STD, &certs, &f->err) != 0 ||
        b64_encode(span_of(ev.report, sizeof(ev.report)), B64_STD, &report, &f->err) != 0)
        return failure_at(f, STAGE_REQUEST);
    return reply(out,
                 json_pack("{s:s,s:s%,s:s%,s:s}", "endorsed_tcb", ev.chain->tcbm, "endorsements",
                           (const char *)certs.p, certs.n, "evidence", (const char *)report.p,
                           report.n, "uvm_endorsements", service_reference_b64(s)),
                 f);
}

static int maa(struct service *s, const struct httpd_request *req, struct httpd_response *out,
               struct failure *f)
{
    CLEANUP(members_done) struct members m = { 0 };
    CLEANUP(buf_done) struct buf data = { 0 };
    CLEANUP(str_freep) char *token = NULL;

    if (parse(req, &m, f) != 0)
        return -1;
    if (require(m.maa_endpoint, "maa_endpoint", &f->err) != 0) {
        err_wrap(&f->err, BAD_FORMAT);
        return bad_request(f);
    }
    if (get_data(&m, &data, f) != 0 ||
        service_attest(s, m.maa_endpoint, buf_span(&data), req->deadline_ms, &token, f) != 0)
        return -1;
    return reply(out, json_pack("{s:s}", "token", token), f);
}

static int release(struct service *s, const struct httpd_request *req, struct httpd_response *out,
                   struct failure *f)
{
    CLEANUP(members_done) struct members m = { 0 };
    CLEANUP(str_freep) char *jwk = NULL;

    if (parse(req, &m, f) != 0)
        return -1;
    if (require(m.maa_endpoint, "maa_endpoint", &f->err) != 0 ||
        require(m.akv_endpoint, "akv_endpoint", &f->err) != 0 ||
        require(m.kid, "kid", &f->err) != 0) {
        err_wrap(&f->err, BAD_FORMAT);
        return bad_request(f);
    }
    const struct release_request r = { .maa_endpoint = m.maa_endpoint,
                                       .akv_endpoint = m.akv_endpoint,
                                       .kid = m.kid,
                                       .access_token = m.access_token };
    if (release_key(s, &r, req->deadline_ms, &jwk, f) != 0)
        return -1;
    return reply(out, json_pack("{s:s}", "key", jwk), f);
}

/* One answer or one failure, and the counting of failures. */
static void answer(void *ctx, const struct httpd_request *req, struct httpd_response *out,
                   int (*run)(struct service *s, const struct httpd_request *req,
                              struct httpd_response *out, struct failure *f))
{
    const struct skr_routes *r = ctx;
    CLEANUP(failure_done) struct failure f = { .status = 0 };

    if (run(r->service, req, out, &f) == 0)
        return;
    metrics_add(r->metrics, "skr_failures_total", 1, stage_name(f.stage), f.code, NULL);
    reply_failure(out, req, &f);
}

static void handle_raw(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    answer(ctx, req, out, raw);
}

static void handle_combined(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    answer(ctx, req, out, combined);
}

static void handle_maa(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    answer(ctx, req, out, maa);
}

static void handle_release(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    answer(ctx, req, out, release);
}

const struct httpd_route skr_routes[] = {
    { "GET", "/status", health_status, false },
    { "GET", "/livez", health_livez, false },
    { "GET", "/readyz", health_readyz, false },
    { "GET", "/metrics", health_metrics, false },
    { "POST", "/attest/raw", handle_raw, true },
    { "POST", "/attest/combined", handle_combined, true },
    { "POST", "/attest/maa", handle_maa, true },
    { "POST", "/key/release", handle_release, true },
    { NULL, NULL, NULL, false },
};

void skr_routes_fault(void *ctx, enum httpd_fault fault, const struct httpd_request *req,
                      struct httpd_response *out)
{
    static const struct {
        int status;
        const char *code, *text;
    } faults[] = {
        [HTTPD_NOT_FOUND] = { 404, "not_found", "there is nothing at this path" },
        [HTTPD_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed",
                                       "this path does not take this method" },
        [HTTPD_TOO_LARGE] = { 413, "request_too_large", "the request body is longer than 1 MiB" },
        [HTTPD_BAD_FRAMING] = { 400, "invalid_request",
                                BAD_FORMAT ": the length of the body is ambiguous" },
        [HTTPD_OVERLOADED] = { 503, "overloaded", "too many requests are waiting" },
        [HTTPD_SHUTTING_DOWN] = { 503, "not_ready", "the service is shutting down" },
    };
    const struct skr_routes *r = ctx;
    CLEANUP(failure_done) struct failure f = { .status = 0 };

    err_set(&f.err, ERR_ARG, "%s", faults[fault].text);
    failure_set(&f, STAGE_REQUEST, faults[fault].status, faults[fault].code);
    metrics_add(r->metrics, "skr_failures_total", 1, stage_name(f.stage), f.code, NULL);
    reply_failure(out, req, &f);
}
