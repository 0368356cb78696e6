/*
 * Private keys that sign: what the local cloud's authorities, services and security processor
 * hold. The sidecars themselves sign nothing.
 */
#ifndef CRYPTO_SIGNER_H
#define CRYPTO_SIGNER_H

#include "codec/json.h"

#define SIGNER_P384_SIZE 48 /* of r, s, and a coordinate */

enum signer_curve { SIGNER_P256, SIGNER_P384, SIGNER_P521 };

struct signer; /* an RSA or EC key pair; immutable, may be used by several threads at once */

/* New keys. RSA: 2048 to 8192 bits, e = 65537; blocks for 40 ms (2048) to a second (4096) of CPU.
 * Fail: ERR_ARG, ERR_NOMEM. */
MUST_CHECK int signer_new_rsa(unsigned bits, struct signer **out, struct err *e);
MUST_CHECK int signer_new_ec(enum signer_curve curve, struct signer **out, struct err *e);
void signer_free(struct signer *k);
void signer_freep(struct signer **k);

/* Unencrypted PKCS#8 (RFC 5208) in PEM or DER; write appends. The numbers of a key that is read
 * must belong together. Fails: ERR_PARSE (form, type or size of key), ERR_CHECK (numbers). */
MUST_CHECK int signer_from_pem(struct span pem, struct signer **out, struct err *e);
MUST_CHECK int signer_from_der(struct span pkcs8, struct signer **out, struct err *e);
MUST_CHECK int signer_write_pem(const struct signer *k, struct buf *out, struct err *e);
MUST_CHECK int signer_write_der(const struct signer *k, struct buf *out, struct err *e);

/* A private JWK (RFC 7518 §6): RSA with n e d p q dp dq qi, EC of a curve above with x y d; "kty"
 * may end in "-HSM", base64url may be padded, numbers may have leading zeros, as vaults take them.
 * Fails: ERR_PARSE, ERR_CHECK as above. */
MUST_CHECK int signer_from_jwk(const json_t *jwk, struct signer **out, struct err *e);

/* The public JWK, members in this order: {"kty":"RSA","n","e"} or {"kty":"EC","crv","x","y"};
 * the caller adds "kid" and the like. *out is the caller's. */
MUST_CHECK int signer_public_jwk(const struct signer *k, json_t **out, struct err *e);

/* SubjectPublicKeyInfo, DER; appends. */
MUST_CHECK int signer_public_der(const struct signer *k, struct buf *out, struct err *e);

/* ECDSA with SHA-384 over data; big-endian. Fails: ERR_ARG when k is no P-384 key. */
MUST_CHECK int signer_ecdsa_p384(const struct signer *k, struct span data,
                                 uint8_t out_r[static SIGNER_P384_SIZE],
                                 uint8_t out_s[static SIGNER_P384_SIZE], struct err *e);

#endif
