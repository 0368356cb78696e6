/* Checks of the processor's certificates, and of the report against them. */
#include "attest/verify_checks.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 64

#define FLAGS_SIGNING_KEY(flags) ((flags) >> 2 & 7)
#define SIGNING_KEY_VCEK         0
#define SIGNING_KEY_VLEK         1
#define SIGNING_KEY_NONE         7

static const char *const roles[VERIFY_N_CERTS] = { "VCEK", "ASK", "ARK" };

enum verify_result verify_certificates(struct verify_state *s, struct verify_check *out)
{
    struct err e;

    if (x509_list_from_pem(s->in->chain_pem, &s->certs, &e) != 0)
        return verify_fail(out, "%s", e.msg);
    if (s->certs.n != VERIFY_N_CERTS)
        return verify_fail(out, "%zu certificates; wanted are VCEK, ASK and ARK", s->certs.n);
    return verify_pass(out, "three certificates");
}

enum verify_result verify_cert_ext(struct verify_state *s, struct verify_check *out)
{
    struct err e;

    if (vek_ext_parse(s->certs.certs[VERIFY_VEK], &s->ext, &e) != 0)
        return verify_fail(out, "extensions of the processor's certificate: %s", e.msg);
    return verify_pass(out, "AMD's extensions are complete");
}

enum verify_result verify_cert_integer(struct verify_state *s, struct verify_check *out)
{
    struct err e;

    if (vek_ext_tcb(&s->ext, s->cert_tcb, &e) != 0)
        return verify_fail(out, "%s", e.msg);
    return verify_pass(out, "every SPL is a number of 0 to 255");
}

/* The common name is prefix followed by the product's name. */
static bool has_name(const struct x509_cert *c, const char *prefix, const char *product)
{
    char is[NAME_SIZE], wanted[NAME_SIZE];

    x509_common_name(c, is, sizeof(is));
    snprintf(wanted, sizeof(wanted), "%s%s", prefix, product);
    return strcmp(is, wanted) == 0;
}

enum verify_result verify_product(struct verify_state *s, struct verify_check *out)
{
    const struct snp_report *r = &s->report;
    const struct snp_product *certified = s->ext.product;

    /* version 2 does not say what made it: the certificate does */
    if (r->version >= 3) {
        const struct snp_product *p = snp_product_by_cpuid(r->cpuid_family, r->cpuid_model);

        if (p == NULL)
            return verify_fail(out, "processor family %02x model %02x is unknown", r->cpuid_family,
                               r->cpuid_model);
        if (p != certified)
            return verify_fail(out, "the report is from a %s, the certificate is for a %s", p->name,
                               certified->name);
    }
    if (!has_name(s->certs.certs[VERIFY_ARK], "ARK-", certified->name))
        return verify_fail(out, "the certificate is for a %s, the ARK for another product",
                           certified->name);
    return verify_pass(out, "%s", certified->name);
}

enum verify_result verify_root(struct verify_state *s, struct verify_check *out)
{
    char name[NAME_SIZE];

    x509_common_name(s->certs.certs[VERIFY_ARK], name, sizeof(name));
    s->root = amd_roots_find(s->in->roots, s->certs.certs[VERIFY_ARK]);
    if (s->root == NULL)
        return verify_fail(out, "the key of \"%s\" is not a trusted root key", name);
    return verify_pass(out, "%s is trusted", name);
}

enum verify_result verify_cert_name(struct verify_state *s, struct verify_check *out)
{
    const struct x509_cert *vek = s->certs.certs[VERIFY_VEK];
    const char *wanted = s->ext.kind == VEK_VCEK ? "SEV-VCEK" : "SEV-VLEK";

    if (!has_name(vek, wanted, ""))
        return verify_fail(out, "the processor's certificate is not named %s", wanted);
    if (!x509_is_issuer_name(vek, s->certs.certs[VERIFY_ASK]))
        return verify_fail(out, "the processor's certificate names another issuer than the ASK");
    return verify_pass(out, "%s, issued in the name of the ASK", wanted);
}

enum verify_result verify_cert_sigalg(struct verify_state *s, struct verify_check *out)
{
    for (size_t i = VERIFY_VEK; i <= VERIFY_ASK; i++)
        if (!x509_is_pss_sha384(s->certs.certs[i]))
            return verify_fail(out, "the %s is not signed with RSASSA-PSS, SHA-384, salt 48",
                               roles[i]);
    return verify_pass(out, "RSASSA-PSS, SHA-384, salt 48");
}

/* Under the pinned root: the delivered ARK only told which one. */
enum verify_result verify_chain(struct verify_state *s, struct verify_check *out)
{
    const struct x509_cert *vek = s->certs.certs[VERIFY_VEK];
    const struct x509_cert *ask = s->certs.certs[VERIFY_ASK];
    const char *ask_prefix = s->ext.kind == VEK_VCEK ? "SEV-" : "SEV-VLEK-";
    struct err e;

    if (!x509_is_ca(s->root) || !x509_is_ca(ask))
        return verify_fail(out, "the %s may not sign certificates",
                           x509_is_ca(ask) ? "ARK" : "ASK");
    if (!has_name(ask, ask_prefix, s->ext.product->name))
        return verify_fail(out, "the second certificate is not named %s%s", ask_prefix,
                           s->ext.product->name);
    if (!x509_is_issuer_name(ask, s->root))
        return verify_fail(out, "the ASK names another issuer than the ARK");
    if (x509_check_pss_sha384(ask, s->root, &e) != 0)
        return verify_fail(out, "the ASK is not signed by the ARK: %s", e.msg);
    if (x509_check_pss_sha384(vek, ask, &e) != 0)
        return verify_fail(out, "the processor's certificate is not signed by the ASK: %s", e.msg);
    return verify_pass(out, "the ARK signed the ASK, the ASK the processor's certificate");
}

enum verify_result verify_cert_time(struct verify_state *s, struct verify_check *out)
{
    for (size_t i = VERIFY_VEK; i <= VERIFY_ASK; i++)
        if (!x509_is_valid_at(s->certs.certs[i], s->in->unix_s))
            return verify_fail(out, "the %s is not valid at the time of this check", roles[i]);
    if (!x509_is_valid_at(s->root, s->in->unix_s))
        return verify_fail(out, "the trusted ARK is not valid at the time of this check");
    return verify_pass(out, "all are valid now");
}

enum verify_result verify_cert_key(struct verify_state *s, struct verify_check *out)
{
    if (!x509_has_p384_key(s->certs.certs[VERIFY_VEK]))
        return verify_fail(out, "the processor's key is not on the curve P-384");
    return verify_pass(out, "a P-384 key");
}

enum verify_result verify_signing_key(struct verify_state *s, struct verify_check *out)
{
    const uint32_t signer = FLAGS_SIGNING_KEY(s->report.flags);

    if (signer == SIGNING_KEY_NONE)
        return verify_fail(out, "the report says that nothing signed it");
    if (signer == SIGNING_KEY_VLEK)
        return verify_fail(out, "the report says that a VLEK signed it; only a VCEK will do");
    if (signer != SIGNING_KEY_VCEK)
        return verify_fail(out, "the report names signing key %u, which is reserved", signer);
    if (s->ext.kind != VEK_VCEK)
        return verify_fail(out, "the report says that a VCEK signed it, the certificate is a VLEK");
    return verify_pass(out, "signed by a VCEK");
}

static void reverse(const uint8_t *little_endian, uint8_t out[static 48])
{
    for (size_t i = 0; i < 48; i++)
        out[i] = little_endian[47 - i];
}

enum verify_result verify_signature(struct verify_state *s, struct verify_check *out)
{
    uint8_t r_be[48], s_be[48];
    struct err e;

    reverse(s->report.signature_r, r_be);
    reverse(s->report.signature_s, s_be);
    if (x509_check_ecdsa_p384(s->certs.certs[VERIFY_VEK],
                              span_of(s->in->report.p, SNP_REPORT_SIGNED_SIZE), r_be, s_be,
                              &e) != 0)
        return verify_fail(out, "the report is not signed by the certificate's key: %s", e.msg);
    return verify_pass(out, "the certificate's key signed the report");
}

enum verify_result verify_tcb(struct verify_state *s, struct verify_check *out)
{
    for (size_t i = 0; i < SNP_TCB_SIZE; i++) {
        const unsigned reported = s->report.reported_tcb >> (8 * i) & 0xff;

        if (s->cert_tcb[i] != reported)
            return verify_fail(out, "%s SPL of the certificate is %u, the report says %u",
                               s->ext.product->tcb[i].name, s->cert_tcb[i], reported);
    }
    return verify_pass(out, "the certificate is for the REPORTED_TCB");
}

enum verify_result verify_hwid(struct verify_state *s, struct verify_check *out)
{
    const size_t n = s->ext.product->hwid_size;
    uint8_t expected[SNP_CHIP_ID_SIZE] = { 0 };

    if (s->ext.kind != VEK_VCEK)
        return verify_skip(out, "a VLEK is not for one chip");
    if (s->ext.hwid.n != n)
        return verify_fail(out, "HWID of the certificate has %zu bytes, not %zu", s->ext.hwid.n, n);
    memcpy(expected, s->ext.hwid.p, n);
    if (!span_equal(span_of(expected, sizeof(expected)),
                    span_of(s->report.chip_id, sizeof(s->report.chip_id))))
        return verify_fail(out, "the certificate is for another chip than the report's CHIP_ID");
    return verify_pass(out, "the certificate is for the chip that made the report");
}
