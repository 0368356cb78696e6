/* Inside crypto/ only: the OpenSSL objects below our types. Borrowed, as long as their owner. */
#ifndef CRYPTO_PKEY_H
#define CRYPTO_PKEY_H

#include "crypto/jws_memory.h"
#include "crypto/rsa.h"
#include "crypto/signer.h"
#include "crypto/signer_cache.h"
#include "crypto/x509.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

EVP_PKEY *rsa_key_pkey(const struct rsa_key *k);
EVP_PKEY *signer_pkey(const struct signer *k);
X509 *x509_cert_x509(const struct x509_cert *c);

/* Seconds since 1970; false for what is no time. */
bool x509_read_time(const ASN1_TIME *t, int64_t *out);

/* A key from outside: of a kind and size that we use, and its numbers belong together. Takes the
 * key over, on success only. Fails: ERR_PARSE, ERR_CHECK. */
MUST_CHECK int signer_accept(EVP_PKEY **key, struct signer **out, struct err *e);

/* ECDSA over data: out is r and s, big-endian, of width bytes each, the width of k's curve. */
MUST_CHECK int signer_ecdsa(const struct signer *k, const EVP_MD *hash, struct span data,
                            size_t width, uint8_t *out, struct err *e);

/* Loads the roots when nobody has yet; fails as roots_load(). */
MUST_CHECK int roots_store(struct roots *r, X509_STORE **out, struct err *e);

/* The headers of answers that these signers signed; borrowed. */
struct jws_memory *signer_cache_headers(struct signer_cache *c);

/* The named curves that we use, by enum signer_curve. */
struct pkey_curve {
    const char *name; /* as NIST and JOSE call it; OpenSSL understands it */
    const char *openssl_name;
    size_t width; /* of a coordinate, in bytes */
};
extern const struct pkey_curve pkey_curves[3];

/* The curve of an EC key; NULL for other curves and other keys. */
const struct pkey_curve *pkey_curve(const EVP_PKEY *k);

/* Ends a failed OpenSSL call: takes the thread's error queue, whose last reason goes behind the
 * text. ERR_NOMEM when that is the reason, else code. Returns -1. */
int pkey_fail(struct err *e, enum err_code code, const char *what);

/* For CLEANUP. */
void pkey_freep(EVP_PKEY **k);
void pkey_md_freep(EVP_MD_CTX **c);
void pkey_bio_freep(BIO **b);
void pkey_bn_freep(BIGNUM **n);   /* wipes */
void pkey_der_freep(uint8_t **p); /* what i2d_…() and BN_…() allocated */

#endif
