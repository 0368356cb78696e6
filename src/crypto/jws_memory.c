/*
 * A handful of entries, replaced in turn: a group asks one vault or two. An entry is found by a
 * SHA-256 over the whole header, so whatever a judgement looks at (certificates, thumbprint,
 * algorithm, extensions) cannot differ; the time is asked for each time.
 */
#include "crypto/jws_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 8

struct entry {
    uint8_t name[SHA256_SIZE];
    struct jws_signer signer; /* key NULL: a free entry */
};

struct jws_memory {
    pthread_mutex_t lock; /* guards all below */
    struct entry entries[MAX_ENTRIES];
    size_t next; /* to be replaced */
};

void jws_signer_done(struct jws_signer *s)
{
    EVP_PKEY_free(s->key);
    *s = (struct jws_signer){ 0 };
}

int jws_memory_new(struct jws_memory **out, struct err *e)
{
    struct jws_memory *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return err_nomem(e);
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return 0;
}

void jws_memory_free(struct jws_memory *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < MAX_ENTRIES; i++)
        jws_signer_done(&m->entries[i].signer);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

int jws_memory_name(struct span header, const char *host, uint8_t out[static SHA256_SIZE],
                    struct err *e)
{
    CLEANUP(buf_done) struct buf both = { 0 };

    /* a header is base64url here: the NUL cannot be in either part */
    if (buf_add(&both, host, strlen(host) + 1, e) != 0 ||
        buf_add(&both, header.p, header.n, e) != 0)
        return -1;
    return digest_sha256(buf_span(&both), out, e);
}

/* With the lock held. */
static struct entry *find(struct jws_memory *m, const uint8_t name[static SHA256_SIZE])
{
    for (size_t i = 0; i < MAX_ENTRIES; i++) {
        struct entry *x = &m->entries[i];
        if (x->signer.key != NULL &&
            span_equal(span_of(x->name, SHA256_SIZE), span_of(name, SHA256_SIZE)))
            return x;
    }
    return NULL;
}

bool jws_memory_recall(struct jws_memory *m, const uint8_t name[static SHA256_SIZE], int64_t unix_s,
                       struct jws_signer *out)
{
    bool found = false;

    pthread_mutex_lock(&m->lock);
    const struct entry *x = find(m, name);
    if (x != NULL && x->signer.since_s <= unix_s && unix_s <= x->signer.until_s &&
        EVP_PKEY_up_ref(x->signer.key) == 1) {
        *out = x->signer;
        found = true;
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

void jws_memory_keep(struct jws_memory *m, const uint8_t name[static SHA256_SIZE],
                     const struct jws_signer *s)
{
    if (EVP_PKEY_up_ref(s->key) != 1)
        return;
    pthread_mutex_lock(&m->lock);
    struct entry *x = find(m, name);
    if (x == NULL) {
        x = &m->entries[m->next];
        m->next = (m->next + 1) % MAX_ENTRIES;
    }
    jws_signer_done(&x->signer);
    memcpy(x->name, name, SHA256_SIZE);
    x->signer = *s;
    pthread_mutex_unlock(&m->lock);
}
