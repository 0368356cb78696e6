/*
 * Builds a certificate from its description, member by member. What comes out has been parsed
 * again, as anybody else would parse it.
 */
#include "crypto/x509_issue.h"

#include "crypto/pkey.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <string.h>

#define PSS_SALT         48
#define MAX_NAME_VALUE   1024
#define N_KEY_USAGE_BITS 9

static void x509_freep(X509 **x)
{
    X509_free(*x);
}

/* Adds an extension from its OpenSSL structure of type it, which is freed. */
static int add_structure(X509 *x, int nid, void *value, const ASN1_ITEM *it, bool critical,
                         struct err *e)
{
    const int ok =
        value == NULL ? 0 : X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_APPEND);

    ASN1_item_free(value, it);
    return ok == 1 ? 0 : pkey_fail(e, ERR_NOMEM, "adding an extension failed");
}

static int set_subject(X509 *x, const struct x509_description *d, struct err *e)
{
    X509_NAME *name = X509_get_subject_name(x);

    for (size_t i = 0; i < d->n_subject; i++) {
        const struct x509_name_part *part = &d->subject[i];

        if (strnlen(part->value, MAX_NAME_VALUE) == MAX_NAME_VALUE ||
            X509_NAME_add_entry_by_txt(name, part->type, MBSTRING_UTF8,
                                       (const uint8_t *)part->value, -1, -1, 0) != 1) {
            ERR_clear_error();
            return err_set(e, ERR_ARG, "part %zu of the subject, %s, cannot be expressed", i + 1,
                           part->type);
        }
    }
    return 0;
}

static int set_body(X509 *x, const struct x509_description *d, struct err *e)
{
    const X509_NAME *issuer =
        X509_get_subject_name(d->issuer != NULL ? x509_cert_x509(d->issuer) : x);

    if (X509_set_version(x, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), d->serial) != 1 ||
        X509_set_issuer_name(x, issuer) != 1 || X509_set_pubkey(x, signer_pkey(d->key)) != 1)
        return pkey_fail(e, ERR_NOMEM, "making a certificate failed");
    if (ASN1_TIME_set(X509_getm_notBefore(x), d->not_before) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(x), d->not_after) == NULL)
        return pkey_fail(e, ERR_ARG, "the validity of a certificate cannot be expressed");
    return 0;
}

static int add_constraints(X509 *x, const struct x509_description *d, struct err *e)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();

    if (bc != NULL) {
        bc->ca = 0xff;
        if (d->limit_path) {
            bc->pathlen = ASN1_INTEGER_new();
            if (bc->pathlen == NULL || ASN1_INTEGER_set_uint64(bc->pathlen, d->path_len) != 1) {
                BASIC_CONSTRAINTS_free(bc);
                bc = NULL;
            }
        }
    }
    return add_structure(x, NID_basic_constraints, bc, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), true, e);
}

static int add_key_usage(X509 *x, unsigned bits, struct err *e)
{
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();

    for (int i = 0; usage != NULL && i < N_KEY_USAGE_BITS; i++) {
        if ((bits >> i & 1U) != 0 && ASN1_BIT_STRING_set_bit(usage, i, 1) != 1) {
            ASN1_BIT_STRING_free(usage);
            usage = NULL;
        }
    }
    return add_structure(x, NID_key_usage, usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), true, e);
}

static int add_server_auth(X509 *x, struct err *e)
{
    EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();

    /* The object is OpenSSL's static one: freeing it with the list does nothing. */
    if (usage != NULL && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_server_auth)) == 0) {
        EXTENDED_KEY_USAGE_free(usage);
        usage = NULL;
    }
    return add_structure(x, NID_ext_key_usage, usage, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), false, e);
}

/* NULL when out of memory. */
static GENERAL_NAME *make_name(const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);

    ERR_clear_error();
    if (name != NULL && address != NULL) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        return name;
    }
    ASN1_OCTET_STRING_free(address);
    ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
    if (name == NULL || dns == NULL || ASN1_STRING_set(dns, text, -1) != 1) {
        ASN1_IA5STRING_free(dns);
        GENERAL_NAME_free(name);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    return name;
}

static int add_dns_names(X509 *x, const struct x509_description *d, struct err *e)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    for (size_t i = 0; names != NULL && i < d->n_dns_names; i++) {
        GENERAL_NAME *name = make_name(d->dns_names[i]);

        if (name == NULL || sk_GENERAL_NAME_push(names, name) == 0) {
            GENERAL_NAME_free(name);
            GENERAL_NAMES_free(names);
            names = NULL;
        }
    }
    return add_structure(x, NID_subject_alt_name, names, ASN1_ITEM_rptr(GENERAL_NAMES), false, e);
}

/* The subject's identifier is the SHA-1 of its key (RFC 5280 §4.2.1.2); the issuer's is copied. */
static int add_key_ids(X509 *x, const struct x509_description *d, struct err *e)
{
    uint8_t id[EVP_MAX_MD_SIZE];
    unsigned n;
    ASN1_OCTET_STRING *subject_id = ASN1_OCTET_STRING_new();

    if (subject_id != NULL && (X509_pubkey_digest(x, EVP_sha1(), id, &n) != 1 ||
                               ASN1_OCTET_STRING_set(subject_id, id, (int)n) != 1)) {
        ASN1_OCTET_STRING_free(subject_id);
        subject_id = NULL;
    }
    if (add_structure(x, NID_subject_key_identifier, subject_id, ASN1_ITEM_rptr(ASN1_OCTET_STRING),
                      false, e) != 0)
        return -1;

    const ASN1_OCTET_STRING *issuer_id =
        d->issuer == NULL ? NULL : X509_get0_subject_key_id(x509_cert_x509(d->issuer));
    if (issuer_id == NULL)
        return 0;
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    if (authority != NULL) {
        authority->keyid = ASN1_OCTET_STRING_dup(issuer_id);
        if (authority->keyid == NULL) {
            AUTHORITY_KEYID_free(authority);
            authority = NULL;
        }
    }
    return add_structure(x, NID_authority_key_identifier, authority,
                         ASN1_ITEM_rptr(AUTHORITY_KEYID), false, e);
}

static int add_raw(X509 *x, const struct x509_raw_extension *raw, struct err *e)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(raw->oid, 1);

    if (oid == NULL || raw->content.n > INT32_MAX) {
        ASN1_OBJECT_free(oid);
        ERR_clear_error();
        return err_set(e, ERR_ARG, "the extension %s cannot be expressed", raw->oid);
    }
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    int ok =
        value != NULL && ASN1_OCTET_STRING_set(value, raw->content.p, (int)raw->content.n) == 1;
    if (ok)
        ext = X509_EXTENSION_create_by_OBJ(NULL, oid, raw->critical, value);
    ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok ? 0 : pkey_fail(e, ERR_NOMEM, "adding an extension failed");
}

static int add_extensions(X509 *x, const struct x509_description *d, struct err *e)
{
    if (d->ca && add_constraints(x, d, e) != 0)
        return -1;
    if (d->key_usage != 0 && add_key_usage(x, d->key_usage, e) != 0)
        return -1;
    if (d->server_auth && add_server_auth(x, e) != 0)
        return -1;
    if (d->n_dns_names != 0 && add_dns_names(x, d, e) != 0)
        return -1;
    if (d->key_ids && add_key_ids(x, d, e) != 0)
        return -1;
    for (size_t i = 0; i < d->n_extensions; i++)
        if (add_raw(x, &d->extensions[i], e) != 0)
            return -1;
    return 0;
}

static int sign(X509 *x, const struct x509_description *d, struct err *e)
{
    const struct signer *by = d->issuer_key != NULL ? d->issuer_key : d->key;
    const EVP_MD *hash = d->signature == X509_SIGN_SHA256 ? EVP_sha256() : EVP_sha384();
    CLEANUP(pkey_md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;

    if (md == NULL || EVP_DigestSignInit(md, &ctx, hash, NULL, signer_pkey(by)) != 1)
        return pkey_fail(e, ERR_NOMEM, "signing a certificate failed");
    if (d->signature == X509_SIGN_PSS_SHA384 &&
        (EVP_PKEY_get_base_id(signer_pkey(by)) != EVP_PKEY_RSA ||
         EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, hash) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, PSS_SALT) != 1))
        return pkey_fail(e, ERR_ARG, "RSASSA-PSS needs an RSA issuer");
    if (X509_sign_ctx(x, md) <= 0)
        return pkey_fail(e, ERR_NOMEM, "signing a certificate failed");
    return 0;
}

int x509_issue(const struct x509_description *d, struct x509_cert **out, struct err *e)
{
    if ((d->issuer == NULL) != (d->issuer_key == NULL))
        return err_set(e, ERR_ARG, "an issuer's certificate and key come together");
    CLEANUP(x509_freep) X509 *x = X509_new();
    if (x == NULL)
        return err_nomem(e);
    if (set_subject(x, d, e) != 0 || set_body(x, d, e) != 0 || add_extensions(x, d, e) != 0 ||
        sign(x, d, e) != 0)
        return -1;
    CLEANUP(pkey_der_freep) uint8_t *der = NULL;
    const int n = i2d_X509(x, &der);
    if (n < 0)
        return pkey_fail(e, ERR_NOMEM, "writing a certificate failed");
    return x509_cert_from_der(span_of(der, (size_t)n), out, e);
}

int x509_issue_write_pem(const struct x509_cert *c, struct buf *out, struct err *e)
{
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    const struct span der = x509_cert_der(c);

    if (bio == NULL || PEM_write_bio(bio, PEM_STRING_X509, "", der.p, (long)der.n) <= 0)
        return pkey_fail(e, ERR_NOMEM, "writing a certificate failed");
    char *text = NULL;
    const long n = BIO_get_mem_data(bio, &text);
    return buf_add(out, text, (size_t)n, e);
}
