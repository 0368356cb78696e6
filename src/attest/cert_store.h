/*
 * The chain in use, and where a newer one comes from: swapped atomically, fetched by one caller
 * at a time. Safe for many threads.
 */
#ifndef ATTEST_CERT_STORE_H
#define ATTEST_CERT_STORE_H

#include "attest/cert_chain.h"
#include "http/call.h"

struct cert_store;

/* initial may be NULL; taken over. thim_url is copied, env borrowed. */
MUST_CHECK int cert_store_new(const char *thim_url, const struct http_env *env,
                              struct cert_chain *initial, struct cert_store **out, struct err *e);
void cert_store_free(struct cert_store *s);

/* The chain in use with a reference for the caller, or NULL. Never waits. */
struct cert_chain *cert_store_current(struct cert_store *s);

/*
 * Fetches a chain and puts it in use, unless another one than seen (NULL: none) is in use already.
 * out: the chain in use, a reference for the caller. Fails: as thim_fetch().
 */
MUST_CHECK int cert_store_refresh(struct cert_store *s, const struct cert_chain *seen,
                                  int64_t deadline_ms, struct cert_chain **out, struct err *e);

#endif
