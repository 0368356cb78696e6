#include "crypto/keywrap.h"

#include <openssl/err.h>
#include <openssl/evp.h>

/* What is wrapped here is a key of at most a few kilobytes. */
#define PLAIN_MAX    (64 * 1024)
#define WRAPPED_MIN  16
#define WRAPPED_MAX  (PLAIN_MAX + 8)
#define WRAPPED_UNIT 8

static void ctx_freep(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

static const EVP_CIPHER *cipher_for(size_t kek_size)
{
    switch (kek_size) {
    case 16:
        return EVP_aes_128_wrap_pad();
    case 24:
        return EVP_aes_192_wrap_pad();
    case 32:
        return EVP_aes_256_wrap_pad();
    default:
        return NULL;
    }
}

/* One whole pass; to has room for whatever in becomes. False for any failure, to is then wiped. */
static bool run(const EVP_CIPHER *cipher, bool wrap, struct span kek, struct span in, uint8_t *to,
                size_t room, size_t *out_n)
{
    CLEANUP(ctx_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;

    if (ctx == NULL)
        return false;
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (EVP_CipherInit_ex(ctx, cipher, NULL, kek.p, NULL, wrap) != 1 ||
        EVP_CipherUpdate(ctx, to, &n, in.p, (int)in.n) != 1 ||
        EVP_CipherFinal_ex(ctx, to + n, &rest) != 1) {
        mem_wipe(to, room);
        ERR_clear_error();
        return false;
    }
    *out_n = (size_t)n + (size_t)rest;
    return true;
}

static int transform(bool wrap, struct span kek, struct span in, size_t room, struct buf *out,
                     struct err *e)
{
    const EVP_CIPHER *cipher = cipher_for(kek.n);
    uint8_t *to = NULL;
    size_t n = 0;

    if (cipher == NULL)
        return err_set(e, ERR_ARG, "an AES key of %zu bytes cannot wrap a key", kek.n);
    if (buf_reserve(out, room, &to, e) != 0)
        return -1;
    if (!run(cipher, wrap, kek, in, to, room, &n))
        return err_set(e, ERR_CHECK, "AES key %s failed", wrap ? "wrapping" : "unwrapping");
    out->n += n;
    return 0;
}

int keywrap_wrap(struct span kek, struct span plain, struct buf *out, struct err *e)
{
    if (plain.n == 0 || plain.n > PLAIN_MAX)
        return err_set(e, ERR_CHECK, "%zu bytes cannot be wrapped, 1 to %d can", plain.n,
                       PLAIN_MAX);
    return transform(true, kek, plain,
                     (plain.n + WRAPPED_UNIT - 1) / WRAPPED_UNIT * WRAPPED_UNIT + WRAPPED_UNIT, out,
                     e);
}

int keywrap_unwrap(struct span kek, struct span wrapped, struct buf *out, struct err *e)
{
    if (wrapped.n < WRAPPED_MIN || wrapped.n > WRAPPED_MAX || wrapped.n % WRAPPED_UNIT != 0)
        return err_set(e, ERR_CHECK, "%zu bytes are no wrapped key", wrapped.n);
    return transform(false, kek, wrapped, wrapped.n, out, e);
}
