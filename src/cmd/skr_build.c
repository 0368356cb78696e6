#include "cmd/skr_build.h"

#include "base/str.h"
#include "build_id.h"
#include "http/client_curl.h"
#include "skr/skr_metrics.h"

#include <stdlib.h>
#include <string.h>

#define IMDS_URL         "http://169.254.169.254"
#define MISMATCHED_TCB   "ffffffff"
#define DEVICE_SEV_GUEST "/dev/sev-guest"
#define DEVICE_SEV       "/dev/sev"

static int build_source(const struct skr_options *o, const struct config *c,
                        const struct http_env *env, struct device_thread **out, struct err *e)
{
    struct report_source *sources[REPORT_SOURCE_MAX] = { NULL };
    struct report_source *first = NULL;
    size_t n = 0;

    if (c->simulated_psp != NULL && !o->insecure_dev)
        return err_set(e, ERR_ARG,
                       "configuration member \"simulated_psp\" needs the flag -insecure-dev");
    if (c->simulated_psp != NULL) {
        if (source_sim_new(c->simulated_psp, env, &sources[n++], e) != 0)
            return -1;
    } else if (source_sev_guest_new(DEVICE_SEV_GUEST, &sources[n++], e) != 0 ||
               source_sev_new(DEVICE_SEV, &sources[n++], e) != 0) {
        return -1;
    }
    if (source_first_new(sources, n, &first, e) != 0)
        return -1;
    return device_thread_new(first, out, e);
}

static int build_certs(const struct skr_options *o, const struct config *c,
                       const struct http_env *env, struct uvm_info *uvm, struct cert_store **out,
                       struct err *e)
{
    CLEANUP(cert_chain_releasep) struct cert_chain *chain = NULL;

    if (uvm->has_certs && o->any_tcb) {
        str_freep(&uvm->certs.tcbm);
        uvm->certs.tcb = strtoull(MISMATCHED_TCB, NULL, 16);
        if (str_dup(MISMATCHED_TCB, &uvm->certs.tcbm, e) != 0)
            return -1;
    }
    if (uvm->has_certs && cert_chain_new(&uvm->certs, clock_unix_s(env->clk), &chain, e) != 0)
        return -1;
    uvm->has_certs = false;
    return cert_store_new(c->thim_url, env, TAKE(chain), out, e);
}

static int build_identity(const struct config *c, const struct http_env *env, struct identity **out,
                          struct err *e)
{
    const char *imds = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    const struct identity_config ic = {
        .client_id = c->client_id,
        .imds_url = str_is_empty(imds) ? IMDS_URL : imds,
        .workload_client_id = getenv("AZURE_CLIENT_ID"),
        .workload_tenant_id = getenv("AZURE_TENANT_ID"),
        .workload_token_file = getenv("AZURE_FEDERATED_TOKEN_FILE"),
        .authority_host = getenv("AZURE_AUTHORITY_HOST"),
    };

    return identity_new(&ic, env, out, e);
}

static int load_uvm(struct uvm_info *out, struct err *e)
{
    const struct uvm_info_paths paths = {
        .configured = getenv("UVM_SECURITY_CONTEXT_DIR"),
        .root = "/",
        .kata = "/opt/confidential-containers/share/kata-containers",
    };

    return uvm_info_load(&paths, getenv, out, e);
}

static int build_client(struct skr *s, struct service_parts *p, struct err *e)
{
    if (metrics_new(skr_metrics, &s->metrics, e) != 0 ||
        roots_new(getenv("SSL_CERT_FILE"), getenv("SSL_CERT_DIR"), &s->roots, e) != 0 ||
        signer_cache_new(s->roots, &s->signers, e) != 0)
        return -1;
    const struct http_client_curl_config cc = { .connect_timeout_ms = s->config.timeouts.connect_ms,
                                                .roots = s->roots };
    p->roots = s->roots;
    p->signers = s->signers;
    p->env = &s->env;
    stop_clock_init(&s->clock);
    s->env = (struct http_env){ .clk = &s->clock.base,
                                .metrics = s->metrics,
                                .exchange_ms = s->config.timeouts.exchange_ms };
    return http_client_curl_new(&cc, &s->env.client, e);
}

static int add_list(struct buf *line, const char *name, const char *const *list,
                    const char *const *otherwise, struct err *e)
{
    int rc = buf_printf(line, e, ", %s", name);

    for (const char *const *i = list != NULL ? list : otherwise; rc == 0 && *i != NULL; i++)
        rc = buf_printf(line, e, " %s", *i);
    return rc;
}

static void log_start(const struct skr_options *o, const struct skr *s)
{
    const struct config *c = &s->config;
    const struct service_parts *p = &s->service->parts;
    CLEANUP(buf_done) struct buf line = { 0 };
    struct err e;

    if (buf_printf(
            &line, &e,
            "skr %s starts on port %d: report source %s, UVM information from %s, THIM %s, %s",
            BUILD_ID, o->port,
            c->simulated_psp != NULL ? "simulated PSP" : DEVICE_SEV_GUEST " or " DEVICE_SEV,
            p->uvm.origin != NULL ? p->uvm.origin : "nowhere", c->thim_url,
            identity_kind(p->identity)) != 0 ||
        add_list(&line, "allowed MAA hosts", c->allow_maa, endpoint_default_list(ENDPOINT_MAA),
                 &e) != 0 ||
        add_list(&line, "allowed vaults", c->allow_akv, endpoint_default_list(ENDPOINT_AKV), &e) !=
            0 ||
        (c->allow_kids != NULL && add_list(&line, "allowed keys", c->allow_kids, NULL, &e) != 0)) {
        log_warning("the start cannot be described: %s", e.msg);
        return;
    }
    log_info("%.*s", (int)line.n, (const char *)line.p);
}

int skr_build(const struct skr_options *o, struct skr *out, struct err *e)
{
    struct service_parts p = { .config = &out->config,
                               .insecure_dev = o->insecure_dev,
                               .any_tcb = o->any_tcb };

    if (config_load(o->base64, &out->config, e) != 0 || load_uvm(&p.uvm, e) != 0 ||
        build_client(out, &p, e) != 0)
        return -1;
    if (build_source(o, &out->config, p.env, &p.device, e) != 0 ||
        build_certs(o, &out->config, p.env, &p.uvm, &p.certs, e) != 0 ||
        build_identity(&out->config, p.env, &p.identity, e) != 0 ||
        service_new(&p, &out->service, e) != 0)
        return -1;
    metrics_set(out->metrics, "skr_build_info", 1, SKR_VERSION, BUILD_ID, NULL);
    metrics_set(out->metrics, "skr_start_time_seconds", (double)clock_unix_s(out->env.clk), NULL,
                NULL, NULL);
    log_start(o, out);
    return 0;
}

void skr_free(struct skr *s)
{
    stop_clock_stop(&s->clock);
    service_free(s->service);
    stop_clock_done(&s->clock);
    signer_cache_free(s->signers);
    roots_free(s->roots);
    metrics_free(s->metrics);
    config_done(&s->config);
    *s = (struct skr){ 0 };
}
