#include "server/health.h"

#include "base/log.h"
#include "server/reply.h"
#include "server/skr_routes.h"

static bool is_ready(const struct skr_routes *r, struct err *reason)
{
    const bool ready = service_is_ready(r->service, reason);

    metrics_set(r->metrics, "skr_ready", ready, NULL, NULL, NULL);
    return ready;
}

/* The status code stays 200: deployed probes look at nothing else. */
void health_status(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    struct err reason;

    (void)req;
    reply_text(out, is_ready(ctx, &reason) ? "{\"message\":\"Status OK\"}"
                                           : "{\"message\":\"Status NOT OK\"}");
}

void health_livez(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    (void)ctx;
    (void)req;
    reply_json(out, 200, json_pack("{s:b}", "live", 1));
}

void health_readyz(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    struct err reason;

    (void)req;
    if (is_ready(ctx, &reason)) {
        reply_json(out, 200, json_pack("{s:b,s:[]}", "ready", 1, "reasons"));
        return;
    }
    reply_json(out, 503, json_pack("{s:b,s:[s]}", "ready", 0, "reasons", reason.msg));
    out->retry_after_s = 1;
}

void health_metrics(void *ctx, const struct httpd_request *req, struct httpd_response *out)
{
    const struct skr_routes *r = ctx;
    CLEANUP(cert_chain_releasep)
    struct cert_chain *chain = cert_store_current(r->service->parts.certs);
    struct err e;

    is_ready(r, &e);
    if (chain != NULL)
        metrics_set(r->metrics, "skr_cert_fetched_seconds", (double)chain->fetched_s, NULL, NULL,
                    NULL);
    out->status = 200;
    out->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (metrics_format(r->metrics, &out->body, &e) == 0)
        return;
    buf_done(&out->body);
    struct failure f = { .err = e };
    failure_set(&f, STAGE_REQUEST, 500, "internal");
    reply_failure(out, req, &f);
}
