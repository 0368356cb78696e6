/* The list of signature algorithms is ours, not a library's: what is not here does not exist. */
#include "crypto/jws_alg.h"

#include "crypto/pkey.h"

#include <openssl/rsa.h>

#include <string.h>

static const struct jws_alg algs[] = {
    { "RS256", EVP_sha256, false }, { "RS384", EVP_sha384, false }, { "RS512", EVP_sha512, false },
    { "PS256", EVP_sha256, true },  { "PS384", EVP_sha384, true },  { "PS512", EVP_sha512, true },
};

const struct jws_alg *jws_alg_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(algs); i++)
        if (strcmp(algs[i].name, name) == 0)
            return &algs[i];
    return NULL;
}

int jws_alg_set_padding(const struct jws_alg *alg, EVP_PKEY_CTX *ctx, struct err *e)
{
    if (!alg->is_pss) {
        if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1)
            return pkey_fail(e, ERR_CHECK, "setting the padding failed");
        return 0;
    }
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, alg->hash()) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1)
        return pkey_fail(e, ERR_CHECK, "setting the padding failed");
    return 0;
}
