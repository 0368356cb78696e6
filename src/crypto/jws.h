/* JSON Web Signatures in compact form (RFC 7515), as vaults and attestation services write them. */
#ifndef CRYPTO_JWS_H
#define CRYPTO_JWS_H

#include "codec/json.h"
#include "crypto/signer_cache.h"

/*
 * Checks a vault's signed answer and hands out its payload.
 *
 * The signer is x5c[0]: its RSA key (2048 bits or more) must verify the signature under the
 * header's alg, one of RS256, RS384, RS512, PS256, PS384, PS512; its chain must lead to a trusted
 * root and be valid for the host now, which signers judge. x5t#S256, where present, must be that of
 * the signer. "crit" and "b64" are refused, as is a header with a member twice.
 *
 * Fails: ERR_PARSE (form), ERR_CHECK (signature, chain, name, algorithm).
 */
MUST_CHECK int jws_open_x5c(struct span compact, struct signer_cache *signers, const char *host,
                            int64_t unix_s, json_t **out_payload, struct err *e);

/* Three parts of base64url of which the first two are JSON objects; nothing is verified.
 * out_header and out_payload may be NULL. Fails: ERR_PARSE. */
MUST_CHECK int jws_peek(struct span compact, json_t **out_header, json_t **out_payload,
                        struct err *e);

#endif
