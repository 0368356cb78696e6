/* Hashes, and the one comparison for secrets. */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "base/buf.h"

#define SHA1_SIZE   20
#define SHA256_SIZE 32
#define SHA384_SIZE 48

enum digest_alg { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384 };

/* Fail: ERR_NOMEM. SHA-1 only names things: thumbprints. */
MUST_CHECK int digest_sha1(struct span in, uint8_t out[static SHA1_SIZE], struct err *e);
MUST_CHECK int digest_sha256(struct span in, uint8_t out[static SHA256_SIZE], struct err *e);
MUST_CHECK int digest_sha384(struct span in, uint8_t out[static SHA384_SIZE], struct err *e);

/* Constant time for equal lengths. */
bool digest_equal(struct span a, struct span b);

#endif
