/*
 * A certificate keeps the bytes that it came in: they are what gets hashed, compared and passed on,
 * whatever OpenSSL would write itself. Questions are answered from the parsed form.
 */
#include "crypto/x509.h"

#include "crypto/pem.h"
#include "crypto/pkey.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_DER 65536   /* of one certificate */
#define MAX_PEM 1048576 /* of a chain, with the text between */

struct x509_cert {
    X509 *x;
    struct buf der;
    uint8_t *spki;
    size_t spki_n;
};

X509 *x509_cert_x509(const struct x509_cert *c)
{
    return c->x;
}

int x509_cert_from_der(struct span der, struct x509_cert **out, struct err *e)
{
    if (der.n == 0 || der.n > MAX_DER)
        return err_set(e, ERR_PARSE, "a certificate of %zu bytes", der.n);
    CLEANUP(x509_cert_freep) struct x509_cert *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_nomem(e);

    const uint8_t *p = der.p;
    c->x = d2i_X509(NULL, &p, (long)der.n);
    if (c->x == NULL)
        return pkey_fail(e, ERR_PARSE, "not a certificate");
    if (p != der.p + der.n)
        return err_set(e, ERR_PARSE, "bytes behind a certificate");

    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &c->spki);
    if (n < 0)
        return pkey_fail(e, ERR_PARSE, "a certificate without a public key");
    c->spki_n = (size_t)n;
    if (buf_add(&c->der, der.p, der.n, e) != 0)
        return -1;
    ERR_clear_error(); /* a key that OpenSSL does not know is no error yet, but leaves one */
    *out = TAKE(c);
    return 0;
}

void x509_cert_free(struct x509_cert *c)
{
    if (c == NULL)
        return;
    X509_free(c->x);
    OPENSSL_free(c->spki);
    buf_done(&c->der);
    free(c);
}

void x509_cert_freep(struct x509_cert **c)
{
    x509_cert_free(*c);
}

void x509_list_done(struct x509_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        x509_cert_free(l->certs[i]);
    *l = (struct x509_list){ 0 };
}

int x509_list_add_der(struct x509_list *l, struct span der, struct err *e)
{
    if (l->n == X509_MAX_CHAIN)
        return err_set(e, ERR_PARSE, "more than %d certificates", X509_MAX_CHAIN);
    if (x509_cert_from_der(der, &l->certs[l->n], e) != 0)
        return -1;
    l->n++;
    return 0;
}

int x509_list_from_pem(struct span pem, struct x509_list *out, struct err *e)
{
    if (pem.n > MAX_PEM)
        return err_set(e, ERR_PARSE, "a certificate chain of %zu bytes", pem.n);
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    CLEANUP(x509_list_done) struct x509_list l = { 0 };
    if (bio == NULL)
        return err_nomem(e);

    for (;;) {
        uint8_t *der = NULL;
        size_t n = 0;
        const enum pem_next next = pem_next(bio, PEM_STRING_X509, &der, &n);

        if (next == PEM_NEXT_END)
            break;
        if (next == PEM_NEXT_BROKEN)
            return err_set(e, ERR_PARSE, "PEM block behind certificate %zu is damaged", l.n);
        const int added = x509_list_add_der(&l, span_of(der, n), e);
        OPENSSL_free(der);
        if (added != 0)
            return err_wrap(e, "PEM certificate %zu", l.n + 1);
    }
    if (l.n == 0)
        return err_set(e, ERR_PARSE, "no PEM certificate");
    *out = l;
    l = (struct x509_list){ 0 };
    return 0;
}

struct span x509_cert_der(const struct x509_cert *c)
{
    return buf_span(&c->der);
}

struct span x509_cert_spki(const struct x509_cert *c)
{
    return span_of(c->spki, c->spki_n);
}

bool x509_is_issuer_name(const struct x509_cert *c, const struct x509_cert *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(c->x), X509_get_subject_name(issuer->x)) == 0;
}

bool x509_is_ca(const struct x509_cert *c)
{
    /* 1 is "CA by basicConstraints"; larger numbers are the guesses about older certificates. */
    return (X509_get_extension_flags(c->x) & EXFLAG_INVALID) == 0 && X509_check_ca(c->x) == 1;
}

bool x509_read_time(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *out = timegm(&tm);
    return true;
}

int64_t x509_not_after(const struct x509_cert *c)
{
    int64_t to;

    return x509_read_time(X509_get0_notAfter(c->x), &to) ? to : 0;
}

bool x509_is_valid_at(const struct x509_cert *c, int64_t unix_s)
{
    int64_t from, to;

    return x509_read_time(X509_get0_notBefore(c->x), &from) &&
           x509_read_time(X509_get0_notAfter(c->x), &to) && from <= unix_s && unix_s <= to;
}

void x509_common_name(const struct x509_cert *c, char *out, size_t size)
{
    const X509_NAME *name = X509_get_subject_name(c->x);
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    uint8_t *text = NULL;

    out[0] = '\0';
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return;
    const int n =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n > 0 && (size_t)n < size && memchr(text, '\0', (size_t)n) == NULL) {
        memcpy(out, text, (size_t)n);
        out[n] = '\0';
    }
    OPENSSL_free(text);
}

bool x509_extension(const struct x509_cert *c, const char *oid, struct span *out)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);

    if (obj == NULL)
        return false;
    const int at = X509_get_ext_by_OBJ(c->x, obj, -1);
    const bool once = at >= 0 && X509_get_ext_by_OBJ(c->x, obj, at) < 0;
    ASN1_OBJECT_free(obj);
    if (!once)
        return false;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(c->x, at));
    *out = span_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return true;
}
