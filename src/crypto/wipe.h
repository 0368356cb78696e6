/*
 * Private keys live in the heaps of three libraries, which free without wiping. This gives
 * OpenSSL, GMP (below nettle) and jansson a free() that overwrites first, so that no copy of a
 * key outlives its object.
 */
#ifndef CRYPTO_WIPE_H
#define CRYPTO_WIPE_H

#include "base/err.h"

/* At the top of main(), before any of the libraries has allocated. Fails: ERR_UNSUPPORTED when
 * OpenSSL had allocated already. */
MUST_CHECK int wipe_install(struct err *e);

#endif
