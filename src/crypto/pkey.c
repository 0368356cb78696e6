/* What the files of this floor share about OpenSSL: its errors, its ownership, its curves. */
#include "crypto/pkey.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <string.h>

const struct pkey_curve pkey_curves[3] = {
    [SIGNER_P256] = { "P-256", "prime256v1", 32 },
    [SIGNER_P384] = { "P-384", "secp384r1", SIGNER_P384_SIZE },
    [SIGNER_P521] = { "P-521", "secp521r1", 66 },
};

const struct pkey_curve *pkey_curve(const EVP_PKEY *k)
{
    char name[32];
    size_t n;

    if (EVP_PKEY_get_base_id(k) != EVP_PKEY_EC ||
        EVP_PKEY_get_utf8_string_param(k, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name), &n) != 1)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(pkey_curves); i++)
        if (strcmp(name, pkey_curves[i].openssl_name) == 0)
            return &pkey_curves[i];
    return NULL;
}

int pkey_fail(struct err *e, enum err_code code, const char *what)
{
    const unsigned long last = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(last);

    ERR_clear_error();
    if (ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE)
        return err_nomem(e);
    if (reason == NULL)
        return err_set(e, code, "%s", what);
    return err_set(e, code, "%s: %s", what, reason);
}

void pkey_freep(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

void pkey_md_freep(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

void pkey_bio_freep(BIO **b)
{
    BIO_free_all(*b);
}

void pkey_bn_freep(BIGNUM **n)
{
    BN_clear_free(*n);
}

void pkey_der_freep(uint8_t **p)
{
    OPENSSL_free(*p);
}
