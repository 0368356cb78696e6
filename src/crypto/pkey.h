/* Inside crypto/ only: the OpenSSL objects below our types. Borrowed, as long as their owner. */
#ifndef CRYPTO_PKEY_H
#define CRYPTO_PKEY_H

#include "crypto/rsa.h"
#include "crypto/signer.h"
#include "crypto/x509.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

EVP_PKEY *rsa_key_pkey(const struct rsa_key *k);
EVP_PKEY *signer_pkey(const struct signer *k);
X509 *x509_cert_x509(const struct x509_cert *c);

/* Takes over one reference of c, also on failure. Fails: ERR_NOMEM. */
MUST_CHECK int x509_cert_wrap(X509 *c, struct x509_cert **out, struct err *e);

/* Loads the roots when nobody has yet; fails as roots_load(). */
MUST_CHECK int roots_store(struct roots *r, X509_STORE **out, struct err *e);

/* Ends a failed OpenSSL call: empties the thread's error queue and puts its first reason behind
 * the text. Returns -1. */
int pkey_fail(struct err *e, enum err_code code, const char *what);

#endif
