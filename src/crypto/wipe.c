/*
 * Which copies of a key this covers: OpenSSL hands decoded keys, parameters and big numbers through
 * ordinary heap blocks, GMP does the same while nettle makes a key, and jansson holds JWK members
 * as strings. Replacing their allocators once, at the top of main(), wipes all of them. What is
 * kept for longer than one use is in wrapping_key.c.
 */
#include "crypto/wipe.h"

#include "base/buf.h"
#include "codec/json.h"

#include <gmp.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *p)
{
    if (p != NULL)
        mem_wipe(p, malloc_usable_size(p));
    free(p);
}

/* Not realloc(): where it moves the block, the old bytes stay behind. */
static void *move(void *p, size_t n)
{
    const size_t had = malloc_usable_size(p);

    if (n <= had && n >= had / 2)
        return p; /* the tail is wiped with the rest when the block is freed */
    void *to = malloc(n);
    if (to == NULL)
        return NULL;
    memcpy(to, p, had < n ? had : n);
    wipe_and_free(p);
    return to;
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    return n == 0 ? NULL : malloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    if (p == NULL)
        return openssl_malloc(n, file, line);
    if (n == 0) {
        wipe_and_free(p);
        return NULL;
    }
    return move(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
    wipe_and_free(p);
}

/* GMP has no way to report that memory is short: its own allocator ends the process as well. */
static void *or_abort(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void *gmp_malloc(size_t n)
{
    return or_abort(malloc(n));
}

static void *gmp_realloc(void *p, size_t had, size_t n)
{
    return or_abort(move(p, n));
}

static void gmp_free(void *p, size_t n)
{
    wipe_and_free(p);
}

/* OpenSSL takes an allocator only before its first block, so no library may use it when it is
 * loaded: that is why José is not among them. */
int wipe_install(struct err *e)
{
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "OpenSSL had allocated already: its memory cannot be made to wipe itself");
    mp_set_memory_functions(gmp_malloc, gmp_realloc, gmp_free);
    json_wipe_on_free();
    return 0;
}
