/*
 * The ephemeral RSA key pair to which a vault wraps what it releases.
 *
 * While it waits for its next use, its private numbers are in one place only: a locked page. Each
 * use makes an OpenSSL key of them (0.25 ms), which goes, wiped, with the use.
 */
#ifndef CRYPTO_WRAPPING_KEY_H
#define CRYPTO_WRAPPING_KEY_H

#include "crypto/rsa.h"

struct wrapping_key; /* immutable: safe for many threads */

/* A new pair of RSA_WRAP_BITS. Blocks for tens of milliseconds of CPU. Fails: as rsa_generate(). */
MUST_CHECK int wrapping_key_generate(struct wrapping_key **out, struct err *e);
void wrapping_key_free(struct wrapping_key *k); /* wipes; NULL is fine */
void wrapping_key_freep(struct wrapping_key **k);

/* False: the system did not allow its page to be locked. */
bool wrapping_key_is_locked(const struct wrapping_key *k);

/* The pair for one use; rsa_key_free() it right after. Fails: ERR_NOMEM; ERR_CHECK when the
 * numbers do not belong together any more. */
MUST_CHECK int wrapping_key_open(const struct wrapping_key *k, struct rsa_key **out, struct err *e);

#endif
