/* Inside crypto/ only: the RSA signature algorithms of JOSE (RFC 7518 §3.1). */
#ifndef CRYPTO_JWS_ALG_H
#define CRYPTO_JWS_ALG_H

#include "base/err.h"

#include <openssl/evp.h>

#include <stdbool.h>

struct jws_alg {
    const char *name;
    const EVP_MD *(*hash)(void);
    bool is_pss; /* MGF1 of the same hash, salt as long as it; else PKCS#1 v1.5 */
};

/* RS256, RS384, RS512, PS256, PS384, PS512; NULL for every other name, exact. */
const struct jws_alg *jws_alg_find(const char *name);

/* Puts the algorithm's padding into a context that signs or verifies with its hash. */
MUST_CHECK int jws_alg_set_padding(const struct jws_alg *alg, EVP_PKEY_CTX *ctx, struct err *e);

#endif
