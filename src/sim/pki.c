/*
 * Reading an RSA key costs up to half a second, because its numbers are checked as a whole. So the
 * keys of the AMD-shaped roots are read only when they must sign, what they signed is kept, and the
 * TLS server's keys are P-256.
 */
#include "sim/pki.h"

#include "base/random.h"
#include "base/str.h"
#include "sim/keydir.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_NAMES        64
#define DAY_S            86400
#define CA_DAYS          3650
#define LEAF_DAYS        397
#define SERIAL_TLS_CA    1
#define ISSUED_NAME_SIZE 300

/* What was issued on demand. */
struct issued {
    SLIST_ENTRY(issued) link;
    char name[ISSUED_NAME_SIZE]; /* of its key file */
    struct pki_identity id;
};

struct pki {
    struct keydir keys;
    int64_t not_before;
    struct pki_identity tls_ca, server;
    struct pki_identity ark, ask; /* keys are NULL until they are needed */
    struct buf amd_chain, server_chain, server_key;
    uint8_t chip_id[AMD_ISSUE_CHIP_ID_SIZE];

    pthread_mutex_t lock; /* of the list, whose entries stay and never change, and of lazy keys */
    SLIST_HEAD(, issued) issued;
};

static void identity_done(struct pki_identity *id)
{
    signer_free(id->key);
    x509_cert_free(id->cert);
    buf_done(&id->pem);
    *id = (struct pki_identity){ 0 };
}

static void issued_freep(struct issued **x)
{
    if (*x == NULL)
        return;
    identity_done(&(*x)->id);
    free(*x);
}

static int issue_tls_ca(struct pki *p, struct x509_cert **out, struct err *e)
{
    const struct x509_name_part name[] = { { "O", "cloudsim" }, { "CN", "cloudsim TLS CA" } };
    const struct x509_description d = {
        .subject = name,
        .n_subject = ARRAY_LEN(name),
        .serial = SERIAL_TLS_CA,
        .not_before = p->not_before,
        .not_after = p->not_before + CA_DAYS * (int64_t)DAY_S,
        .key = p->tls_ca.key,
        .signature = X509_SIGN_SHA256,
        .ca = true,
        .key_usage = X509_USE_KEY_CERT_SIGN | X509_USE_CRL_SIGN,
        .key_ids = true,
    };

    return x509_issue(&d, out, e);
}

static int need_key(const struct pki *p, struct pki_identity *id, const char *name,
                    enum keydir_kind kind, struct err *e)
{
    return id->key != NULL ? 0 : keydir_key(&p->keys, name, kind, &id->key, e);
}

static int issue_ark(struct pki *p, struct x509_cert **out, struct err *e)
{
    return need_key(p, &p->ark, "ark", KEYDIR_RSA_4096, e) != 0
               ? -1
               : amd_issue_ark(p->ark.key, p->not_before, out, e);
}

static int issue_ask(struct pki *p, struct x509_cert **out, struct err *e)
{
    if (need_key(p, &p->ark, "ark", KEYDIR_RSA_4096, e) != 0 ||
        need_key(p, &p->ask, "ask", KEYDIR_RSA_4096, e) != 0)
        return -1;
    return amd_issue_ask(p->ask.key, p->ark.cert, p->ark.key, p->not_before, out, e);
}

/* The certificate NAME: read, or issued and written. */
static int keep_cert(struct pki *p, const char *name, struct pki_identity *id,
                     int (*issue)(struct pki *p, struct x509_cert **out, struct err *e),
                     struct err *e)
{
    if (keydir_read_cert(&p->keys, name, &id->cert, e) != 0)
        return -1;
    const bool is_fresh = id->cert == NULL;
    if ((is_fresh && issue(p, &id->cert, e) != 0) ||
        x509_issue_write_pem(id->cert, &id->pem, e) != 0)
        return -1;
    return is_fresh ? keydir_write_cert(&p->keys, name, buf_span(&id->pem), e) : 0;
}

/* Serial numbers of what the TLS CA issues, never twice. */
static uint64_t fresh_serial(void)
{
    return random_u64() >> 1 | 2;
}

static int issue_server(const struct pki *p, const struct signer *key, const char *common_name,
                        const char *const *names, size_t n_names, struct x509_cert **out,
                        struct err *e)
{
    const struct x509_name_part name[] = { { "O", "cloudsim" }, { "CN", common_name } };
    const struct x509_description d = {
        .subject = name,
        .n_subject = ARRAY_LEN(name),
        .serial = fresh_serial(),
        .not_before = p->not_before,
        .not_after = p->not_before + LEAF_DAYS * (int64_t)DAY_S,
        .key = key,
        .issuer = p->tls_ca.cert,
        .issuer_key = p->tls_ca.key,
        .signature = X509_SIGN_SHA256,
        .key_usage = X509_USE_DIGITAL_SIGNATURE | X509_USE_KEY_ENCIPHERMENT,
        .server_auth = true,
        .key_ids = true,
        .dns_names = names,
        .n_dns_names = n_names,
    };

    return x509_issue(&d, out, e);
}

static int issue_self(const struct pki *p, const struct signer *key, const char *common_name,
                      struct x509_cert **out, struct err *e)
{
    const struct x509_name_part name[] = { { "CN", common_name } };
    const struct x509_description d = {
        .subject = name,
        .n_subject = ARRAY_LEN(name),
        .serial = fresh_serial(),
        .not_before = p->not_before,
        .not_after = p->not_before + LEAF_DAYS * (int64_t)DAY_S,
        .key = key,
        .signature = X509_SIGN_SHA256,
    };

    return x509_issue(&d, out, e);
}

/* extra: a comma separated list that is cut into pieces in place. */
static int open_server(struct pki *p, const char *const *names, char *extra, struct err *e)
{
    const char *all[MAX_NAMES];
    size_t n = 0;

    for (; *names != NULL && n < MAX_NAMES; names++)
        all[n++] = *names;
    while (extra != NULL && n < MAX_NAMES)
        all[n++] = strsep(&extra, ",");
    if (extra != NULL)
        return err_set(e, ERR_ARG, "more than %d names for the server", MAX_NAMES);
    if (keydir_key(&p->keys, "server", KEYDIR_P256, &p->server.key, e) != 0 ||
        issue_server(p, p->server.key, "cloudsim", all, n, &p->server.cert, e) != 0 ||
        x509_issue_write_pem(p->server.cert, &p->server.pem, e) != 0 ||
        buf_add(&p->server_chain, p->server.pem.p, p->server.pem.n, e) != 0 ||
        buf_add(&p->server_chain, p->tls_ca.pem.p, p->tls_ca.pem.n, e) != 0)
        return -1;
    return signer_write_pem(p->server.key, &p->server_key, e);
}

static int open_parts(struct pki *p, const char *dir, const char *const *names,
                      const char *extra_names, struct err *e)
{
    CLEANUP(str_freep) char *extra = NULL;

    if (keydir_open(&p->keys, dir, e) != 0 ||
        keydir_key(&p->keys, "tls-ca", KEYDIR_P256, &p->tls_ca.key, e) != 0 ||
        keep_cert(p, "tls-ca", &p->tls_ca, issue_tls_ca, e) != 0 ||
        keep_cert(p, "ark", &p->ark, issue_ark, e) != 0 ||
        keep_cert(p, "ask", &p->ask, issue_ask, e) != 0 ||
        buf_add(&p->amd_chain, p->ask.pem.p, p->ask.pem.n, e) != 0 ||
        buf_add(&p->amd_chain, p->ark.pem.p, p->ark.pem.n, e) != 0 ||
        keydir_random(&p->keys, "chip-id.bin", p->chip_id, sizeof(p->chip_id), e) != 0)
        return -1;
    if (extra_names != NULL && str_dup(extra_names, &extra, e) != 0)
        return -1;
    return open_server(p, names, extra, e);
}

int pki_open(const char *dir, const char *const *server_names, const char *extra_names,
             int64_t now_s, struct pki **out, struct err *e)
{
    struct pki *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return err_nomem(e);
    pthread_mutex_init(&p->lock, NULL);
    SLIST_INIT(&p->issued);
    p->not_before = now_s - DAY_S;
    p->keys.lock_fd = -1;
    if (open_parts(p, dir, server_names, extra_names, e) != 0) {
        pki_close(p);
        return err_wrap(e, "keys and certificates of %s", dir);
    }
    *out = p;
    return 0;
}

void pki_close(struct pki *p)
{
    if (p == NULL)
        return;
    while (!SLIST_EMPTY(&p->issued)) {
        CLEANUP(issued_freep) struct issued *x = SLIST_FIRST(&p->issued);
        SLIST_REMOVE_HEAD(&p->issued, link);
    }
    identity_done(&p->tls_ca);
    identity_done(&p->ark);
    identity_done(&p->ask);
    identity_done(&p->server);
    buf_done(&p->amd_chain);
    buf_done(&p->server_chain);
    buf_done(&p->server_key);
    keydir_close(&p->keys);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct span pki_tls_ca(const struct pki *p)
{
    return buf_span(&p->tls_ca.pem);
}

const struct x509_cert *pki_tls_ca_cert(const struct pki *p)
{
    return p->tls_ca.cert;
}

const struct signer *pki_tls_ca_key(const struct pki *p)
{
    return p->tls_ca.key;
}

struct span pki_ark(const struct pki *p)
{
    return buf_span(&p->ark.pem);
}

struct span pki_amd_chain(const struct pki *p)
{
    return buf_span(&p->amd_chain);
}

struct span pki_server_cert(const struct pki *p)
{
    return buf_span(&p->server_chain);
}

struct span pki_server_key(const struct pki *p)
{
    return buf_span(&p->server_key);
}

const uint8_t *pki_chip_id(const struct pki *p)
{
    return p->chip_id;
}

/* What is issued on demand: by whom it is asked for decides how. */
struct order {
    enum { ORDER_VCEK, ORDER_SERVER, ORDER_SELF } kind;
    struct amd_tcb tcb;
    const char *name;
};

static int issue_vcek(struct pki *p, const char *file, struct amd_tcb tcb, struct pki_identity *id,
                      struct err *e)
{
    if (keydir_read_cert(&p->keys, file, &id->cert, e) != 0)
        return -1;
    if (id->cert != NULL)
        return x509_issue_write_pem(id->cert, &id->pem, e);
    if (need_key(p, &p->ask, "ask", KEYDIR_RSA_4096, e) != 0 ||
        amd_issue_vcek(id->key, p->ask.cert, p->ask.key, tcb, p->chip_id, p->not_before, &id->cert,
                       e) != 0 ||
        x509_issue_write_pem(id->cert, &id->pem, e) != 0)
        return -1;
    return keydir_write_cert(&p->keys, file, buf_span(&id->pem), e);
}

static int issue(struct pki *p, const char *file, const struct order *o, struct pki_identity *id,
                 struct err *e)
{
    const bool is_vcek = o->kind == ORDER_VCEK;
    int r = 0;

    if (keydir_key(&p->keys, file, is_vcek ? KEYDIR_P384 : KEYDIR_RSA_2048, &id->key, e) != 0)
        return -1;
    if (is_vcek)
        return issue_vcek(p, file, o->tcb, id, e);
    if (o->kind == ORDER_SERVER)
        r = issue_server(p, id->key, o->name, &o->name, 1, &id->cert, e);
    else
        r = issue_self(p, id->key, o->name, &id->cert, e);
    return r != 0 ? -1 : x509_issue_write_pem(id->cert, &id->pem, e);
}

static int find_or_issue(struct pki *p, const char *file, const struct order *o,
                         const struct pki_identity **out, struct err *e)
{
    CLEANUP(issued_freep) struct issued *fresh = NULL;
    struct issued *x = NULL;

    SLIST_FOREACH(x, &p->issued, link)
    {
        if (strcmp(x->name, file) == 0) {
            *out = &x->id;
            return 0;
        }
    }
    fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL)
        return err_nomem(e);
    snprintf(fresh->name, sizeof(fresh->name), "%s", file);
    if (issue(p, file, o, &fresh->id, e) != 0)
        return -1;
    SLIST_INSERT_HEAD(&p->issued, fresh, link);
    *out = &TAKE(fresh)->id;
    return 0;
}

static int fill_order(struct pki *p, const char *file, const struct order *o,
                      const struct pki_identity **out, struct err *e)
{
    pthread_mutex_lock(&p->lock);
    const int r = find_or_issue(p, file, o, out, e);
    pthread_mutex_unlock(&p->lock);
    return r == 0 ? 0 : err_wrap(e, "issuing %s", file);
}

int pki_vcek(struct pki *p, struct amd_tcb tcb, const struct pki_identity **out, struct err *e)
{
    const struct order o = { .kind = ORDER_VCEK, .tcb = tcb };
    char file[ISSUED_NAME_SIZE];

    snprintf(file, sizeof(file), "vcek-%016llx", (unsigned long long)amd_tcb_number(tcb));
    return fill_order(p, file, &o, out, e);
}

static bool is_plain_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '.' || strlen(name) > 253)
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '.' && *name != '-')
            return false;
    return true;
}

int pki_identity(struct pki *p, enum pki_role role, const char *name,
                 const struct pki_identity **out, struct err *e)
{
    const struct order o = { .kind = role == PKI_SERVER ? ORDER_SERVER : ORDER_SELF, .name = name };
    char file[ISSUED_NAME_SIZE];

    if (!is_plain_name(name))
        return err_set(e, ERR_ARG, "no name for a certificate: \"%.80s\"", name);
    snprintf(file, sizeof(file), "%s-%s", role == PKI_SERVER ? "host" : "self", name);
    return fill_order(p, file, &o, out, e);
}
