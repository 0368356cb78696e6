#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static int digest(const EVP_MD *md, struct span in, uint8_t *out, struct err *e)
{
    return EVP_Digest(in.p, in.n, out, NULL, md, NULL) == 1 ? 0 : err_nomem(e);
}

int digest_sha1(struct span in, uint8_t out[static SHA1_SIZE], struct err *e)
{
    return digest(EVP_sha1(), in, out, e);
}

int digest_sha256(struct span in, uint8_t out[static SHA256_SIZE], struct err *e)
{
    return digest(EVP_sha256(), in, out, e);
}

int digest_sha384(struct span in, uint8_t out[static SHA384_SIZE], struct err *e)
{
    return digest(EVP_sha384(), in, out, e);
}

bool digest_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
