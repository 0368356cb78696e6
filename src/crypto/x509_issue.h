/* Writing certificates, for the local cloud's own authorities: TLS, vaults, and AMD-shaped ones. */
#ifndef CRYPTO_X509_ISSUE_H
#define CRYPTO_X509_ISSUE_H

#include "crypto/signer.h"
#include "crypto/x509.h"

/* keyUsage bits, as RFC 5280 §4.2.1.3 numbers them. */
#define X509_USE_DIGITAL_SIGNATURE (1U << 0)
#define X509_USE_KEY_ENCIPHERMENT  (1U << 2)
#define X509_USE_KEY_CERT_SIGN     (1U << 5)
#define X509_USE_CRL_SIGN          (1U << 6)

enum x509_signature {
    X509_SIGN_SHA256,     /* PKCS#1 v1.5 under an RSA issuer, ECDSA under an EC one */
    X509_SIGN_SHA384,     /* likewise */
    X509_SIGN_PSS_SHA384, /* RSASSA-PSS, MGF1-SHA-384, salt 48: what AMD uses */
};

struct x509_name_part {
    const char *type; /* "CN", "O", "OU", "C", "L", "ST" */
    const char *value;
};

struct x509_raw_extension {
    const char *oid;     /* dotted */
    struct span content; /* what extnValue wraps; need not be DER */
    bool critical;
};

/* Everything is borrowed. Zero members are left out of the certificate. */
struct x509_description {
    const struct x509_name_part *subject; /* in this order */
    size_t n_subject;
    uint64_t serial;
    int64_t not_before, not_after; /* Unix seconds */
    const struct signer *key;      /* whose public half is certified */

    const struct x509_cert *issuer; /* both NULL: self-signed by key */
    const struct signer *issuer_key;
    enum x509_signature signature;

    bool ca; /* basicConstraints CA, critical */
    bool limit_path;
    unsigned path_len;  /* counts when limit_path */
    unsigned key_usage; /* X509_USE_…, critical */
    bool server_auth;   /* extendedKeyUsage serverAuth */
    bool key_ids;       /* subjectKeyIdentifier, and authorityKeyIdentifier unless self-signed */
    const char *const *dns_names; /* subjectAltName; IP addresses become iPAddress */
    size_t n_dns_names;
    const struct x509_raw_extension *extensions; /* last, in this order */
    size_t n_extensions;
};

/* Fails: ERR_ARG for what cannot be expressed (type of name, OID, PSS under an EC key, an issuer
 * without its key), ERR_NOMEM. */
MUST_CHECK int x509_issue(const struct x509_description *d, struct x509_cert **out, struct err *e);

/* The certificate as PEM; appends. Its DER is x509_cert_der(). */
MUST_CHECK int x509_issue_write_pem(const struct x509_cert *c, struct buf *out, struct err *e);

#endif
