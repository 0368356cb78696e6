/* The attestation token of a release ("target"): is it good, and which key does it bring? */
#ifndef SIM_VAULT_TARGET_H
#define SIM_VAULT_TARGET_H

#include "crypto/rsa.h"
#include "sim/sim.h"

#define VAULT_CLOCK_TOLERANCE_S 300

struct vault_target {
    json_t *claims;
    struct rsa_key *wrap_key; /* public */
    char *wrap_kid;
};

void vault_target_done(struct vault_target *t);

/*
 * Verifies a token as a vault does (protocols.md §2.8.1): RS256 under a key that its issuer
 * publishes, exp and nbf with five minutes of tolerance, and the first suitable RSA key of the
 * top-level x-ms-runtime.
 * Fails: ERR_NET (the issuer cannot be reached), ERR_PARSE or ERR_CHECK (the statement cannot be
 * verified; the message says why), others when the simulator failed.
 */
MUST_CHECK int vault_target_verify(struct sim *sim, const char *token, struct vault_target *out,
                                   struct err *e);

/* The key to wrap to. Pure. Fails: ERR_CHECK when the claims bring none that is suitable. */
MUST_CHECK int vault_target_wrap_key(const json_t *claims, struct rsa_key **out, char **out_kid,
                                     struct err *e);

#endif
