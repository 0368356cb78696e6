/*
 * Every relation of the private numbers has the form a·b ≡ 1 (mod m), so the check is two tables:
 * which number is below which, and which products are one. As e·d ≡ 1 makes the inverse of e
 * unique, dp and dq need no comparison with d.
 */
#include "crypto/rsa_numbers.h"

#include "crypto/pkey.h"

#include <openssl/bn.h>

#define BITS_MIN 1024
#define BITS_MAX 16384

/* Two more than the key has. */
enum { P_MINUS_1 = RSA_NUMBERS, Q_MINUS_1, N_WORK };

struct work {
    BIGNUM *v[N_WORK];
    BIGNUM *product;
    BN_CTX *ctx;
};

static void work_done(struct work *w)
{
    for (size_t i = 0; i < N_WORK; i++)
        BN_clear_free(w->v[i]);
    BN_clear_free(w->product);
    BN_CTX_free(w->ctx);
}

void rsa_numbers_done(struct rsa_numbers *k)
{
    for (size_t i = 0; i < RSA_NUMBERS; i++)
        buf_done(&k->v[i]);
}

const char *rsa_numbers_name(enum rsa_number which)
{
    static const char *const names[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi" };

    return names[which];
}

int rsa_numbers_set(struct rsa_numbers *k, enum rsa_number which, struct span value, struct err *e)
{
    struct buf number = { 0 };

    while (value.n > 0 && value.p[0] == 0)
        value = span_of(value.p + 1, value.n - 1);
    if (buf_add(&number, value.p, value.n, e) != 0)
        return -1;
    buf_done(&k->v[which]);
    k->v[which] = number;
    return 0;
}

static int work_init(struct work *w, const struct rsa_numbers *k, struct err *e)
{
    w->ctx = BN_CTX_new();
    w->product = BN_new();
    if (w->ctx == NULL || w->product == NULL)
        return pkey_fail(e, ERR_NOMEM, "checking an RSA key");
    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++) {
        if (k->v[i].n > BITS_MAX / 8)
            return err_set(e, ERR_CHECK, "RSA key: \"%s\" is too long", rsa_numbers_name(i));
        w->v[i] = BN_bin2bn(k->v[i].p, (int)k->v[i].n, NULL);
        if (w->v[i] == NULL)
            return pkey_fail(e, ERR_NOMEM, "checking an RSA key");
    }
    w->v[P_MINUS_1] = BN_dup(w->v[RSA_NUMBER_P]);
    w->v[Q_MINUS_1] = BN_dup(w->v[RSA_NUMBER_Q]);
    if (w->v[P_MINUS_1] == NULL || BN_sub_word(w->v[P_MINUS_1], 1) != 1 ||
        w->v[Q_MINUS_1] == NULL || BN_sub_word(w->v[Q_MINUS_1], 1) != 1)
        return pkey_fail(e, ERR_NOMEM, "checking an RSA key");
    return 0;
}

static int check_form(const struct work *w, struct err *e)
{
    static const enum rsa_number odd[] = { RSA_NUMBER_E, RSA_NUMBER_P, RSA_NUMBER_Q };
    static const struct {
        enum rsa_number small, large;
    } below[] = {
        { RSA_NUMBER_E, RSA_NUMBER_N },  { RSA_NUMBER_D, RSA_NUMBER_N },
        { RSA_NUMBER_DP, RSA_NUMBER_P }, { RSA_NUMBER_DQ, RSA_NUMBER_Q },
        { RSA_NUMBER_QI, RSA_NUMBER_P },
    };
    const int bits = BN_num_bits(w->v[RSA_NUMBER_N]);

    if (bits < BITS_MIN || bits > BITS_MAX)
        return err_set(e, ERR_CHECK, "RSA key: a modulus of %d bits, must be %d to %d", bits,
                       BITS_MIN, BITS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        if (!BN_is_odd(w->v[odd[i]]) || BN_is_one(w->v[odd[i]]))
            return err_set(e, ERR_CHECK, "RSA key: \"%s\" is not an odd number above 1",
                           rsa_numbers_name(odd[i]));
    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        if (BN_cmp(w->v[below[i].small], w->v[below[i].large]) >= 0)
            return err_set(e, ERR_CHECK, "RSA key: \"%s\" is not below \"%s\"",
                           rsa_numbers_name(below[i].small), rsa_numbers_name(below[i].large));
    if (BN_cmp(w->v[RSA_NUMBER_P], w->v[RSA_NUMBER_Q]) == 0)
        return err_set(e, ERR_CHECK, "RSA key: \"p\" and \"q\" are the same");
    return 0;
}

static int check_products(const struct work *w, struct err *e)
{
    static const struct {
        int a, b, modulus;
        const char *reason;
    } ones[] = {
        { RSA_NUMBER_E, RSA_NUMBER_D, P_MINUS_1, "\"d\" does not undo \"e\" modulo \"p\" - 1" },
        { RSA_NUMBER_E, RSA_NUMBER_D, Q_MINUS_1, "\"d\" does not undo \"e\" modulo \"q\" - 1" },
        { RSA_NUMBER_E, RSA_NUMBER_DP, P_MINUS_1, "\"dp\" is not \"d\" modulo \"p\" - 1" },
        { RSA_NUMBER_E, RSA_NUMBER_DQ, Q_MINUS_1, "\"dq\" is not \"d\" modulo \"q\" - 1" },
        { RSA_NUMBER_QI, RSA_NUMBER_Q, RSA_NUMBER_P, "\"qi\" is not the inverse of \"q\"" },
    };

    if (BN_mul(w->product, w->v[RSA_NUMBER_P], w->v[RSA_NUMBER_Q], w->ctx) != 1)
        return pkey_fail(e, ERR_NOMEM, "checking an RSA key");
    if (BN_cmp(w->product, w->v[RSA_NUMBER_N]) != 0)
        return err_set(e, ERR_CHECK, "RSA key: \"n\" is not \"p\" times \"q\"");
    for (size_t i = 0; i < ARRAY_LEN(ones); i++) {
        if (BN_mod_mul(w->product, w->v[ones[i].a], w->v[ones[i].b], w->v[ones[i].modulus],
                       w->ctx) != 1)
            return pkey_fail(e, ERR_NOMEM, "checking an RSA key");
        if (!BN_is_one(w->product))
            return err_set(e, ERR_CHECK, "RSA key: %s", ones[i].reason);
    }
    return 0;
}

int rsa_numbers_check(const struct rsa_numbers *k, struct err *e)
{
    CLEANUP(work_done) struct work w = { 0 };

    if (work_init(&w, k, e) != 0 || check_form(&w, e) != 0)
        return -1;
    return check_products(&w, e);
}
