/*
 * Wrapping keys made ahead: one thread of low priority makes them off every caller's path, from
 * the start of the process, and again whenever one was taken.
 *
 * Sets skr_key_pool_size, and counts skr_key_pool_waits_total: callers who came to an empty pool
 * and made a key themselves.
 */
#ifndef SKR_KEY_POOL_H
#define SKR_KEY_POOL_H

#include "base/metrics.h"
#include "crypto/wrapping_key.h"

#define KEY_POOL_MAX 16

struct key_pool;

/* Starts the thread. size: keys kept ready, 1 to KEY_POOL_MAX; metrics are borrowed, may be NULL.
 * Fails: ERR_NOMEM, ERR_SYS. */
MUST_CHECK int key_pool_new(size_t size, struct metrics *metrics, struct key_pool **out,
                            struct err *e);
void key_pool_free(struct key_pool *p); /* waits for the key that is being made; NULL is fine */

/* A key that nobody else gets; the caller's. Safe for many threads.
 * Fails: as wrapping_key_generate(), when the pool was empty. */
MUST_CHECK int key_pool_take(struct key_pool *p, struct wrapping_key **out, struct err *e);

#endif
