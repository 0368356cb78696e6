/*
 * JSON Web Keys (RFC 7517, 7518) as callers of the key release see them: members sorted by name,
 * no blanks, base64url without padding.
 */
#ifndef CRYPTO_JWK_H
#define CRYPTO_JWK_H

#include "codec/json.h"
#include "crypto/rsa.h"

/* RFC 7638 SHA-256 thumbprint of an RSA public key, base64url; the caller's. */
MUST_CHECK int jwk_thumbprint(const struct rsa_key *k, char **out, struct err *e);

/* The runtime data of a release, this exact serialisation; appends:
 * {"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"<thumbprint>","kty":"RSA","n":"…"}]} */
MUST_CHECK int jwk_set_format(const struct rsa_key *k, struct buf *out, struct err *e);

enum jwk_kty { JWK_OCT, JWK_RSA, JWK_EC };

/*
 * Released key material as a JWK object with its private members.
 *
 * material   oct: the raw bytes, not empty; RSA, EC: PKCS#8 DER (RFC 5208) and nothing behind it
 * peer       the public members that came with it ("n" and "e", or "crv", "x" and "y"), or NULL;
 *            those present must be those of the key (leading zeros do not count)
 * key_ops    a JSON array that is copied in, or NULL
 * out        the caller's; integers without leading zeros, EC members of the curve's width
 *
 * Fails: ERR_CHECK for another type of key, an unknown curve, numbers that do not belong together
 * (RSA: n = pq, d, dp, dq, qi; EC: the point is d's), or public members of another key; ERR_PARSE.
 */
MUST_CHECK int jwk_from_material(enum jwk_kty kty, struct span material, const json_t *peer,
                                 const json_t *key_ops, json_t **out, struct err *e);

/*
 * The key pair in an RSA JWK with all its private members, to decrypt with a released key.
 *
 * Fails: ERR_CHECK (another "kty", numbers that do not belong together), ERR_PARSE.
 */
MUST_CHECK int jwk_to_rsa(const json_t *jwk, struct rsa_key **out, struct err *e);

#endif
