/* Whatever becomes a key passes rsa_numbers_check() or, for public ones, check_public() first. */
#include "crypto/rsa.h"

#include "crypto/pkey.h"
#include "crypto/rsa_numbers.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_BITS_MIN   2048
#define PUBLIC_BITS_MAX   8192
#define EXPONENT_BITS_MAX 64
#define PEM_MAX           (64 * 1024)

struct rsa_key {
    EVP_PKEY *pkey;
};

EVP_PKEY *rsa_key_pkey(const struct rsa_key *k)
{
    return k->pkey;
}

static int key_new(EVP_PKEY **pkey, struct rsa_key **out, struct err *e)
{
    struct rsa_key *k = malloc(sizeof(*k));

    if (k == NULL)
        return err_nomem(e);
    k->pkey = TAKE(*pkey);
    *out = k;
    return 0;
}

void rsa_key_free(struct rsa_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

void rsa_key_freep(struct rsa_key **k)
{
    rsa_key_free(*k);
    *k = NULL;
}

static void ctx_freep(EVP_PKEY_CTX **c)
{
    EVP_PKEY_CTX_free(*c);
}

/* ---- import ---- */

struct import {
    BIGNUM *numbers[RSA_NUMBERS];
    OSSL_PARAM_BLD *bld;
    OSSL_PARAM *params;
    EVP_PKEY_CTX *ctx;
};

static void import_done(struct import *i)
{
    EVP_PKEY_CTX_free(i->ctx);
    OSSL_PARAM_free(i->params);
    OSSL_PARAM_BLD_free(i->bld);
    for (size_t k = 0; k < RSA_NUMBERS; k++)
        BN_clear_free(i->numbers[k]);
}

/* The first n_numbers of the key: two make a public key, all of them a pair. */
static int import(const struct rsa_numbers *k, size_t n_numbers, struct rsa_key **out,
                  struct err *e)
{
    static const char *const names[RSA_NUMBERS] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    CLEANUP(import_done) struct import i = { .bld = OSSL_PARAM_BLD_new() };
    CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    const int what = n_numbers == RSA_NUMBERS ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;

    if (i.bld == NULL)
        return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    for (size_t j = 0; j < n_numbers; j++) {
        i.numbers[j] = BN_bin2bn(k->v[j].p, (int)k->v[j].n, NULL);
        if (i.numbers[j] == NULL || OSSL_PARAM_BLD_push_BN(i.bld, names[j], i.numbers[j]) != 1)
            return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    }
    i.params = OSSL_PARAM_BLD_to_param(i.bld);
    i.ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (i.params == NULL || i.ctx == NULL)
        return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    if (EVP_PKEY_fromdata_init(i.ctx) != 1 || EVP_PKEY_fromdata(i.ctx, &pkey, what, i.params) != 1)
        return pkey_fail(e, ERR_CHECK, "OpenSSL does not take the RSA key");
    return key_new(&pkey, out, e);
}

int rsa_private_from_numbers(const struct rsa_numbers *numbers, struct rsa_key **out, struct err *e)
{
    if (rsa_numbers_check(numbers, e) != 0)
        return -1;
    return import(numbers, RSA_NUMBERS, out, e);
}

/* ---- public keys from outside ---- */

static int get_number(const EVP_PKEY *pkey, const char *name, BIGNUM **out, struct err *e)
{
    if (EVP_PKEY_get_bn_param(pkey, name, out) != 1)
        return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    return 0;
}

static int check_public(const EVP_PKEY *pkey, struct err *e)
{
    CLEANUP(pkey_bn_freep) BIGNUM *exponent = NULL;
    CLEANUP(pkey_bn_freep) BIGNUM *n = NULL;

    if (!EVP_PKEY_is_a(pkey, "RSA"))
        return err_set(e, ERR_PARSE, "not an RSA key");
    if (get_number(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent, e) != 0 ||
        get_number(pkey, OSSL_PKEY_PARAM_RSA_N, &n, e) != 0)
        return -1;
    if (BN_num_bits(n) < PUBLIC_BITS_MIN || BN_num_bits(n) > PUBLIC_BITS_MAX)
        return err_set(e, ERR_PARSE, "an RSA key of %d bits, must be %d to %d", BN_num_bits(n),
                       PUBLIC_BITS_MIN, PUBLIC_BITS_MAX);
    if (!BN_is_odd(n) || !BN_is_odd(exponent) || BN_is_one(exponent) ||
        BN_num_bits(exponent) > EXPONENT_BITS_MAX)
        return err_set(e, ERR_PARSE, "an RSA key whose exponent or modulus cannot be one");
    return 0;
}

int rsa_public_from_numbers(struct span n, struct span exponent, struct rsa_key **out,
                            struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;

    if (rsa_numbers_set(&numbers, RSA_NUMBER_N, n, e) != 0 ||
        rsa_numbers_set(&numbers, RSA_NUMBER_E, exponent, e) != 0)
        return -1;
    if (numbers.v[RSA_NUMBER_N].n > PUBLIC_BITS_MAX / 8 ||
        numbers.v[RSA_NUMBER_E].n > EXPONENT_BITS_MAX / 8)
        return err_set(e, ERR_PARSE, "an RSA key whose numbers are too long");
    if (numbers.v[RSA_NUMBER_N].n == 0 || numbers.v[RSA_NUMBER_E].n == 0)
        return err_set(e, ERR_PARSE, "an RSA key without modulus or exponent");
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): pkey_fail() returns -1 */
    if (import(&numbers, 2, &k, e) != 0 || check_public(k->pkey, e) != 0)
        return -1;
    *out = TAKE(k);
    return 0;
}

static EVP_PKEY *from_spki(const uint8_t **p, long n)
{
    return d2i_PUBKEY(NULL, p, n);
}

static EVP_PKEY *from_pkcs1(const uint8_t **p, long n)
{
    return d2i_PublicKey(EVP_PKEY_RSA, NULL, p, n);
}

static EVP_PKEY *from_certificate(const uint8_t **p, long n)
{
    X509 *cert = d2i_X509(NULL, p, n);
    EVP_PKEY *pkey = cert == NULL ? NULL : X509_get_pubkey(cert);

    X509_free(cert);
    return pkey;
}

struct pem_block {
    char *name, *header;
    uint8_t *data;
    long n;
};

static void pem_block_done(struct pem_block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->data, (size_t)b->n); /* somebody may have named a private key */
}

static int pkey_from_block(const struct pem_block *b, EVP_PKEY **out, struct err *e)
{
    static const struct {
        const char *name;
        EVP_PKEY *(*read)(const uint8_t **p, long n);
    } kinds[] = {
        { "PUBLIC KEY", from_spki },
        { "RSA PUBLIC KEY", from_pkcs1 },
        { "CERTIFICATE", from_certificate },
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const uint8_t *p = b->data;
        if (strcmp(b->name, kinds[i].name) != 0)
            continue;
        CLEANUP(pkey_freep) EVP_PKEY *pkey = kinds[i].read(&p, b->n);
        if (pkey == NULL || p != b->data + b->n)
            return pkey_fail(e, ERR_PARSE, "the PEM block does not hold a public key");
        *out = TAKE(pkey);
        return 0;
    }
    return err_set(e, ERR_PARSE, "the PEM block is neither a public key nor a certificate");
}

int rsa_public_from_pem(struct span pem, struct rsa_key **out, struct err *e)
{
    CLEANUP(pem_block_done) struct pem_block block = { 0 };
    CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;

    if (pem.n == 0 || pem.n > PEM_MAX)
        return err_set(e, ERR_PARSE, "%zu bytes are no PEM file with a public key", pem.n);
    CLEANUP(pkey_bio_freep) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL)
        return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    if (PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.n) != 1)
        return pkey_fail(e, ERR_PARSE, "not a PEM file");
    if (pkey_from_block(&block, &pkey, e) != 0 || check_public(pkey, e) != 0)
        return -1;
    return key_new(&pkey, out, e);
}

/* ---- parts ---- */

size_t rsa_key_size(const struct rsa_key *k)
{
    return (size_t)EVP_PKEY_get_size(k->pkey);
}

static int add_number(const struct rsa_key *k, const char *name, struct buf *out, struct err *e)
{
    CLEANUP(pkey_bn_freep) BIGNUM *number = NULL;
    uint8_t *to = NULL;

    if (get_number(k->pkey, name, &number, e) != 0 ||
        buf_reserve(out, (size_t)BN_num_bytes(number), &to, e) != 0)
        return -1;
    out->n += (size_t)BN_bn2bin(number, to);
    return 0;
}

int rsa_key_modulus(const struct rsa_key *k, struct buf *out, struct err *e)
{
    return add_number(k, OSSL_PKEY_PARAM_RSA_N, out, e);
}

int rsa_key_exponent(const struct rsa_key *k, struct buf *out, struct err *e)
{
    return add_number(k, OSSL_PKEY_PARAM_RSA_E, out, e);
}

/* ---- OAEP ---- */

/* Which of its checks failed would tell a forger how to go on. */
#define DECRYPTION_FAILED "RSA-OAEP decryption failed"

static const EVP_MD *md_of(enum digest_alg hash)
{
    switch (hash) {
    case DIGEST_SHA1:
        return EVP_sha1();
    case DIGEST_SHA256:
        return EVP_sha256();
    case DIGEST_SHA384:
        return EVP_sha384();
    }
    return NULL;
}

static bool oaep_run(EVP_PKEY_CTX *ctx, const EVP_MD *md, bool encrypts, struct span in,
                     uint8_t *to, size_t *n)
{
    if ((encrypts ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) != 1)
        return false;
    return (encrypts ? EVP_PKEY_encrypt(ctx, to, n, in.p, in.n)
                     : EVP_PKEY_decrypt(ctx, to, n, in.p, in.n)) == 1;
}

static int oaep(const struct rsa_key *k, enum digest_alg hash, bool encrypts, struct span in,
                struct buf *out, struct err *e)
{
    CLEANUP(ctx_freep)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    const size_t room = rsa_key_size(k);
    uint8_t *to = NULL;
    size_t n = room;

    if (ctx == NULL)
        return pkey_fail(e, ERR_NOMEM, "preparing an RSA key");
    if (buf_reserve(out, room, &to, e) != 0)
        return -1;
    if (!oaep_run(ctx, md_of(hash), encrypts, in, to, &n)) {
        mem_wipe(to, room);
        ERR_clear_error();
        return err_set(e, ERR_CHECK, encrypts ? "RSA-OAEP encryption failed" : DECRYPTION_FAILED);
    }
    out->n += n;
    return 0;
}

int rsa_oaep_encrypt(const struct rsa_key *k, enum digest_alg hash, struct span in, struct buf *out,
                     struct err *e)
{
    const size_t overhead = 2 * (size_t)EVP_MD_get_size(md_of(hash)) + 2;

    if (in.n > rsa_key_size(k) - overhead)
        return err_set(e, ERR_CHECK, "%zu bytes are too long for RSA-OAEP with a key of %zu bytes",
                       in.n, rsa_key_size(k));
    return oaep(k, hash, true, in, out, e);
}

int rsa_oaep_decrypt(const struct rsa_key *k, enum digest_alg hash, struct span in, struct buf *out,
                     struct err *e)
{
    if (in.n != rsa_key_size(k)) /* OpenSSL would put zeros in front */
        return err_set(e, ERR_CHECK, DECRYPTION_FAILED);
    return oaep(k, hash, false, in, out, e);
}
