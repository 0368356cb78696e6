/* Writing JSON Web Signatures in compact form (RFC 7515), for the local cloud. */
#ifndef CRYPTO_JWS_SIGN_H
#define CRYPTO_JWS_SIGN_H

#include "crypto/signer.h"

/*
 * Signs and appends header.payload.signature in base64url.
 *
 * header   the JSON text as it shall appear, byte for byte; its "alg" says how to sign: RS256,
 *          RS384, RS512, PS256, PS384, PS512 (salt as long as the hash), ES256 or ES384
 * payload  any bytes
 *
 * Fails: ERR_ARG for a header that is no JSON object, an alg not listed or not of this key;
 * ERR_NOMEM.
 */
MUST_CHECK int jws_sign(const struct signer *k, struct span header, struct span payload,
                        struct buf *out, struct err *e);

#endif
