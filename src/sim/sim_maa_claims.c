/*
 * The payload is written as text, member by member in ordinal order, because what the guest said of
 * itself is quoted as it was sent: a JSON value would lose big numbers and the spelling of others.
 * x-ms-compliance-status and x-ms-sevsnpvm-uvm-endorsement are left out, which is how the service
 * speaks about a guest whose utility VM nobody endorsed.
 */
#include "sim/sim_maa_claims.h"

#include "codec/b64.h"
#include "codec/hex.h"
#include "sim/json_text.h"

#include <inttypes.h>

/* The hash of the service's default policy, as published tokens carry it. */
#define POLICY_HASH "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco"

#define FAMILY_TURIN 0x1a

static int add_name(struct buf *out, const char *name, struct err *e)
{
    return buf_printf(out, e, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
}

static int add_number(struct buf *out, const char *name, int64_t value, struct err *e)
{
    return add_name(out, name, e) != 0 ? -1 : buf_printf(out, e, "%" PRId64, value);
}

static int add_bool(struct buf *out, const char *name, bool value, struct err *e)
{
    return add_name(out, name, e) != 0 ? -1 : buf_add_str(out, value ? "true" : "false", e);
}

static int add_string(struct buf *out, const char *name, const char *value, struct err *e)
{
    CLEANUP(json_freep) json_t *text = json_string(value);

    if (text == NULL)
        return err_nomem(e);
    return add_name(out, name, e) != 0 ? -1 : json_format(text, false, out, e);
}

static int add_hex(struct buf *out, const char *name, const uint8_t *p, size_t n, struct err *e)
{
    if (add_name(out, name, e) != 0 || buf_add_str(out, "\"", e) != 0 ||
        hex_encode(span_of(p, n), out, e) != 0)
        return -1;
    return buf_add_str(out, "\"", e);
}

static int add_json(struct buf *out, const char *name, const struct maa_data *data, struct err *e)
{
    if (data->type != MAA_DATA_JSON)
        return 0;
    return add_name(out, name, e) != 0 ? -1 : json_text_compact(buf_span(&data->bytes), out, e);
}

static int add_binary(struct buf *out, const char *name, const struct maa_data *data, struct err *e)
{
    if (data->type != MAA_DATA_BINARY)
        return 0;
    if (add_name(out, name, e) != 0 || buf_add_str(out, "\"", e) != 0 ||
        b64_encode(buf_span(&data->bytes), B64_URL, out, e) != 0)
        return -1;
    return buf_add_str(out, "\"", e);
}

/* Security patch levels, whatever their place in the TCB of the product. */
struct svns {
    uint8_t boot_loader, tee, snp, microcode;
};

static struct svns svns_of(const struct snp_report *r)
{
    const unsigned shift[2][3] = { { 0, 8, 48 }, { 8, 16, 24 } };
    const unsigned *s = shift[r->cpuid_family == FAMILY_TURIN];

    return (struct svns){
        .boot_loader = (uint8_t)(r->reported_tcb >> s[0]),
        .tee = (uint8_t)(r->reported_tcb >> s[1]),
        .snp = (uint8_t)(r->reported_tcb >> s[2]),
        .microcode = (uint8_t)(r->reported_tcb >> 56),
    };
}

#define BYTES(field) (field), sizeof(field)

static int add_report(const struct snp_report *r, struct buf *out, struct err *e)
{
    const struct svns svn = svns_of(r);
    const bool debug = (r->policy & SNP_POLICY_DEBUG) != 0;
    const bool migrate = (r->policy & SNP_POLICY_MIGRATE_MA) != 0;
    const bool smt = (r->policy & SNP_POLICY_SMT) != 0;

    if (add_hex(out, "x-ms-sevsnpvm-authorkeydigest", BYTES(r->author_key_digest), e) != 0 ||
        add_number(out, "x-ms-sevsnpvm-bootloader-svn", svn.boot_loader, e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-familyId", BYTES(r->family_id), e) != 0 ||
        add_number(out, "x-ms-sevsnpvm-guestsvn", r->guest_svn, e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-hostdata", BYTES(r->host_data), e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-idkeydigest", BYTES(r->id_key_digest), e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-imageId", BYTES(r->image_id), e) != 0 ||
        add_bool(out, "x-ms-sevsnpvm-is-debuggable", debug, e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-launchmeasurement", BYTES(r->measurement), e) != 0 ||
        add_number(out, "x-ms-sevsnpvm-microcode-svn", svn.microcode, e) != 0 ||
        add_bool(out, "x-ms-sevsnpvm-migration-allowed", migrate, e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-reportdata", BYTES(r->report_data), e) != 0 ||
        add_hex(out, "x-ms-sevsnpvm-reportid", BYTES(r->report_id), e) != 0 ||
        add_bool(out, "x-ms-sevsnpvm-smt-allowed", smt, e) != 0 ||
        add_number(out, "x-ms-sevsnpvm-snpfw-svn", svn.snp, e) != 0 ||
        add_number(out, "x-ms-sevsnpvm-tee-svn", svn.tee, e) != 0)
        return -1;
    return add_number(out, "x-ms-sevsnpvm-vmpl", r->vmpl, e);
}

int maa_claims_format(const struct maa_claims *c, struct buf *out, struct err *e)
{
    const struct maa_request *r = c->request;

    if (buf_add_str(out, "{", e) != 0 ||
        add_number(out, "exp", c->now + MAA_TOKEN_LIFE_S, e) != 0 ||
        add_number(out, "iat", c->now, e) != 0 || add_string(out, "iss", c->issuer, e) != 0 ||
        add_string(out, "jti", c->jti, e) != 0 || add_number(out, "nbf", c->now, e) != 0)
        return -1;
    if (r->nonce != NULL && add_string(out, "nonce", r->nonce, e) != 0)
        return -1;
    if (add_string(out, "x-ms-attestation-type", "sevsnpvm", e) != 0 ||
        add_json(out, "x-ms-inittime", &r->init_time, e) != 0 ||
        add_binary(out, "x-ms-maa-ehd", &r->runtime, e) != 0 ||
        add_string(out, "x-ms-policy-hash", POLICY_HASH, e) != 0 ||
        add_json(out, "x-ms-runtime", &r->runtime, e) != 0 || add_report(c->report, out, e) != 0 ||
        add_string(out, "x-ms-ver", "1.0", e) != 0)
        return -1;
    return buf_add_str(out, "}", e);
}
