/* What the attestation service says about a guest: the payload of its token. Pure. */
#ifndef SIM_SIM_MAA_CLAIMS_H
#define SIM_SIM_MAA_CLAIMS_H

#include "attest/snp_report.h"
#include "sim/sim_maa_request.h"

#define MAA_TOKEN_LIFE_S (8 * 3600)

struct maa_claims {
    const char *issuer; /* without a final slash */
    const char *jti;
    int64_t now;
    const struct maa_request *request;
    const struct snp_report *report;
};

/* Appends the payload: compact, all members in ordinal order (protocols.md §1.7), runtime and
 * init-time data as they were sent but for blanks. */
MUST_CHECK int maa_claims_format(const struct maa_claims *c, struct buf *out, struct err *e);

#endif
