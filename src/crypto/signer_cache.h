/*
 * Who may sign for a vault: chains that were verified, remembered so that the next answer of the
 * same signer costs no path to a root. Safe for many threads.
 */
#ifndef CRYPTO_SIGNER_CACHE_H
#define CRYPTO_SIGNER_CACHE_H

#include "crypto/x509.h"

struct signer_cache;

#define SIGNER_CACHE_MAX 16

/* The roots are borrowed and outlive it; what one set of them vouched for counts for no other. */
MUST_CHECK int signer_cache_new(struct roots *roots, struct signer_cache **out, struct err *e);
void signer_cache_free(struct signer_cache *c); /* NULL is fine */

/*
 * As x509_check_server_chain(). Not repeated for exactly these certificates and this host name,
 * until the first certificate of the path expires, and never for a time before one at which the
 * chain was already used. Refusals are not remembered.
 */
MUST_CHECK int signer_cache_check(struct signer_cache *c, const struct x509_list *chain,
                                  const char *host, int64_t unix_s, struct err *e);

/* How many chains had to be verified so far. */
uint64_t signer_cache_n_verified(struct signer_cache *c);

#endif
