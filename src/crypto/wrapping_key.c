#include "crypto/wrapping_key.h"

#include "base/secret_pages.h"
#include "crypto/rsa_numbers.h"

#include <stdlib.h>
#include <string.h>

/* n and d have the size of the modulus, five numbers half of it, e is small. */
#define BYTES_MAX (RSA_WRAP_BITS / 8 * 5)

struct content { /* of the page */
    size_t n[RSA_NUMBERS];
    uint8_t bytes[BYTES_MAX]; /* the numbers, one after the other */
};

struct wrapping_key {
    struct secret_pages pages;
};

void wrapping_key_free(struct wrapping_key *k)
{
    if (k == NULL)
        return;
    secret_pages_close(&k->pages);
    free(k);
}

void wrapping_key_freep(struct wrapping_key **k)
{
    wrapping_key_free(*k);
    *k = NULL;
}

static int keep(const struct rsa_numbers *numbers, struct content *c, struct err *e)
{
    size_t used = 0;

    for (size_t i = 0; i < RSA_NUMBERS; i++) {
        const struct span number = buf_span(&numbers->v[i]);
        if (number.n == 0 || number.n > sizeof(c->bytes) - used)
            return err_set(e, ERR_CHECK, "a wrapping key whose numbers have impossible sizes");
        memcpy(c->bytes + used, number.p, number.n);
        c->n[i] = number.n;
        used += number.n;
    }
    return 0;
}

int wrapping_key_generate(struct wrapping_key **out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    CLEANUP(wrapping_key_freep) struct wrapping_key *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return err_nomem(e);
    if (rsa_generate_numbers(RSA_WRAP_BITS, &numbers, e) != 0 ||
        secret_pages_open(sizeof(struct content), &k->pages, e) != 0 ||
        keep(&numbers, k->pages.p, e) != 0)
        return -1;
    *out = TAKE(k);
    return 0;
}

bool wrapping_key_is_locked(const struct wrapping_key *k)
{
    return k->pages.locked;
}

int wrapping_key_open(const struct wrapping_key *k, struct rsa_key **out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    const struct content *c = k->pages.p;
    const uint8_t *from = c->bytes;

    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++) {
        if (rsa_numbers_set(&numbers, i, span_of(from, c->n[i]), e) != 0)
            return -1;
        from += c->n[i];
    }
    return rsa_private_from_numbers(&numbers, out, e);
}
