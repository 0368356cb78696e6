/* Certificates: reading them, checking chains, and reading what AMD and the vaults put in them. */
#ifndef CRYPTO_X509_H
#define CRYPTO_X509_H

#include "crypto/roots.h"

struct x509_cert;

#define X509_MAX_CHAIN 8

/* An owned list; {0} is empty. */
struct x509_list {
    struct x509_cert *certs[X509_MAX_CHAIN];
    size_t n;
};

MUST_CHECK int x509_cert_from_der(struct span der, struct x509_cert **out, struct err *e);
void x509_cert_free(struct x509_cert *c);
void x509_cert_freep(struct x509_cert **c);
void x509_list_done(struct x509_list *l);

/* All certificates of a PEM text in their order; text between them is ignored.
 * Fails: ERR_PARSE for none, for a broken one, and for more than X509_MAX_CHAIN. */
MUST_CHECK int x509_list_from_pem(struct span pem, struct x509_list *out, struct err *e);
/* Appends one. */
MUST_CHECK int x509_list_add_der(struct x509_list *l, struct span der, struct err *e);

/*
 * A signer's chain (leaf first, a root at the end or not) up to a trusted root, valid for a TLS
 * server of this host name at this time. Only subjectAltName counts, never the common name.
 * out_until_s, which may be NULL: when the first certificate of that path expires, the root too.
 * Fails: ERR_CHECK.
 */
MUST_CHECK int x509_check_server_chain(const struct x509_list *chain, struct roots *roots,
                                       const char *host, int64_t unix_s, int64_t *out_until_s,
                                       struct err *e);

/* Parts; borrowed spans live as long as the certificate. */
struct span x509_cert_der(const struct x509_cert *c);
struct span x509_cert_spki(const struct x509_cert *c); /* SubjectPublicKeyInfo, DER */
bool x509_is_issuer_name(const struct x509_cert *c, const struct x509_cert *issuer);
bool x509_is_ca(const struct x509_cert *c); /* basicConstraints CA, and keyCertSign if keyUsage */
/* The last second of its time; 0 when that cannot be read. */
int64_t x509_not_after(const struct x509_cert *c);
bool x509_is_valid_at(const struct x509_cert *c, int64_t unix_s);
/* Common name of the subject, UTF-8, into out; empty when there is none, more than one, one with a
 * NUL inside, or one that does not fit. */
void x509_common_name(const struct x509_cert *c, char *out, size_t size);
/* Content of an extension by dotted OID: the bytes inside extnValue. False when it is absent or
 * occurs more than once. */
bool x509_extension(const struct x509_cert *c, const char *oid, struct span *out);

/* c is signed by issuer's key with exactly RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48 (as AMD's
 * certificates are). Names and dates are not looked at. Fails: ERR_CHECK. */
MUST_CHECK int x509_check_pss_sha384(const struct x509_cert *c, const struct x509_cert *issuer,
                                     struct err *e);
/* c names exactly that algorithm; whether the signature is good is not looked at. */
bool x509_is_pss_sha384(const struct x509_cert *c);

/* ECDSA P-384 with SHA-384 over data, r and s big-endian of 48 bytes each, under c's key, which
 * must be a P-384 key. Fails: ERR_CHECK. */
MUST_CHECK int x509_check_ecdsa_p384(const struct x509_cert *c, struct span data,
                                     const uint8_t r[static 48], const uint8_t s[static 48],
                                     struct err *e);
bool x509_has_p384_key(const struct x509_cert *c);

#endif
