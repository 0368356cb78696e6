/*
 * The door of nettle, for its generator alone: it builds primes that are proven, not searched and
 * tested. Numbers leave here as big-endian bytes; rsa_numbers_check() judges them before use.
 */
#include "crypto/rsa.h"

#include "base/random.h"
#include "crypto/rsa_numbers.h"

#include <nettle/rsa.h>

#define BITS_MIN 2048
#define BITS_MAX 8192

struct pair {
    struct rsa_public_key pub;
    struct rsa_private_key key;
};

static void pair_done(struct pair *p)
{
    rsa_public_key_clear(&p->pub);
    rsa_private_key_clear(&p->key);
}

static void fill_for_nettle(void *ctx, size_t n, uint8_t *to)
{
    random_fill(to, n);
}

static int set_from_mpz(struct rsa_numbers *k, enum rsa_number which, const mpz_t value,
                        struct err *e)
{
    const size_t n = (mpz_sizeinbase(value, 2) + 7) / 8;
    uint8_t *to = NULL;

    if (buf_reserve(&k->v[which], n, &to, e) != 0)
        return -1;
    mpz_export(to, NULL, 1, 1, 1, 0, value);
    k->v[which].n = n;
    return 0;
}

static int set_from_pair(struct rsa_numbers *k, const struct pair *p, struct err *e)
{
    const mpz_t *const values[RSA_NUMBERS] = { &p->pub.n, &p->pub.e, &p->key.d, &p->key.p,
                                               &p->key.q, &p->key.a, &p->key.b, &p->key.c };

    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++)
        if (set_from_mpz(k, i, *values[i], e) != 0)
            return -1;
    return 0;
}

static int generate(unsigned bits, struct rsa_numbers *numbers, struct err *e)
{
    CLEANUP(pair_done) struct pair pair;

    rsa_public_key_init(&pair.pub);
    rsa_private_key_init(&pair.key);
    if (bits < BITS_MIN || bits > BITS_MAX)
        return err_set(e, ERR_CHECK, "an RSA key of %u bits is not made, %d to %d are", bits,
                       BITS_MIN, BITS_MAX);
    mpz_set_ui(pair.pub.e, 65537);
    if (rsa_generate_keypair(&pair.pub, &pair.key, NULL, fill_for_nettle, NULL, NULL, bits, 0) !=
            1 ||
        mpz_sizeinbase(pair.pub.n, 2) != bits)
        return err_set(e, ERR_CHECK, "making an RSA key of %u bits failed", bits);
    return set_from_pair(numbers, &pair, e);
}

int rsa_generate_numbers(unsigned bits, struct rsa_numbers *out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };

    if (generate(bits, &numbers, e) != 0)
        return -1;
    if (rsa_numbers_check(&numbers, e) != 0)
        return err_wrap(e, "making an RSA key of %u bits", bits);
    *out = numbers;
    numbers = (struct rsa_numbers){ 0 };
    return 0;
}

int rsa_generate(unsigned bits, struct rsa_key **out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };

    if (generate(bits, &numbers, e) != 0)
        return -1;
    if (rsa_private_from_numbers(&numbers, out, e) != 0)
        return err_wrap(e, "making an RSA key of %u bits", bits);
    return 0;
}
