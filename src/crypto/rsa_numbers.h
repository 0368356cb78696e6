/* The numbers of an RSA private key (RFC 8017 §3.2), and whether they belong together. */
#ifndef CRYPTO_RSA_NUMBERS_H
#define CRYPTO_RSA_NUMBERS_H

#include "base/buf.h"

/* In the order of PKCS#1. */
enum rsa_number {
    RSA_NUMBER_N,
    RSA_NUMBER_E,
    RSA_NUMBER_D,
    RSA_NUMBER_P,
    RSA_NUMBER_Q,
    RSA_NUMBER_DP,
    RSA_NUMBER_DQ,
    RSA_NUMBER_QI,
    RSA_NUMBERS,
};

/* Big-endian, without leading zeros; {0} is empty. */
struct rsa_numbers {
    struct buf v[RSA_NUMBERS];
};

/* Wipes and frees; leaves {0}. */
void rsa_numbers_done(struct rsa_numbers *k);

/* The member of a JWK (RFC 7518 §6.3) that holds the number: "n", …, "qi". */
const char *rsa_numbers_name(enum rsa_number which);

/* Replaces one number; leading zeros of value are dropped. Fails: ERR_NOMEM. */
MUST_CHECK int rsa_numbers_set(struct rsa_numbers *k, enum rsa_number which, struct span value,
                               struct err *e);

/* The numbers of a new key pair, checked: rsa_generate() without the key. */
MUST_CHECK int rsa_generate_numbers(unsigned bits, struct rsa_numbers *out, struct err *e);

/*
 * n has 1024 to 16384 bits and is p times q, two different odd numbers; e is odd and at least 3;
 * d, dp and dq undo e; qi is the inverse of q modulo p. By arithmetic alone: whether p and q are
 * prime is not asked, as it costs more than making a key.
 *
 * Fails: ERR_CHECK (names the number), ERR_NOMEM.
 */
MUST_CHECK int rsa_numbers_check(const struct rsa_numbers *k, struct err *e);

#endif
