/* AES Key Wrap with Padding, RFC 5649, with a KEK of 16, 24 or 32 bytes. */
#ifndef CRYPTO_KEYWRAP_H
#define CRYPTO_KEYWRAP_H

#include "base/buf.h"

/* Append. Fail: ERR_ARG (size of the KEK), ERR_CHECK (does not unwrap). */
MUST_CHECK int keywrap_wrap(struct span kek, struct span plain, struct buf *out, struct err *e);
MUST_CHECK int keywrap_unwrap(struct span kek, struct span wrapped, struct buf *out, struct err *e);

#endif
