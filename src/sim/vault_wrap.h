/* Wrapping of released keys: RSA-OAEP of a fresh AES-256 key, then the material under AES-KWP. */
#ifndef SIM_VAULT_WRAP_H
#define SIM_VAULT_WRAP_H

#include "crypto/jwk.h"
#include "sim/vault_attack.h"

struct vault_enc {
    const char *name;
    enum digest_alg hash;
};

/* By the name that requests carry; NULL or "" is CKM_RSA_AES_KEY_WRAP. NULL when unknown. */
const struct vault_enc *vault_enc_find(const char *name);

/* Appends the ciphertext (protocols.md §2.7), or what the attack makes of it. */
MUST_CHECK int vault_wrap(const struct rsa_key *key, const struct vault_enc *enc, enum jwk_kty kty,
                          struct span material, enum vault_attack attack, struct buf *out,
                          struct err *e);

#endif
