/* The simulated attestation service (MAA). */
#ifndef SIM_SIM_MAA_H
#define SIM_SIM_MAA_H

#include "crypto/signer.h"
#include "sim/sim.h"

MUST_CHECK int sim_maa_new(struct sim *sim, struct sim_maa **out, struct err *e);
void sim_maa_free(struct sim_maa *x);

const char *sim_maa_op(const struct sim_request *req);
MUST_CHECK int sim_maa_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                              struct err *e);

/*
 * The key that an issuer of tokens publishes under kid, as its OpenID metadata would lead to it;
 * keys stay published for MAA_KEYS_PUBLISHED rotations. *out is borrowed for the life of the pki,
 * NULL when the issuer has no such key.
 * Fails: ERR_NET when nobody serves this issuer here.
 */
MUST_CHECK int sim_maa_find_key(struct sim *sim, const char *issuer, const char *kid,
                                const struct signer **out, struct err *e);

#define MAA_KEYS_PUBLISHED 4

#endif
