#include "skr/service.h"

#include "azure/maa.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/b64.h"
#include "skr/session_store.h"

#include <stdlib.h>

#define DEVICE_WAIT_MS 2000
#define KEYS_AHEAD     4

/* The group's policy is only looked at, as the original does: a caller must hear early that the
 * group was set up wrongly. */
static int check_policy(const struct uvm_info *uvm, struct err *e)
{
    CLEANUP(buf_done) struct buf policy = { 0 };

    if (uvm->policy_b64 == NULL || b64_decode(span_str(uvm->policy_b64), &policy, e) == 0)
        return 0;
    return err_wrap(e, "decoding policy from Base64 format failed");
}

static int decode_reference(struct service *s, struct err *e)
{
    const char *b64 = s->parts.uvm.reference_b64;

    if (b64 == NULL || b64_decode(span_str(b64), &s->reference, e) == 0)
        return 0;
    return err_wrap(e, "decoding UVM reference info from Base64 format failed");
}

int service_new(const struct service_parts *parts, struct service **out, struct err *e)
{
    struct service *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return err_nomem(e);
    s->parts = *parts;
    s->allow = (struct endpoint_allow){ .maa = parts->config->allow_maa,
                                        .akv = parts->config->allow_akv,
                                        .kids = parts->config->allow_kids,
                                        .insecure_dev = parts->insecure_dev };
    if (check_policy(&parts->uvm, &s->uvm_error) != 0 || decode_reference(s, &s->uvm_error) != 0)
        log_warning("%s", s->uvm_error.msg);
    if (user_agent_init(&s->user_agent, parts->config->user_agent, parts->identity, parts->env->clk,
                        e) != 0) {
        free(s);
        return -1;
    }
    if (readiness_init(&s->readiness, parts->device, parts->certs, parts->env->clk, parts->any_tcb,
                       e) != 0) {
        user_agent_done(&s->user_agent);
        free(s);
        return -1;
    }
    if (key_pool_new(KEYS_AHEAD, parts->env->metrics, &s->keys, e) != 0 ||
        session_store_new(&parts->config->session, s, &s->sessions, e) != 0) {
        key_pool_free(s->keys);
        readiness_done(&s->readiness);
        user_agent_done(&s->user_agent);
        free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    http_client_stop(s->parts.env->client); /* these two end what the threads below may wait for */
    device_thread_stop(s->parts.device);
    session_store_free(s->sessions);
    key_pool_free(s->keys);
    readiness_done(&s->readiness);
    user_agent_done(&s->user_agent);
    identity_free(s->parts.identity);
    device_thread_close(s->parts.device, DEVICE_WAIT_MS);
    cert_store_free(s->parts.certs);
    http_client_close(s->parts.env->client);
    uvm_info_done(&s->parts.uvm);
    buf_done(&s->reference);
    free(s);
}

void service_observe(const struct service *s, enum stage stage, int64_t start_ms)
{
    const double ms = (double)(clock_now_ms(s->parts.env->clk) - start_ms);

    metrics_observe(s->parts.env->metrics, "skr_stage_seconds", ms / 1000, stage_name(stage), NULL,
                    NULL);
}

static int check_uvm(struct service *s, struct failure *f)
{
    if (s->uvm_error.code == ERR_NONE)
        return 0;
    f->err = s->uvm_error;
    return failure_set(f, STAGE_REPORT, 500, "uvm_invalid");
}

/* Tells who needs to know which TCB is in force. */
static void note_tcb(struct service *s, uint64_t reported_tcb)
{
    readiness_note_tcb(&s->readiness, reported_tcb);
    session_store_check_tcb(s->sessions);
}

bool service_has_tcb(struct service *s, uint64_t reported_tcb)
{
    CLEANUP(cert_chain_releasep) struct cert_chain *chain = cert_store_current(s->parts.certs);

    return readiness_has_tcb(&s->readiness, reported_tcb) &&
           (chain == NULL || chain->tcb == reported_tcb);
}

static void count_report(struct service *s, bool ok)
{
    metrics_add(s->parts.env->metrics, "skr_reports_total", 1, ok ? "ok" : "failed", NULL, NULL);
}

int service_report(struct service *s, struct span data, int64_t deadline_ms,
                   uint8_t out_report[static SNP_REPORT_SIZE], struct failure *f)
{
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    struct snp_report report;
    const int64_t start = clock_now_ms(s->parts.env->clk);

    if (check_uvm(s, f) != 0)
        return -1;
    if (snp_report_data(data, report_data, &f->err) != 0 ||
        device_thread_fetch(s->parts.device, report_data, deadline_ms, out_report, &f->err) != 0 ||
        snp_report_parse(span_of(out_report, SNP_REPORT_SIZE), &report, &f->err) != 0) {
        count_report(s, false);
        err_wrap(&f->err, "fetching the attestation report failed");
        return failure_at(f, STAGE_REPORT);
    }
    count_report(s, true);
    service_observe(s, STAGE_REPORT, start);
    note_tcb(s, report.reported_tcb);
    return 0;
}

int service_evidence(struct service *s, struct span data, int64_t deadline_ms, struct evidence *out,
                     struct failure *f)
{
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    struct evidence_state state = { 0 };
    const int64_t start = clock_now_ms(s->parts.env->clk);

    if (check_uvm(s, f) != 0)
        return -1;
    int rc = snp_report_data(data, report_data, &f->err);
    if (rc == 0)
        rc = evidence_collect(s->parts.device, s->parts.certs, report_data, deadline_ms, out,
                              &state, &f->err);
    if (state.has_report)
        note_tcb(s, state.reported_tcb);
    count_report(s, rc == 0 || state.part == EVIDENCE_CERTS);
    if (rc != 0) {
        const bool certs = state.part == EVIDENCE_CERTS;
        err_wrap(&f->err, certs ? "fetching the processor's certificates failed"
                                : "fetching the attestation report failed");
        return failure_at(f, certs ? STAGE_CERTS : STAGE_REPORT);
    }
    service_observe(s, STAGE_REPORT, start);
    return 0;
}

static int attest(struct service *s, const struct endpoint *maa, struct span data,
                  int64_t deadline_ms, char **out_token, uint64_t *out_tcb, struct failure *f)
{
    CLEANUP(evidence_done) struct evidence ev = { .chain = NULL };
    char agent[USER_AGENT_SIZE];

    roots_load_ahead(s->parts.roots); /* while the processor makes its report */
    if (service_evidence(s, data, deadline_ms, &ev, f) != 0)
        return -1;
    user_agent_copy(&s->user_agent, agent);
    const struct maa_evidence body = { .report = span_of(ev.report, sizeof(ev.report)),
                                       /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                                       .cert_chain = span_str(ev.chain->pem),
                                       .uvm_reference = buf_span(&s->reference),
                                       .runtime_data = data };
    const int64_t start = clock_now_ms(s->parts.env->clk);
    if (maa_attest(s->parts.env, maa, agent, &body, deadline_ms, out_token, &f->err) != 0)
        return failure_at(f, STAGE_ATTEST);
    service_observe(s, STAGE_ATTEST, start);
    *out_tcb = ev.chain->tcb;
    return 0;
}

int service_attest_at(struct service *s, const struct endpoint *maa, struct span data,
                      int64_t deadline_ms, char **out_token, uint64_t *out_tcb, struct failure *f)
{
    if (attest(s, maa, data, deadline_ms, out_token, out_tcb, f) != 0)
        return err_wrap(&f->err, "attestation failed");
    return 0;
}

int service_attest(struct service *s, const char *maa_endpoint, struct span data,
                   int64_t deadline_ms, char **out_token, struct failure *f)
{
    struct endpoint maa;
    uint64_t tcb = 0;

    if (endpoint_parse(ENDPOINT_MAA, maa_endpoint, &s->allow, &maa, &f->err) != 0) {
        err_wrap(&f->err, "maa_endpoint");
        return failure_at(f, STAGE_REQUEST);
    }
    if (json_check(data, &f->err) != 0) {
        err_wrap(&f->err, "the runtime data is not JSON, which the attestation service requires");
        return failure_set(f, STAGE_REQUEST, 400, "invalid_request");
    }
    if (service_attest_at(s, &maa, data, deadline_ms, out_token, &tcb, f) == 0)
        return 0;
    session_store_drop_endpoint(s->sessions, &maa, "attestation_failed");
    return -1;
}

const char *service_reference_b64(const struct service *s)
{
    return s->parts.uvm.reference_b64 != NULL ? s->parts.uvm.reference_b64 : "";
}

bool service_is_ready(struct service *s, struct err *reason)
{
    return readiness_is_ready(&s->readiness, reason);
}
