/*
 * Two authorities, the one under the TLS CA and one under a root of nobody, each an intermediate
 * with its key; two keys of leaves, RSA and P-256; and one certificate for each host and kind of
 * signer that was asked for. Keys are made on first use and kept; nothing is ever changed or
 * removed before the end, so that what was handed out stays good without the lock.
 */
#include "sim/vault_signer.h"

#include "base/random.h"
#include "base/str.h"
#include "crypto/x509_issue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_LEAVES   1000
#define HOST_SIZE    256
#define BEFORE_S     3600
#define LIFE_S       (365 * INT64_C(86400))
#define FOREIGN_HOST "vault.elsewhere.example"

enum kind { KIND_GOOD, KIND_OTHER_ROOT, KIND_OTHER_HOST, KIND_EC };

struct authority {
    struct signer *root_key; /* NULL under the TLS CA */
    struct x509_cert *own_root;
    const struct x509_cert *root;
    struct signer *key; /* of the intermediate */
    struct x509_cert *cert;
};

struct leaf {
    SLIST_ENTRY(leaf) link;
    enum kind kind;
    char host[HOST_SIZE];
    struct x509_cert *cert;
};

struct vault_signers {
    const struct pki *pki;
    pthread_mutex_t lock; /* of all below */
    struct authority trusted, foreign;
    struct signer *rsa, *ec;
    SLIST_HEAD(, leaf) leaves;
    size_t n_leaves;
};

int vault_signers_new(const struct pki *pki, struct vault_signers **out, struct err *e)
{
    struct vault_signers *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return err_nomem(e);
    s->pki = pki;
    SLIST_INIT(&s->leaves);
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return err_nomem(e);
    }
    *out = s;
    return 0;
}

static void authority_done(struct authority *a)
{
    signer_free(a->root_key);
    x509_cert_free(a->own_root);
    signer_free(a->key);
    x509_cert_free(a->cert);
}

static void leaf_freep(struct leaf **l)
{
    if (*l == NULL)
        return;
    x509_cert_free((*l)->cert);
    free(*l);
    *l = NULL;
}

void vault_signers_free(struct vault_signers *s)
{
    if (s == NULL)
        return;
    while (!SLIST_EMPTY(&s->leaves)) {
        struct leaf *l = SLIST_FIRST(&s->leaves);
        SLIST_REMOVE_HEAD(&s->leaves, link);
        leaf_freep(&l);
    }
    authority_done(&s->trusted);
    authority_done(&s->foreign);
    signer_free(s->rsa);
    signer_free(s->ec);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static int issue_ca(const char *name, const struct signer *key, const struct x509_cert *issuer,
                    const struct signer *issuer_key, int64_t now, struct x509_cert **out,
                    struct err *e)
{
    const struct x509_name_part subject[] = { { "O", "cloudsim" }, { "CN", name } };
    const struct x509_description d = {
        .subject = subject,
        .n_subject = ARRAY_LEN(subject),
        .serial = random_u64() >> 1 | 1,
        .not_before = now - BEFORE_S,
        .not_after = now + LIFE_S,
        .key = key,
        .issuer = issuer,
        .issuer_key = issuer_key,
        .signature = X509_SIGN_SHA256,
        .ca = true,
        .key_usage = X509_USE_KEY_CERT_SIGN | X509_USE_CRL_SIGN,
        .key_ids = true,
    };

    return x509_issue(&d, out, e);
}

static int need_rsa(struct signer **key, struct err *e)
{
    return *key != NULL ? 0 : signer_new_rsa(2048, key, e);
}

/* Each step is kept, so that a failure leaves nothing half done. */
static int need_authority(struct vault_signers *s, bool foreign, int64_t now,
                          const struct authority **out, struct err *e)
{
    struct authority *a = foreign ? &s->foreign : &s->trusted;
    const struct signer *root_key = NULL;

    if (foreign) {
        if (need_rsa(&a->root_key, e) != 0)
            return -1;
        if (a->own_root == NULL &&
            issue_ca("Root of nobody", a->root_key, NULL, NULL, now, &a->own_root, e) != 0)
            return -1;
        a->root = a->own_root;
        root_key = a->root_key;
    } else {
        a->root = pki_tls_ca_cert(s->pki);
        root_key = pki_tls_ca_key(s->pki);
    }
    if (need_rsa(&a->key, e) != 0)
        return -1;
    if (a->cert == NULL &&
        issue_ca("cloudsim TLS Issuing CA", a->key, a->root, root_key, now, &a->cert, e) != 0)
        return -1;
    *out = a;
    return 0;
}

/* The names of a leaf, as the products have them; the first is the subject's. */
struct names {
    char *owned[4];
    size_t n;
};

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->n; i++)
        str_free(n->owned[i]);
}

static int names_add(struct names *n, const char *prefix, const char *rest, struct err *e)
{
    if (str_printf(&n->owned[n->n], e, "%s%s", prefix, rest) != 0)
        return -1;
    n->n++;
    return 0;
}

static int names_of(enum vault_product product, const char *host, struct names *n, struct err *e)
{
    const char *family = strstr(host, ".vault.");

    if (product == VAULT_HSM)
        return names_add(n, "*.", host, e) != 0 ? -1 : names_add(n, "", host, e);
    if (family == NULL)
        return names_add(n, "", host, e);
    if (names_add(n, "", family + 1, e) != 0 || names_add(n, "*", family, e) != 0 ||
        names_add(n, "*.vaultcore.", family + strlen(".vault."), e) != 0)
        return -1;
    /* a wildcard stands for one label only */
    return memchr(host, '.', (size_t)(family - host)) == NULL ? 0 : names_add(n, "", host, e);
}

static int issue_leaf(const struct authority *a, enum vault_product product, const char *host,
                      const struct signer *key, int64_t now, struct x509_cert **out, struct err *e)
{
    CLEANUP(names_done) struct names names = { 0 };

    if (names_of(product, host, &names, e) != 0)
        return -1;
    const struct x509_name_part subject[] = { { "O", "cloudsim" }, { "CN", names.owned[0] } };
    const char *const dns_names[] = { names.owned[0], names.owned[1], names.owned[2],
                                      names.owned[3] };
    const struct x509_description d = {
        .subject = subject,
        .n_subject = ARRAY_LEN(subject),
        .serial = random_u64() >> 1 | 1,
        .not_before = now - BEFORE_S,
        .not_after = now + LIFE_S,
        .key = key,
        .issuer = a->cert,
        .issuer_key = a->key,
        .signature = X509_SIGN_SHA256,
        .key_usage = X509_USE_DIGITAL_SIGNATURE | X509_USE_KEY_ENCIPHERMENT,
        .server_auth = true,
        .key_ids = true,
        .dns_names = dns_names,
        .n_dns_names = names.n,
    };

    return x509_issue(&d, out, e);
}

static int need_key(struct vault_signers *s, enum kind kind, const struct signer **out,
                    struct err *e)
{
    struct signer **key = kind == KIND_EC ? &s->ec : &s->rsa;

    if (*key == NULL &&
        (kind == KIND_EC ? signer_new_ec(SIGNER_P256, key, e) : signer_new_rsa(2048, key, e)) != 0)
        return -1;
    *out = *key;
    return 0;
}

static int need_leaf(struct vault_signers *s, enum kind kind, enum vault_product product,
                     const char *host, int64_t now, struct vault_signer *out, struct err *e)
{
    CLEANUP(leaf_freep) struct leaf *fresh = NULL;
    const struct authority *a = NULL;
    const struct signer *key = NULL;
    struct leaf *l = NULL;

    if (need_authority(s, kind == KIND_OTHER_ROOT, now, &a, e) != 0 ||
        need_key(s, kind, &key, e) != 0)
        return -1;
    SLIST_FOREACH(l, &s->leaves, link)
    if (l->kind == kind && strcmp(l->host, host) == 0)
        break;
    if (l == NULL) {
        if (s->n_leaves == MAX_LEAVES || strlen(host) >= HOST_SIZE)
            return err_set(e, ERR_CHECK, "no certificate for more than %d vaults", MAX_LEAVES);
        if ((fresh = calloc(1, sizeof(*fresh))) == NULL)
            return err_nomem(e);
        if (issue_leaf(a, product, kind == KIND_OTHER_HOST ? FOREIGN_HOST : host, key, now,
                       &fresh->cert, e) != 0)
            return -1;
        fresh->kind = kind;
        memcpy(fresh->host, host, strlen(host) + 1);
        l = TAKE(fresh);
        SLIST_INSERT_HEAD(&s->leaves, l, link);
        s->n_leaves++;
    }
    *out = (struct vault_signer){ .key = key, .chain = { l->cert, a->cert, a->root } };
    return 0;
}

int vault_signers_get(struct vault_signers *s, enum vault_product product, const char *host,
                      enum vault_attack attack, int64_t now, struct vault_signer *out,
                      struct err *e)
{
    const enum kind kind = attack == ATTACK_OTHER_ROOT   ? KIND_OTHER_ROOT
                           : attack == ATTACK_OTHER_HOST ? KIND_OTHER_HOST
                           : attack == ATTACK_ALG_ES256  ? KIND_EC
                                                         : KIND_GOOD;

    pthread_mutex_lock(&s->lock);
    const int rc = need_leaf(s, kind, product, host, now, out, e);
    pthread_mutex_unlock(&s->lock);
    return rc;
}
