/*
 * Why a request failed, as its caller hears of it: HTTP status, stable code, stage, and whether
 * trying again makes sense. The classification is a pure table over the error and where it came
 * from (contract.md §2.7).
 */
#ifndef SKR_FAILURE_H
#define SKR_FAILURE_H

#include "azure/akv.h"

enum stage {
    STAGE_REQUEST,
    STAGE_REPORT,
    STAGE_CERTS,
    STAGE_ATTEST,
    STAGE_TOKEN,
    STAGE_RELEASE,
    STAGE_UNWRAP,
    N_STAGES
};

struct failure {
    struct err err; /* code and text; what lower floors filled in */
    enum stage stage;
    int status;          /* HTTP */
    const char *code;    /* static */
    int upstream_status; /* of the service that answered, or 0 */
    bool retryable;
    int retry_after_s; /* -1: none */
    const char *hint;  /* static, or NULL */
    json_t *explain;   /* owned, or NULL */
};

void failure_done(struct failure *f);

const char *stage_name(enum stage s);

/* Classifies f->err, which happened at this stage. Returns -1, so that a failure is one line. */
int failure_at(struct failure *f, enum stage stage);
/* The same for a vault's refusal; AKV_NOT_REFUSED: as failure_at(f, STAGE_RELEASE). */
int failure_refused(struct failure *f, enum akv_refusal refusal);
/* With a code of its own: f->err says why. */
int failure_set(struct failure *f, enum stage stage, int status, const char *code);

#endif
