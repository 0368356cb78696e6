/*
 * Judges a report and its certificates. Pure: no I/O, no clock, no global state.
 * Every check has a stable code (docs/verification.md); all checks are reported, not only the
 * first that failed, but a binding is never reported as passed when the signature is not good.
 */
#ifndef ATTEST_VERIFY_H
#define ATTEST_VERIFY_H

#include "attest/amd_roots.h"
#include "attest/snp_report.h"

enum verify_result { VERIFY_PASS, VERIFY_FAIL, VERIFY_NOT_CHECKED };

struct verify_check {
    const char *code; /* static: "size", "version", "signature_algo", "chain", "root", "tcb", … */
    enum verify_result result;
    char detail[192]; /* a sentence for people */
};

#define VERIFY_MAX_CHECKS 48

struct verify_findings {
    struct verify_check checks[VERIFY_MAX_CHECKS];
    size_t n;
};

struct verify_input {
    struct span report;    /* raw bytes of any length */
    struct span chain_pem; /* VCEK, ASK, ARK */
    const struct amd_roots *roots;
    int64_t unix_s;             /* the time that certificates must be valid at */
    const uint8_t *report_data; /* SNP_REPORT_DATA_SIZE expected bytes, or NULL: not checked */
    const uint8_t *host_data;   /* SNP_HOST_DATA_SIZE expected bytes, or NULL: not checked */
};

void verify_evidence(const struct verify_input *in, struct verify_findings *out);

/* No check failed. */
bool verify_is_accepted(const struct verify_findings *f);

/* The first failed check, or NULL. */
const struct verify_check *verify_first_failure(const struct verify_findings *f);

#endif
