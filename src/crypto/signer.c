/*
 * Keys of the local cloud. RSA keys come from the floor's fast generator; whatever is read from
 * outside is checked as a whole, so that nobody signs with numbers that do not belong together.
 */
#include "crypto/pkey.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>

#define MIN_RSA_BITS 2048
#define MAX_RSA_BITS 8192
#define MAX_KEY_TEXT 32768 /* of a PEM or DER key; RSA-8192 takes a fifth of it */

struct signer {
    EVP_PKEY *key;
};

EVP_PKEY *signer_pkey(const struct signer *k)
{
    return k->key;
}

/* Takes the key over, on success only. */
static int wrap(EVP_PKEY **key, struct signer **out, struct err *e)
{
    struct signer *k = malloc(sizeof(*k));

    if (k == NULL)
        return err_nomem(e);
    k->key = TAKE(*key);
    *out = k;
    return 0;
}

int signer_new_rsa(unsigned bits, struct signer **out, struct err *e)
{
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
        return err_set(e, ERR_ARG, "RSA keys have %d to %d bits, not %u", MIN_RSA_BITS,
                       MAX_RSA_BITS, bits);
    CLEANUP(rsa_key_freep) struct rsa_key *made = NULL;
    if (rsa_generate(bits, &made, e) != 0)
        return -1;
    CLEANUP(pkey_freep) EVP_PKEY *key = rsa_key_pkey(made);
    EVP_PKEY_up_ref(key);
    return wrap(&key, out, e);
}

int signer_new_ec(enum signer_curve curve, struct signer **out, struct err *e)
{
    CLEANUP(pkey_freep) EVP_PKEY *key = EVP_EC_gen(pkey_curves[curve].name);

    if (key == NULL)
        return pkey_fail(e, ERR_NOMEM, "making an EC key failed");
    return wrap(&key, out, e);
}

void signer_free(struct signer *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

void signer_freep(struct signer **k)
{
    signer_free(*k);
}

int signer_accept(EVP_PKEY **key, struct signer **out, struct err *e)
{
    const bool is_rsa = EVP_PKEY_get_base_id(*key) == EVP_PKEY_RSA;
    const int bits = EVP_PKEY_get_bits(*key);

    if (!is_rsa && pkey_curve(*key) == NULL)
        return err_set(e, ERR_PARSE, "a signing key is RSA, P-256, P-384 or P-521");
    if (is_rsa && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS))
        return err_set(e, ERR_PARSE, "RSA keys have %d to %d bits, not %d", MIN_RSA_BITS,
                       MAX_RSA_BITS, bits);

    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, *key, NULL);
    if (ctx == NULL)
        return err_nomem(e);
    const int ok = EVP_PKEY_check(ctx);
    EVP_PKEY_CTX_free(ctx);
    if (ok != 1)
        return pkey_fail(e, ERR_CHECK, "the numbers of the private key do not belong together");
    return wrap(key, out, e);
}

static void pkcs8_freep(PKCS8_PRIV_KEY_INFO **p)
{
    PKCS8_PRIV_KEY_INFO_free(*p);
}

int signer_from_der(struct span pkcs8, struct signer **out, struct err *e)
{
    if (pkcs8.n > MAX_KEY_TEXT)
        return err_set(e, ERR_PARSE, "a private key of %zu bytes", pkcs8.n);

    const uint8_t *p = pkcs8.p;
    CLEANUP(pkcs8_freep)
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)pkcs8.n);
    if (info == NULL || p != pkcs8.p + pkcs8.n)
        return pkey_fail(e, ERR_PARSE, "not a PKCS#8 private key");
    CLEANUP(pkey_freep) EVP_PKEY *key = EVP_PKCS82PKEY(info);
    if (key == NULL)
        return pkey_fail(e, ERR_PARSE, "not a private key that OpenSSL knows");
    return signer_accept(&key, out, e);
}

int signer_from_pem(struct span pem, struct signer **out, struct err *e)
{
    if (pem.n > MAX_KEY_TEXT)
        return err_set(e, ERR_PARSE, "a private key of %zu bytes", pem.n);
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL)
        return err_nomem(e);

    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;
    long n = 0;
    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1)
        return pkey_fail(e, ERR_PARSE, "no PEM text");
    const bool is_pkcs8 = strcmp(name, PEM_STRING_PKCS8INF) == 0 && header[0] == '\0';
    const int result = is_pkcs8 ? signer_from_der(span_of(der, (size_t)n), out, e)
                                : err_set(e, ERR_PARSE, "not an unencrypted PKCS#8 private key");
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)n);
    return result;
}

int signer_write_der(const struct signer *k, struct buf *out, struct err *e)
{
    CLEANUP(pkcs8_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->key);
    uint8_t *der = NULL;
    const int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);

    if (n < 0)
        return pkey_fail(e, ERR_NOMEM, "writing a private key failed");
    const int result = buf_add(out, der, (size_t)n, e);
    OPENSSL_clear_free(der, (size_t)n);
    return result;
}

int signer_write_pem(const struct signer *k, struct buf *out, struct err *e)
{
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new(BIO_s_secmem());

    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, k->key, NULL, NULL, 0, NULL, NULL) != 1)
        return pkey_fail(e, ERR_NOMEM, "writing a private key failed");
    char *text = NULL;
    const long n = BIO_get_mem_data(bio, &text);
    return buf_add(out, text, (size_t)n, e);
}

int signer_public_der(const struct signer *k, struct buf *out, struct err *e)
{
    CLEANUP(pkey_der_freep) uint8_t *der = NULL;
    const int n = i2d_PUBKEY(k->key, &der);

    if (n < 0)
        return pkey_fail(e, ERR_NOMEM, "writing a public key failed");
    return buf_add(out, der, (size_t)n, e);
}

static void sig_freep(ECDSA_SIG **s)
{
    ECDSA_SIG_free(*s);
}

int signer_ecdsa(const struct signer *k, const EVP_MD *hash, struct span data, size_t width,
                 uint8_t *out, struct err *e)
{
    CLEANUP(pkey_md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t der[160]; /* two INTEGERs of at most 67 bytes */
    size_t n = sizeof(der);

    if (md == NULL || EVP_DigestSignInit(md, NULL, hash, NULL, k->key) != 1 ||
        EVP_DigestSign(md, der, &n, data.p, data.n) != 1)
        return pkey_fail(e, ERR_NOMEM, "signing failed");
    const uint8_t *p = der;
    CLEANUP(sig_freep) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)width) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + width, (int)width) < 0)
        return pkey_fail(e, ERR_NOMEM, "signing failed");
    return 0;
}

int signer_ecdsa_p384(const struct signer *k, struct span data,
                      uint8_t out_r[static SIGNER_P384_SIZE],
                      uint8_t out_s[static SIGNER_P384_SIZE], struct err *e)
{
    uint8_t rs[2 * SIGNER_P384_SIZE];

    if (pkey_curve(k->key) != &pkey_curves[SIGNER_P384])
        return err_set(e, ERR_ARG, "not a P-384 key");
    if (signer_ecdsa(k, EVP_sha384(), data, SIGNER_P384_SIZE, rs, e) != 0)
        return -1;
    memcpy(out_r, rs, SIGNER_P384_SIZE);
    memcpy(out_s, rs + SIGNER_P384_SIZE, SIGNER_P384_SIZE);
    return 0;
}
