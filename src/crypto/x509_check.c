/*
 * The three judgements about certificates: a TLS-like chain up to the machine's roots, AMD's
 * signature on AMD's certificates, and a processor's signature on a report. OpenSSL computes; what
 * may be left to a certificate's own choice, and what may not, is decided here.
 */
#include "crypto/x509.h"

#include "crypto/pkey.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <string.h>

#define PSS_SALT     48
#define MAX_HOST     253
#define SECURITY_112 2 /* OpenSSL's level: RSA of 2048 bits, no SHA-1 */

static void store_ctx_freep(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(*c);
}

static void stack_freep(STACK_OF(X509) * *s)
{
    sk_X509_free(*s);
}

/* What the leaf must be: a TLS server of this name (or address) at this time. */
static int set_expectations(X509_VERIFY_PARAM *param, const char *host, int64_t unix_s,
                            struct err *e)
{
    const size_t n = strnlen(host, MAX_HOST + 1);

    /* OpenSSL takes an empty name for "any", a leading dot for "every name below", and a wildcard
     * for itself. */
    if (n == 0 || n > MAX_HOST || host[0] == '.' || strchr(host, '*') != NULL)
        return err_set(e, ERR_CHECK, "no certificate is checked for such a host name");
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1) {
        ERR_clear_error();
        if (X509_VERIFY_PARAM_set1_host(param, host, n) != 1)
            return err_nomem(e);
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set_time(param, unix_s);
    X509_VERIFY_PARAM_set_depth(param, X509_MAX_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_112);
    return 0;
}

/* The earliest notAfter of the path that was found. */
static int read_expiry(X509_STORE_CTX *ctx, int64_t *out, struct err *e)
{
    const STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
    int64_t first = INT64_MAX;

    for (int i = 0; i < sk_X509_num(path); i++) {
        int64_t until;

        if (!x509_read_time(X509_get0_notAfter(sk_X509_value(path, i)), &until))
            return err_set(e, ERR_CHECK, "certificate %d of the path has no time of expiry", i + 1);
        first = until < first ? until : first;
    }
    *out = first;
    return 0;
}

int x509_check_server_chain(const struct x509_list *chain, struct roots *roots, const char *host,
                            int64_t unix_s, int64_t *out_until_s, struct err *e)
{
    X509_STORE *store;

    if (chain->n == 0)
        return err_set(e, ERR_CHECK, "the certificate chain is empty");
    if (roots_store(roots, &store, e) != 0)
        return -1;
    CLEANUP(store_ctx_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CLEANUP(stack_freep) STACK_OF(X509) *untrusted = sk_X509_new_reserve(NULL, X509_MAX_CHAIN);
    if (ctx == NULL || untrusted == NULL)
        return err_nomem(e);
    for (size_t i = 1; i < chain->n; i++)
        if (sk_X509_push(untrusted, x509_cert_x509(chain->certs[i])) == 0)
            return err_nomem(e);

    if (X509_STORE_CTX_init(ctx, store, x509_cert_x509(chain->certs[0]), untrusted) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) != 1)
        return pkey_fail(e, ERR_NOMEM, "preparing the check of a chain failed");
    if (set_expectations(X509_STORE_CTX_get0_param(ctx), host, unix_s, e) != 0)
        return -1;
    if (X509_verify_cert(ctx) == 1)
        return out_until_s == NULL ? 0 : read_expiry(ctx, out_until_s, e);
    ERR_clear_error();
    const int reason = X509_STORE_CTX_get_error(ctx);
    return err_set(e, ERR_CHECK, "the certificate chain is not trusted for %s: %s (certificate %d)",
                   host, X509_verify_cert_error_string(reason),
                   X509_STORE_CTX_get_error_depth(ctx) + 1);
}

static void pss_freep(RSA_PSS_PARAMS **p)
{
    RSA_PSS_PARAMS_free(*p);
}

/* The algorithm is this hash, with no parameters or NULL ones (RFC 4055 §2.1). */
static bool is_hash(const X509_ALGOR *alg, int nid)
{
    const ASN1_OBJECT *oid;
    int param_type;

    if (alg == NULL)
        return false;
    X509_ALGOR_get0(&oid, &param_type, NULL, alg);
    return OBJ_obj2nid(oid) == nid && (param_type == V_ASN1_UNDEF || param_type == V_ASN1_NULL);
}

static bool is_mgf1_sha384(const X509_ALGOR *alg)
{
    const ASN1_OBJECT *oid;
    const void *param;
    int param_type;

    if (alg == NULL)
        return false;
    X509_ALGOR_get0(&oid, &param_type, &param, alg);
    if (OBJ_obj2nid(oid) != NID_mgf1 || param_type != V_ASN1_SEQUENCE)
        return false;
    const ASN1_STRING *text = param;
    const uint8_t *p = ASN1_STRING_get0_data(text);
    X509_ALGOR *hash = d2i_X509_ALGOR(NULL, &p, ASN1_STRING_length(text));
    const bool result = is_hash(hash, NID_sha384);
    X509_ALGOR_free(hash);
    return result;
}

/*
 * Reads the parameters as they are written: in RSASSA-PSS-params an absent member means SHA-1 or
 * a salt of 20, so absent is wrong here. Only trailerField has a default that is right, and AMD's
 * older certificates spell it out nevertheless.
 */
static bool is_pss_sha384(const X509_ALGOR *alg)
{
    const ASN1_OBJECT *oid;
    const void *param;
    int param_type;

    X509_ALGOR_get0(&oid, &param_type, &param, alg);
    if (OBJ_obj2nid(oid) != NID_rsassaPss || param_type != V_ASN1_SEQUENCE)
        return false;
    const ASN1_STRING *text = param;
    const uint8_t *p = ASN1_STRING_get0_data(text);
    CLEANUP(pss_freep) RSA_PSS_PARAMS *pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(text));
    return pss != NULL && p == ASN1_STRING_get0_data(text) + ASN1_STRING_length(text) &&
           is_hash(pss->hashAlgorithm, NID_sha384) && is_mgf1_sha384(pss->maskGenAlgorithm) &&
           pss->saltLength != NULL && ASN1_INTEGER_get(pss->saltLength) == PSS_SALT &&
           (pss->trailerField == NULL || ASN1_INTEGER_get(pss->trailerField) == 1);
}

bool x509_is_pss_sha384(const struct x509_cert *c)
{
    const X509_ALGOR *alg;

    X509_get0_signature(NULL, &alg, x509_cert_x509(c));
    const bool is_exact = is_pss_sha384(alg);
    ERR_clear_error();
    return is_exact;
}

int x509_check_pss_sha384(const struct x509_cert *c, const struct x509_cert *issuer, struct err *e)
{
    EVP_PKEY *key = X509_get0_pubkey(x509_cert_x509(issuer));

    if (!x509_is_pss_sha384(c))
        return err_set(e, ERR_CHECK, "the certificate is not signed with RSASSA-PSS of SHA-384");
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        return err_set(e, ERR_CHECK, "the issuer of the certificate has no RSA key");
    /* This also compares the algorithm outside the signed part with the one inside. */
    if (X509_verify(x509_cert_x509(c), key) != 1)
        return pkey_fail(e, ERR_CHECK, "the certificate is not signed by its issuer's key");
    return 0;
}

bool x509_has_p384_key(const struct x509_cert *c)
{
    const EVP_PKEY *key = X509_get0_pubkey(x509_cert_x509(c));

    return key != NULL && pkey_curve(key) == &pkey_curves[SIGNER_P384];
}

static void sig_freep(ECDSA_SIG **s)
{
    ECDSA_SIG_free(*s);
}

/* The DER form of a signature whose numbers are both in 1..n-1. */
static int encode_p384(const uint8_t r[static 48], const uint8_t s[static 48], uint8_t **out_der,
                       size_t *out_n, struct err *e)
{
    CLEANUP(sig_freep) ECDSA_SIG *sig = ECDSA_SIG_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    BIGNUM *br = BN_bin2bn(r, 48, NULL), *bs = BN_bin2bn(s, 48, NULL);
    const bool made = sig != NULL && group != NULL && br != NULL && bs != NULL;
    const BIGNUM *order = made ? EC_GROUP_get0_order(group) : NULL;
    const bool in_range = made && !BN_is_zero(br) && !BN_is_zero(bs) && BN_cmp(br, order) < 0 &&
                          BN_cmp(bs, order) < 0;

    EC_GROUP_free(group);
    if (!in_range) {
        BN_free(br);
        BN_free(bs);
        return made ? err_set(e, ERR_CHECK, "r or s of the signature is out of range")
                    : err_nomem(e);
    }
    ECDSA_SIG_set0(sig, br, bs);
    const int n = i2d_ECDSA_SIG(sig, out_der);
    if (n < 0)
        return err_nomem(e);
    *out_n = (size_t)n;
    return 0;
}

int x509_check_ecdsa_p384(const struct x509_cert *c, struct span data, const uint8_t r[static 48],
                          const uint8_t s[static 48], struct err *e)
{
    CLEANUP(pkey_der_freep) uint8_t *der = NULL;
    size_t n = 0;

    if (!x509_has_p384_key(c))
        return err_set(e, ERR_CHECK, "the certificate has no P-384 key");
    if (encode_p384(r, s, &der, &n, e) != 0)
        return -1;
    CLEANUP(pkey_md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md == NULL || EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL,
                                           X509_get0_pubkey(x509_cert_x509(c))) != 1)
        return pkey_fail(e, ERR_NOMEM, "checking a signature failed");
    if (EVP_DigestVerify(md, der, n, data.p, data.n) != 1)
        return pkey_fail(e, ERR_CHECK, "the signature is not of the certificate's key");
    return 0;
}
