/*
 * All certificates lie in one buffer; an entry says where, and the hash of the subject. Before the
 * store looks for an issuer, the entries with that subject are parsed and put into it, once.
 * Only the entries' flags change after loading: lookups need no lock but the store's own.
 */
#include "crypto/roots_index.h"

#include "crypto/pem.h"
#include "crypto/pkey.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MAX_CERTS   4096
#define MAX_DER     65536
#define TAG_VERSION 0 /* of the tagged member that a version 1 certificate does not have */

struct entry {
    uint32_t subject; /* X509_NAME_hash */
    uint32_t at, n;   /* in the buffer */
    atomic_bool is_in_store;
};

struct roots_index {
    struct buf der; /* certificate after certificate */
    size_t n;
    struct entry entries[MAX_CERTS];
};

int roots_index_new(struct roots_index **out, struct err *e)
{
    struct roots_index *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return err_nomem(e);
    *out = x;
    return 0;
}

void roots_index_free(struct roots_index *x)
{
    if (x == NULL)
        return;
    buf_done(&x->der);
    free(x);
}

void roots_index_freep(struct roots_index **x)
{
    roots_index_free(*x);
}

size_t roots_index_count(const struct roots_index *x)
{
    return x->n;
}

/* Moves p into (enter) or behind the next element of universal or context class; *end is moved to
 * its end when it is entered. False at the end and for what is no DER. */
static bool step(const uint8_t **p, const uint8_t **end, bool enter, int *out_tag, int *out_class)
{
    long n;
    const int kind = ASN1_get_object(p, &n, out_tag, out_class, *end - *p);

    if ((kind & 0x81) != 0) /* broken, or of indefinite length */
        return false;
    if (enter)
        *end = *p + n;
    else
        *p += n;
    return true;
}

/* Certificate ::= { tbs { [0] version, serial, algorithm, issuer, validity, subject, … } … } */
static bool hash_subject(struct span der, uint32_t *out)
{
    const uint8_t *p = der.p, *end = der.p + der.n;
    int tag, class;

    for (int depth = 0; depth < 2; depth++)
        if (!step(&p, &end, true, &tag, &class))
            return false;
    if (!step(&p, &end, false, &tag, &class))
        return false;
    const int n_before = class == V_ASN1_CONTEXT_SPECIFIC && tag == TAG_VERSION ? 4 : 3;
    for (int i = 0; i < n_before; i++)
        if (!step(&p, &end, false, &tag, &class))
            return false;
    X509_NAME *subject = d2i_X509_NAME(NULL, &p, end - p);
    if (subject == NULL)
        return false;
    *out = (uint32_t)X509_NAME_hash(subject);
    X509_NAME_free(subject);
    return true;
}

static struct span entry_der(const struct roots_index *x, const struct entry *entry)
{
    return span_of(x->der.p + entry->at, entry->n);
}

static int add_der(struct roots_index *x, struct span der, struct err *e)
{
    uint32_t subject;

    for (size_t i = 0; i < x->n; i++) /* before it costs more: most are there twice */
        if (span_equal(entry_der(x, &x->entries[i]), der))
            return 0;
    if (der.n > MAX_DER || !hash_subject(der, &subject))
        return 0;
    if (x->n == MAX_CERTS)
        return err_set(e, ERR_PARSE, "more than %d trusted certificates", MAX_CERTS);
    const size_t at = x->der.n;
    if (buf_add(&x->der, der.p, der.n, e) != 0)
        return -1;
    struct entry *entry = &x->entries[x->n++];
    entry->subject = subject;
    entry->at = (uint32_t)at;
    entry->n = (uint32_t)der.n;
    return 0;
}

int roots_index_add_pem(struct roots_index *x, struct span pem, struct err *e)
{
    if (pem.n > INT32_MAX)
        return err_set(e, ERR_PARSE, "too long");
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL)
        return err_nomem(e);
    for (;;) {
        uint8_t *der = NULL;
        size_t n = 0;
        const enum pem_next next = pem_next(bio, PEM_STRING_X509, &der, &n);

        if (next == PEM_NEXT_END)
            break;
        if (next == PEM_NEXT_BROKEN)
            continue;
        const int added = add_der(x, span_of(der, n), e);
        OPENSSL_free(der);
        if (added != 0)
            return -1;
    }
    ERR_clear_error();
    return 0;
}

static int slot;

static void free_with_store(void *store, void *index, CRYPTO_EX_DATA *ad, int at, long argl,
                            void *argp)
{
    roots_index_free(index);
}

static void reserve_slot(void)
{
    slot = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, free_with_store);
}

/* Puts the certificates of this subject into the store, if it has none of them yet. */
static void provide(X509_STORE *store, const X509_NAME *name)
{
    struct roots_index *x = X509_STORE_get_ex_data(store, slot);
    const uint32_t subject = (uint32_t)X509_NAME_hash(name);

    for (size_t i = 0; i < x->n; i++) {
        struct entry *entry = &x->entries[i];

        if (entry->subject != subject || atomic_load(&entry->is_in_store))
            continue;
        const struct span der = entry_der(x, entry);
        const uint8_t *p = der.p;
        X509 *cert = d2i_X509(NULL, &p, (long)der.n);
        if (cert != NULL && X509_STORE_add_cert(store, cert) == 1)
            atomic_store(&entry->is_in_store, true);
        X509_free(cert);
        ERR_clear_error();
    }
}

static int get_issuer(X509 **issuer, X509_STORE_CTX *ctx, X509 *x)
{
    provide(X509_STORE_CTX_get0_store(ctx), X509_get_issuer_name(x));
    return X509_STORE_CTX_get1_issuer(issuer, ctx, x);
}

static STACK_OF(X509) * lookup_certs(X509_STORE_CTX *ctx, const X509_NAME *name)
{
    provide(X509_STORE_CTX_get0_store(ctx), name);
    return X509_STORE_CTX_get1_certs(ctx, name);
}

int roots_index_open_store(struct roots_index **x, X509_STORE **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, reserve_slot);
    X509_STORE *store = slot < 0 ? NULL : X509_STORE_new();
    if (store == NULL || X509_STORE_set_ex_data(store, slot, *x) != 1) {
        X509_STORE_free(store);
        return pkey_fail(e, ERR_NOMEM, "making a certificate store failed");
    }
    *x = NULL;
    X509_STORE_set_get_issuer(store, get_issuer);
    X509_STORE_set_lookup_certs(store, lookup_certs);
    *out = store;
    return 0;
}
