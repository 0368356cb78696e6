/*
 * An entry stands for one successful verification: SHA-256 over the host name and every byte of
 * the certificates, and the span of time in which that verification would succeed again. Its start
 * moves along with the clock, so that a clock that was set back is answered by verifying. The one
 * that was not used for longest makes room.
 */
#include "crypto/signer_cache.h"

#include "crypto/digest.h"
#include "crypto/pkey.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t id[SHA256_SIZE];
    int64_t from_s, until_s; /* counts while from_s <= now < until_s */
    uint64_t last_use;       /* 0: empty */
};

struct signer_cache {
    struct roots *roots;
    struct jws_memory *headers;
    pthread_mutex_t lock; /* guards the rest */
    uint64_t n_uses, n_verified;
    struct entry entries[SIGNER_CACHE_MAX];
};

int signer_cache_new(struct roots *roots, struct signer_cache **out, struct err *e)
{
    struct signer_cache *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return err_nomem(e);
    if (jws_memory_new(&c->headers, e) != 0) {
        free(c);
        return -1;
    }
    c->roots = roots;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return 0;
}

void signer_cache_free(struct signer_cache *c)
{
    if (c == NULL)
        return;
    jws_memory_free(c->headers);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct jws_memory *signer_cache_headers(struct signer_cache *c)
{
    return c->headers;
}

/* Each part with its length before it: no two lists read the same. */
static int add_part(struct buf *all, struct span part, struct err *e)
{
    const uint64_t n = part.n;

    return buf_add(all, &n, sizeof(n), e) != 0 || buf_add(all, part.p, part.n, e) != 0 ? -1 : 0;
}

static int identify(const struct x509_list *chain, const char *host, uint8_t out[SHA256_SIZE],
                    struct err *e)
{
    CLEANUP(buf_done) struct buf all = { 0 };

    if (add_part(&all, span_str(host), e) != 0)
        return -1;
    for (size_t i = 0; i < chain->n; i++)
        if (add_part(&all, x509_cert_der(chain->certs[i]), e) != 0)
            return -1;
    return digest_sha256(buf_span(&all), out, e);
}

/* The entry with this id; without one, that which was not used for longest. With the lock held. */
static struct entry *find(struct signer_cache *c, const uint8_t id[static SHA256_SIZE], bool *found)
{
    struct entry *oldest = &c->entries[0];

    *found = true;
    for (size_t i = 0; i < ARRAY_LEN(c->entries); i++) {
        struct entry *entry = &c->entries[i];

        if (span_equal(span_of(entry->id, SHA256_SIZE), span_of(id, SHA256_SIZE)))
            return entry;
        if (entry->last_use < oldest->last_use)
            oldest = entry;
    }
    *found = false;
    return oldest;
}

static bool recall(struct signer_cache *c, const uint8_t id[static SHA256_SIZE], int64_t unix_s)
{
    bool is_known;

    pthread_mutex_lock(&c->lock);
    struct entry *entry = find(c, id, &is_known);
    is_known = is_known && unix_s >= entry->from_s;
    if (is_known) {
        entry->from_s = unix_s;
        entry->last_use = ++c->n_uses;
        is_known = unix_s < entry->until_s;
    }
    c->n_verified += !is_known;
    pthread_mutex_unlock(&c->lock);
    return is_known;
}

static void remember(struct signer_cache *c, const uint8_t id[static SHA256_SIZE], int64_t from_s,
                     int64_t until_s)
{
    bool is_known; /* another thread may have been faster, or the clock was set back */

    pthread_mutex_lock(&c->lock);
    struct entry *entry = find(c, id, &is_known);
    if (!is_known) {
        memcpy(entry->id, id, SHA256_SIZE);
        entry->from_s = from_s;
        entry->until_s = until_s;
    }
    entry->last_use = ++c->n_uses;
    pthread_mutex_unlock(&c->lock);
}

int signer_cache_check(struct signer_cache *c, const struct x509_list *chain, const char *host,
                       int64_t unix_s, struct err *e)
{
    uint8_t id[SHA256_SIZE];
    int64_t until_s = 0;

    if (identify(chain, host, id, e) != 0)
        return -1;
    if (recall(c, id, unix_s))
        return 0;
    if (x509_check_server_chain(chain, c->roots, host, unix_s, &until_s, e) != 0)
        return -1;
    remember(c, id, unix_s, until_s);
    return 0;
}

uint64_t signer_cache_n_verified(struct signer_cache *c)
{
    pthread_mutex_lock(&c->lock);
    const uint64_t n = c->n_verified;
    pthread_mutex_unlock(&c->lock);
    return n;
}
