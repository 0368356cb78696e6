/*
 * Private keys live in the heaps of three libraries, which free without wiping. This gives
 * OpenSSL, GMP (below nettle) and jansson a free() that overwrites first, so that no copy of a
 * key outlives its object.
 */
#ifndef CRYPTO_WIPE_H
#define CRYPTO_WIPE_H

#include "base/err.h"

/* At the top of main(), before a key exists. Fails: ERR_UNSUPPORTED when OpenSSL had allocated
 * before this file's part of the program start, which precedes every library's. */
MUST_CHECK int wipe_install(struct err *e);

#endif
