/*
 * The processor's certificates with the TCB that they are for: one immutable object, counted,
 * so that a chain is never paired with another chain's TCB.
 */
#ifndef ATTEST_CERT_CHAIN_H
#define ATTEST_CERT_CHAIN_H

#include "azure/thim.h"

struct cert_chain {
    char *pem;  /* VCEK, ASK, ARK, as delivered: vcekCert followed by certificateChain */
    char *tcbm; /* as delivered */
    uint64_t tcb;
    int64_t fetched_s; /* Unix time */
    unsigned n_refs;   /* use the functions */
};

/* Takes over what is in certs (left empty). The new object has one reference. */
MUST_CHECK int cert_chain_new(struct thim_certs *certs, int64_t now_s, struct cert_chain **out,
                              struct err *e);
struct cert_chain *cert_chain_acquire(struct cert_chain *c);
void cert_chain_release(struct cert_chain *c); /* NULL is fine */
void cert_chain_releasep(struct cert_chain **c);

#endif
