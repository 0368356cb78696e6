/*
 * Private keys in PKCS#8 (PrivateKeyInfo of RFC 5208, in DER), opened and judged. What surrounds
 * them is refused: encryption, a bare PKCS#1 or SEC 1 key, anything behind the end.
 */
#ifndef CRYPTO_PKCS8_H
#define CRYPTO_PKCS8_H

#include "crypto/rsa_numbers.h"

#define PKCS8_MAX (16 * 1024) /* an RSA key of 16384 bits has 9.4 KiB */

/* All numbers big-endian, of the curve's width; {0} is empty. */
struct pkcs8_ec {
    const char *crv; /* its name in a JWK; static */
    struct buf x, y, d;
};

void pkcs8_ec_done(struct pkcs8_ec *k);

/*
 * An RSA key of two primes (RFC 8017 appendix A.1.2) whose numbers pass rsa_numbers_check().
 * out is empty before, and replaced.
 *
 * Fails: ERR_PARSE (form), ERR_CHECK (a key of another type, more primes, numbers).
 */
MUST_CHECK int pkcs8_parse_rsa(struct span der, struct rsa_numbers *out, struct err *e);

/*
 * A key on P-256, P-384, P-521 or P-256K (secp256k1), as RFC 5915 writes it. The point is computed
 * from d; the public part, where there is one, must be that point.
 *
 * Fails: as above; also for explicit curve parameters, and for a d outside 1..order-1.
 */
MUST_CHECK int pkcs8_parse_ec(struct span der, struct pkcs8_ec *out, struct err *e);

#endif
