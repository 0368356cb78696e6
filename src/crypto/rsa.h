/*
 * RSA keys: making them, and OAEP. Keys are made by nettle, whose generator costs a quarter of
 * OpenSSL 3.0's, and used through OpenSSL.
 */
#ifndef CRYPTO_RSA_H
#define CRYPTO_RSA_H

#include "crypto/digest.h"

#define RSA_WRAP_BITS 2048

struct rsa_key; /* a key pair, or only its public half */

/* A new key pair with e = 65537. Blocks for tens of milliseconds of CPU. Fails: ERR_NOMEM,
 * ERR_CHECK. */
MUST_CHECK int rsa_generate(unsigned bits, struct rsa_key **out, struct err *e);

/* The public key of a PEM file: SubjectPublicKeyInfo, PKCS#1 or a certificate. Fails: ERR_PARSE. */
MUST_CHECK int rsa_public_from_pem(struct span pem, struct rsa_key **out, struct err *e);

/* From the big-endian numbers of a JWK. Fails: ERR_PARSE for sizes outside 2048..8192 bits. */
MUST_CHECK int rsa_public_from_numbers(struct span n, struct span exponent, struct rsa_key **out,
                                       struct err *e);

/* A key pair of 1024 to 16384 bits, as rsa_numbers_check() wants it. Fails as that does. */
struct rsa_numbers;
MUST_CHECK int rsa_private_from_numbers(const struct rsa_numbers *numbers, struct rsa_key **out,
                                        struct err *e);
void rsa_key_free(struct rsa_key *k);
void rsa_key_freep(struct rsa_key **k);

size_t rsa_key_size(const struct rsa_key *k); /* of the modulus, in bytes */
/* Big-endian, without leading zeros; append. */
MUST_CHECK int rsa_key_modulus(const struct rsa_key *k, struct buf *out, struct err *e);
MUST_CHECK int rsa_key_exponent(const struct rsa_key *k, struct buf *out, struct err *e);

/* RSAES-OAEP (RFC 8017 §7.1) with MGF1 of the same hash and an empty label; append.
 * Fail: ERR_CHECK (too long, or does not decrypt: one message for all reasons). */
MUST_CHECK int rsa_oaep_encrypt(const struct rsa_key *k, enum digest_alg hash, struct span in,
                                struct buf *out, struct err *e);
MUST_CHECK int rsa_oaep_decrypt(const struct rsa_key *k, enum digest_alg hash, struct span in,
                                struct buf *out, struct err *e);

#endif
