/* Checks that need the report only. */
#include "attest/verify_checks.h"

#define SIGNATURE_ALGO_ECDSA_P384_SHA384 1

#define SIGNATURE_USED     48 /* bytes of R and of S; the other 24 are zero */
#define SIGNATURE_RESERVED 0x330

static bool is_zero(struct span s)
{
    uint8_t all = 0;

    for (size_t i = 0; i < s.n; i++)
        all |= s.p[i];
    return all == 0;
}

enum verify_result verify_size(struct verify_state *s, struct verify_check *out)
{
    struct err e;

    if (snp_report_parse(s->in->report, &s->report, &e) != 0)
        return verify_fail(out, "%s", e.msg);
    return verify_pass(out, "%d bytes", SNP_REPORT_SIZE);
}

enum verify_result verify_version(struct verify_state *s, struct verify_check *out)
{
    if (s->report.version < 2 || s->report.version > 5)
        return verify_fail(out, "report version %u; known are 2 to 5", s->report.version);
    return verify_pass(out, "report version %u", s->report.version);
}

enum verify_result verify_signature_algo(struct verify_state *s, struct verify_check *out)
{
    if (s->report.signature_algo != SIGNATURE_ALGO_ECDSA_P384_SHA384)
        return verify_fail(out, "signature algorithm %u is not ECDSA P-384 with SHA-384",
                           s->report.signature_algo);
    return verify_pass(out, "ECDSA P-384 with SHA-384");
}

enum verify_result verify_signature_padding(struct verify_state *s, struct verify_check *out)
{
    const struct snp_report *r = &s->report;
    const size_t n = sizeof(r->signature_r) - SIGNATURE_USED;

    if (!is_zero(span_of(r->signature_r + SIGNATURE_USED, n)) ||
        !is_zero(span_of(r->signature_s + SIGNATURE_USED, n)))
        return verify_fail(out, "R or S of the signature is longer than 384 bits");
    return verify_pass(out, "R and S have at most 384 bits");
}

enum verify_result verify_signature_reserved(struct verify_state *s, struct verify_check *out)
{
    const uint8_t *p = s->in->report.p + SIGNATURE_RESERVED;

    if (!is_zero(span_of(p, SNP_REPORT_SIZE - SIGNATURE_RESERVED)))
        return verify_fail(out, "reserved bytes behind the signature are not zero");
    return verify_pass(out, "reserved bytes behind the signature are zero");
}

enum verify_result verify_chip_id(struct verify_state *s, struct verify_check *out)
{
    if (is_zero(span_of(s->report.chip_id, sizeof(s->report.chip_id))))
        return verify_fail(out, "CHIP_ID is masked: the report does not say which chip made it");
    return verify_pass(out, "CHIP_ID is not masked");
}

static enum verify_result compare(const char *field, struct span reported, const uint8_t *expected,
                                  struct verify_check *out)
{
    if (expected == NULL)
        return verify_skip(out, "no %s was expected", field);
    if (!span_equal(reported, span_of(expected, reported.n)))
        return verify_fail(out, "%s of the report is not the expected one", field);
    return verify_pass(out, "%s is the expected one", field);
}

enum verify_result verify_report_data(struct verify_state *s, struct verify_check *out)
{
    return compare("REPORT_DATA", span_of(s->report.report_data, sizeof(s->report.report_data)),
                   s->in->report_data, out);
}

enum verify_result verify_host_data(struct verify_state *s, struct verify_check *out)
{
    return compare("HOST_DATA", span_of(s->report.host_data, sizeof(s->report.host_data)),
                   s->in->host_data, out);
}
