/*
 * Who signs the answers of the simulated vaults: for each host a certificate with the names that
 * its product has, under an intermediate of the TLS CA, all in memory. Safe for many threads.
 */
#ifndef SIM_VAULT_SIGNER_H
#define SIM_VAULT_SIGNER_H

#include "sim/pki.h"
#include "sim/vault_attack.h"
#include "sim/vault_policy.h"

struct vault_signers;

/* Everything is borrowed and lives as long as the vault_signers. */
struct vault_signer {
    const struct signer *key;
    const struct x509_cert *chain[3]; /* leaf, intermediate, root */
};

/* Makes no key yet. pki is borrowed. Fails: ERR_NOMEM. */
MUST_CHECK int vault_signers_new(const struct pki *pki, struct vault_signers **out, struct err *e);
void vault_signers_free(struct vault_signers *s);

/* The signer of a host (lower case, no port), or the impostor that an attack asks for: other_root,
 * other_host, alg_es256. now is for the dates of certificates. Fails: ERR_CHECK (too many hosts),
 * ERR_NOMEM. */
MUST_CHECK int vault_signers_get(struct vault_signers *s, enum vault_product product,
                                 const char *host, enum vault_attack attack, int64_t now,
                                 struct vault_signer *out, struct err *e);

/* Signs a payload as the product does and appends the compact JWS, or what the attack makes of
 * it. */
MUST_CHECK int vault_signer_sign(const struct vault_signer *s, enum vault_product product,
                                 enum vault_attack attack, struct span payload, struct buf *out,
                                 struct err *e);

#endif
