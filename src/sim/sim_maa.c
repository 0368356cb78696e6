/*
 * The attestation service: takes evidence, has it judged by the project's own verifier, and issues
 * RS256 tokens that say what the report said. Each host is a provider of its own with a signing key
 * for each generation; the state only counts generations, and the keys of the last few stay
 * published, so that tokens outlive a rotation as they do in the cloud.
 */
#include "sim/sim_maa.h"

#include "attest/verify.h"
#include "base/random.h"
#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "crypto/jws_sign.h"
#include "sim/pki.h"
#include "sim/sim_maa_claims.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ATTEST_PATH    "/attest/SevSnpVm"
#define KID_SIZE       48
#define REPORT_DATA_AT 0x50

struct sim_maa {
    struct amd_roots roots; /* fixed at the start, so no lock */
};

int sim_maa_new(struct sim *sim, struct sim_maa **out, struct err *e)
{
    struct sim_maa *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return err_nomem(e);
    if (amd_roots_add_pem(&x->roots, pki_ark(sim->pki), e) != 0 ||
        (sim->config->amd_roots_builtin && amd_roots_add_builtin(&x->roots, e) != 0)) {
        sim_maa_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

void sim_maa_free(struct sim_maa *x)
{
    if (x == NULL)
        return;
    amd_roots_done(&x->roots);
    free(x);
}

/* -- keys ------------------------------------------------------------------------------------- */

struct maa_key {
    const struct pki_identity *id;
    char kid[KID_SIZE]; /* standard base64 of the SHA-256 of the public key */
};

static int load_key(struct sim *sim, const char *host, unsigned generation, struct maa_key *out,
                    struct err *e)
{
    CLEANUP(str_freep) char *name = NULL;
    CLEANUP(buf_done) struct buf kid = { 0 };
    uint8_t hash[SHA256_SIZE];

    if ((generation == 0 ? str_dup(host, &name, e)
                         : str_printf(&name, e, "g%u.%s", generation, host)) != 0 ||
        pki_identity(sim->pki, PKI_SELF, name, &out->id, e) != 0 ||
        digest_sha256(x509_cert_spki(out->id->cert), hash, e) != 0 ||
        b64_encode(span_of(hash, sizeof(hash)), B64_STD, &kid, e) != 0)
        return -1;
    memcpy(out->kid, kid.p, kid.n);
    out->kid[kid.n] = '\0';
    return 0;
}

/* The published keys of a provider, the one in use first. */
static int load_keys(struct sim *sim, const char *host, struct maa_key out[MAA_KEYS_PUBLISHED],
                     size_t *out_n, struct err *e)
{
    const unsigned current = sim_state(sim).maa_key_generation;
    size_t n = 0;

    for (; n < MAA_KEYS_PUBLISHED && n <= current; n++)
        if (load_key(sim, host, current - (unsigned)n, &out[n], e) != 0)
            return -1;
    *out_n = n;
    return 0;
}

int sim_maa_find_key(struct sim *sim, const char *issuer, const char *kid,
                     const struct signer **out, struct err *e)
{
    struct maa_key keys[MAA_KEYS_PUBLISHED];
    char host[SIM_HOST_SIZE];
    size_t n = 0;

    if (!str_starts_with(issuer, "https://"))
        return err_set(e, ERR_NET, "the issuer is no https URL");
    sim_host_of(issuer + strlen("https://"), host);
    if (!names_match(sim->config->names, NAMES_MAA, host))
        return err_set(e, ERR_NET, "the issuer is no attestation service of this cloud");
    if (load_keys(sim, host, keys, &n, e) != 0)
        return -1;
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].kid, kid) == 0)
            *out = keys[i].id->key;
    return 0;
}

/* -- answers ---------------------------------------------------------------------------------- */

static int refuse(struct sim_reply *out, int status, const char *code, const char *message,
                  struct err *e)
{
    sim_reply_verdict(out, "%s", message);
    if (sim_reply_header(out, "x-ms-error-code", code, e) != 0)
        return -1;
    return sim_reply_json(
        out, status, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message), e);
}

static int refuse_method(struct sim_reply *out, const char *allowed, struct err *e)
{
    if (sim_reply_header(out, "Allow", allowed, e) != 0)
        return -1;
    return refuse(out, 405, "MethodNotAllowed", "The method is not allowed here.", e);
}

static int base64_of(const struct x509_cert *cert, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (b64_encode(x509_cert_der(cert), B64_STD, &text, e) != 0)
        return -1;
    *out = json_stringn((const char *)text.p, text.n);
    return *out != NULL ? 0 : err_nomem(e);
}

static int serve_certs(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                       struct err *e)
{
    CLEANUP(json_freep) json_t *list = json_array();
    struct maa_key keys[MAA_KEYS_PUBLISHED];
    size_t n = 0;

    if (load_keys(sim, req->host, keys, &n, e) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        json_t *cert = NULL;
        if (base64_of(keys[i].id->cert, &cert, e) != 0)
            return -1;
        json_t *key = json_pack("{s:[o], s:s, s:s}", "x5c", cert, "kid", keys[i].kid, "kty", "RSA");
        if (json_array_append_new(list, key) != 0)
            return err_nomem(e);
    }
    sim_reply_verdict(out, "%zu signing keys", n);
    return sim_reply_json(out, 200, json_pack("{s:O}", "keys", list), e);
}

static int serve_openid(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    CLEANUP(str_freep) char *issuer = NULL;
    CLEANUP(str_freep) char *certs = NULL;
    CLEANUP(str_freep) char *revoke = NULL;

    if (str_printf(&issuer, e, "https://%s", req->authority) != 0 ||
        str_printf(&certs, e, "%s/certs", issuer) != 0 ||
        str_printf(&revoke, e, "%s/revoke", issuer) != 0)
        return -1;
    sim_reply_verdict(out, "metadata");
    return sim_reply_json(
        out, 200,
        json_pack("{s:s, s:s, s:[s,s], s:[s], s:s, s:[s,s,s,s,s,s,s,s,s]}", "issuer", issuer,
                  "jwks_uri", certs, "response_types_supported", "token", "none",
                  "id_token_signing_alg_values_supported", "RS256", "revocation_endpoint", revoke,
                  "claims_supported", "is-debuggable", "sgx-mrsigner", "sgx-mrenclave",
                  "product-id", "svn", "tee", "device_id", "component_0_id", "expected_components"),
        e);
}

/* -- attestation ------------------------------------------------------------------------------ */

/* What the report must be bound to; a NULL pointer means nothing is. */
struct bindings {
    uint8_t report_data_bytes[SNP_REPORT_DATA_SIZE], host_data_bytes[SHA256_SIZE];
    const uint8_t *report_data, *host_data;
};

static int bindings_of(const struct maa_request *r, struct bindings *b, struct err *e)
{
    if (r->runtime.type != MAA_DATA_NONE) {
        if (snp_report_data(buf_span(&r->runtime.bytes), b->report_data_bytes, e) != 0)
            return -1;
        b->report_data = b->report_data_bytes;
    }
    if (r->init_time.type != MAA_DATA_NONE) {
        if (digest_sha256(buf_span(&r->init_time.bytes), b->host_data_bytes, e) != 0)
            return -1;
        b->host_data = b->host_data_bytes;
    }
    return 0;
}

/* The report that the configuration accepts as it is, with other REPORT_DATA perhaps. */
static bool is_accepted_report(const struct sim *sim, struct span report)
{
    const struct span wanted = buf_span(&sim->config->accept_report);
    const size_t end = REPORT_DATA_AT + SNP_REPORT_DATA_SIZE;

    return wanted.n == SNP_REPORT_SIZE && report.n == SNP_REPORT_SIZE &&
           span_equal(span_of(report.p, REPORT_DATA_AT), span_of(wanted.p, REPORT_DATA_AT)) &&
           span_equal(span_of(report.p + end, SNP_REPORT_SIZE - end),
                      span_of(wanted.p + end, SNP_REPORT_SIZE - end));
}

static int judge_accepted(struct span report, const struct bindings *b, struct err *e)
{
    struct snp_report r;

    if (snp_report_parse(report, &r, e) != 0)
        return -1;
    if (b->report_data != NULL && !span_equal(span_of(r.report_data, SNP_REPORT_DATA_SIZE),
                                              span_of(b->report_data, SNP_REPORT_DATA_SIZE)))
        return err_set(e, ERR_CHECK,
                       "SHA256 hash of runtimeData doesn't match reportData "
                       "(report_data: of a report that is accepted unsigned)");
    if (b->host_data != NULL && !span_equal(span_of(r.host_data, SNP_HOST_DATA_SIZE),
                                            span_of(b->host_data, SNP_HOST_DATA_SIZE)))
        return err_set(e, ERR_CHECK,
                       "SHA256 hash of initTimeData doesn't match hostData "
                       "(host_data: of a report that is accepted unsigned)");
    return 0;
}

/* The sentence that a failed check is refused with; the first row whose text starts the code. */
static const char *sentence_of(const char *code)
{
    static const struct {
        const char *prefix, *text;
    } sentences[] = {
        { "signature", "Sev-Snp Report signature verification failed" },
        { "chain", "Vcek certificate chain is invalid" },
        { "root", "Vcek certificate chain is invalid" },
        { "cert", "Vcek certificate chain is invalid" },
        { "tcb", "Vcek certificate is not of the report's TCB" },
        { "hwid", "Vcek certificate is not of the report's chip" },
        { "report_data", "SHA256 hash of runtimeData doesn't match reportData" },
        { "host_data", "SHA256 hash of initTimeData doesn't match hostData" },
    };

    for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
        if (str_starts_with(code, sentences[i].prefix))
            return sentences[i].text;
    return "Sev-Snp evidence is invalid";
}

/* Fails: ERR_CHECK or ERR_PARSE with the sentence for the client. */
static int judge(struct sim *sim, const struct maa_request *r, struct err *e)
{
    const struct span report = buf_span(&r->report);
    struct verify_findings findings = { 0 };
    struct bindings b = { 0 };

    if (bindings_of(r, &b, e) != 0)
        return -1;
    if (is_accepted_report(sim, report))
        return judge_accepted(report, &b, e);

    const struct verify_input in = {
        .report = report,
        .chain_pem = buf_span(&r->chain_pem),
        .roots = &sim->maa->roots,
        .unix_s = sim_now_s(sim),
        .report_data = b.report_data,
        .host_data = b.host_data,
    };
    verify_evidence(&in, &findings);
    const struct verify_check *failed = verify_first_failure(&findings);
    if (failed == NULL)
        return 0;
    return err_set(e, ERR_CHECK, "%s (%s: %s)", sentence_of(failed->code), failed->code,
                   failed->detail);
}

static int format_header(const char *issuer, const char *kid, struct buf *out, struct err *e)
{
    CLEANUP(str_freep) char *jku = NULL;

    if (str_printf(&jku, e, "%s/certs", issuer) != 0)
        return -1;
    CLEANUP(json_freep)
    json_t *header =
        json_pack("{s:s, s:s, s:s, s:s}", "alg", "RS256", "jku", jku, "kid", kid, "typ", "JWT");
    return header == NULL ? err_nomem(e) : json_format(header, false, out, e);
}

static int issue_token(struct sim *sim, const struct sim_request *req, const struct maa_request *r,
                       struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf header = { 0 };
    CLEANUP(buf_done) struct buf payload = { 0 };
    CLEANUP(str_freep) char *issuer = NULL;
    uint8_t id[32];
    char jti[2 * sizeof(id) + 1];
    struct snp_report report;
    struct maa_key key;

    random_fill(id, sizeof(id));
    hex_format(id, sizeof(id), jti);
    if (snp_report_parse(buf_span(&r->report), &report, e) != 0 ||
        str_printf(&issuer, e, "https://%s", req->authority) != 0 ||
        load_key(sim, req->host, sim_state(sim).maa_key_generation, &key, e) != 0)
        return -1;
    const struct maa_claims claims = {
        .issuer = issuer, .jti = jti, .now = sim_now_s(sim), .request = r, .report = &report
    };
    if (format_header(issuer, key.kid, &header, e) != 0 ||
        maa_claims_format(&claims, &payload, e) != 0)
        return -1;
    return jws_sign(key.id->key, buf_span(&header), buf_span(&payload), out, e);
}

static bool is_api_version(const char *v)
{
    static const char *const known[] = { "2020-10-01", "2022-08-01", "2022-09-01-preview",
                                         "2025-06-01" };

    for (size_t i = 0; v != NULL && i < ARRAY_LEN(known); i++)
        if (strcmp(known[i], v) == 0)
            return true;
    return false;
}

/* An error that is the client's becomes the answer. */
static int refuse_evidence(struct sim_reply *out, struct err *e)
{
    CLEANUP(str_freep) char *message = NULL;

    if (e->code != ERR_PARSE && e->code != ERR_CHECK)
        return -1;
    if (str_dup(e->msg, &message, e) != 0)
        return -1;
    return refuse(out, 400, "InvalidParameter", message, e);
}

static int serve_attest(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf token = { 0 };
    CLEANUP(str_freep) char *version = NULL;
    size_t n = 0;

    if (sim_request_query(req, "api-version", &version, &n, e) != 0)
        return refuse_evidence(out, e);
    if (!is_api_version(version))
        return refuse(out, 400, "InvalidParameter",
                      version == NULL ? "The api-version is missing."
                                      : "The api-version is not supported.",
                      e);
    if (maa_request_parse(req->body, &r, e) != 0 || judge(sim, &r, e) != 0)
        return refuse_evidence(out, e);
    if (issue_token(sim, req, &r, &token, e) != 0)
        return -1;
    sim_reply_verdict(out, "attested");
    return sim_reply_json(out, 200, json_pack("{s:s%}", "token", (const char *)token.p, token.n),
                          e);
}

/* -- routes ----------------------------------------------------------------------------------- */

static const struct route {
    const char *path, *op, *method;
    int (*serve)(struct sim *, const struct sim_request *, struct sim_reply *, struct err *);
} ROUTES[] = {
    { ATTEST_PATH, "attest", "POST", serve_attest },
    { "/certs", "certs", "GET", serve_certs },
    { "/.well-known/openid-configuration", "openid-configuration", "GET", serve_openid },
};

static const struct route *route_of(const struct sim_request *req)
{
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++)
        if (strcasecmp(ROUTES[i].path, req->path) == 0)
            return &ROUTES[i];
    return NULL;
}

const char *sim_maa_op(const struct sim_request *req)
{
    const struct route *r = route_of(req);

    return r == NULL ? "other" : r->op;
}

int sim_maa_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                   struct err *e)
{
    const struct route *r = route_of(req);

    if (r == NULL)
        return refuse(out, 404, "NotFound", "There is nothing at this path.", e);
    if (strcmp(r->method, req->method) != 0)
        return refuse_method(out, r->method, e);
    return r->serve(sim, req, out, e);
}
