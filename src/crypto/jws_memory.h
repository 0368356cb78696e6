/*
 * Inside crypto/ only: headers of signed answers that were judged good, with what the judgement
 * was about, so that the certificates of a vault's signer are not even read again for each answer.
 * It belongs to the signer_cache, as which it is bound to one set of roots. Safe for many threads.
 */
#ifndef CRYPTO_JWS_MEMORY_H
#define CRYPTO_JWS_MEMORY_H

#include "crypto/digest.h"
#include "crypto/jws_alg.h"

#include <stdint.h>

struct jws_memory;

/* A good header: who signs, and how. */
struct jws_signer {
    EVP_PKEY *key; /* owned */
    const struct jws_alg *alg;
    int64_t since_s, until_s; /* the times for which this holds, both included */
};

void jws_signer_done(struct jws_signer *s);

MUST_CHECK int jws_memory_new(struct jws_memory **out, struct err *e);
void jws_memory_free(struct jws_memory *m);

/* What the header's judgement rests on, but for the time: its bytes as they came, and the host. */
MUST_CHECK int jws_memory_name(struct span header, const char *host,
                               uint8_t out[static SHA256_SIZE], struct err *e);
/* False: not known, or not for this time. *out: jws_signer_done(). */
bool jws_memory_recall(struct jws_memory *m, const uint8_t name[static SHA256_SIZE], int64_t unix_s,
                       struct jws_signer *out);
/* Keeps a copy, in place of the oldest one. */
void jws_memory_keep(struct jws_memory *m, const uint8_t name[static SHA256_SIZE],
                     const struct jws_signer *s);

#endif
