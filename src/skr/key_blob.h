/* What a vault's signed answer carries: the key, wrapped to the key of the attestation. */
#ifndef SKR_KEY_BLOB_H
#define SKR_KEY_BLOB_H

#include "azure/endpoint.h"
#include "crypto/jwk.h"

/* The answer's own fields, checked before anything is decrypted. */
struct key_blob {
    enum jwk_kty kty;
    enum digest_alg oaep;  /* of request.enc */
    const json_t *peer;    /* response.key.key, borrowed from the payload */
    const json_t *key_ops; /* borrowed, or NULL */
    struct buf ciphertext; /* RSA-OAEP block, then AES-KWP */
};

void key_blob_done(struct key_blob *b);

/*
 * payload       of a JWS that was verified
 * vault, key    what was asked for: the answer must name the same key
 * wrapping_kid  thumbprint of the wrapping key; where key_hsm names one, it must be this
 * Fails: ERR_CHECK (another key), ERR_PARSE (form: unknown enc or kty, base64, missing members).
 */
MUST_CHECK int key_blob_parse(const json_t *payload, const struct endpoint *vault,
                              const struct key_ref *key, const char *wrapping_kid,
                              struct key_blob *out, struct err *e);

/* Decrypts and checks the material. Fails: ERR_CHECK, ERR_PARSE, ERR_NOMEM. */
MUST_CHECK int key_blob_unwrap(const struct key_blob *b, const struct rsa_key *wrapping,
                               json_t **out_jwk, struct err *e);

#endif
