#include "sim/vault_wrap.h"

#include "base/random.h"
#include "base/str.h"
#include "crypto/keywrap.h"

#include <string.h>

#define KEK_SIZE          32
#define OTHER_WRAP_BITS   3072
#define SHORT_CIPHER_SIZE 200

static const struct vault_enc ENCS[] = {
    { "CKM_RSA_AES_KEY_WRAP", DIGEST_SHA1 },
    { "RSA_AES_KEY_WRAP_256", DIGEST_SHA256 },
    { "RSA_AES_KEY_WRAP_384", DIGEST_SHA384 },
};

const struct vault_enc *vault_enc_find(const char *name)
{
    if (str_is_empty(name))
        return &ENCS[0];
    for (size_t i = 0; i < ARRAY_LEN(ENCS); i++)
        if (strcmp(ENCS[i].name, name) == 0)
            return &ENCS[i];
    return NULL;
}

static int wrap(const struct rsa_key *key, enum digest_alg hash, struct span material,
                struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf kek = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t *p = NULL;

    if (buf_reserve(&kek, KEK_SIZE, &p, e) != 0)
        return -1;
    random_fill(p, KEK_SIZE);
    kek.n = KEK_SIZE;
    if (rsa_oaep_encrypt(key, hash, buf_span(&kek), &text, e) != 0 ||
        keywrap_wrap(buf_span(&kek), material, &text, e) != 0)
        return -1;
    return buf_add(out, text.p, text.n, e);
}

/* To a key of another size, whose private half is forgotten at once. */
static int wrap_to_nobody(enum digest_alg hash, struct span material, struct buf *out,
                          struct err *e)
{
    CLEANUP(rsa_key_freep) struct rsa_key *key = NULL;

    if (rsa_generate(OTHER_WRAP_BITS, &key, e) != 0)
        return -1;
    return wrap(key, hash, material, out, e);
}

/* The last byte of PKCS#8 belongs to the last number: qi of RSA, the public point of EC. */
static int wrap_inconsistent(const struct rsa_key *key, enum digest_alg hash, struct span material,
                             struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf bent = { 0 };

    if (buf_add(&bent, material.p, material.n, e) != 0)
        return -1;
    bent.p[bent.n - 1] ^= 1;
    return wrap(key, hash, buf_span(&bent), out, e);
}

int vault_wrap(const struct rsa_key *key, const struct vault_enc *enc, enum jwk_kty kty,
               struct span material, enum vault_attack attack, struct buf *out, struct err *e)
{
    const size_t before = out->n;

    switch (attack) {
    case ATTACK_WRONG_OAEP_HASH:
        return wrap(key, enc->hash == DIGEST_SHA256 ? DIGEST_SHA1 : DIGEST_SHA256, material, out,
                    e);
    case ATTACK_OTHER_WRAP_SIZE:
        return wrap_to_nobody(enc->hash, material, out, e);
    case ATTACK_INCONSISTENT_RSA:
        return kty == JWK_OCT ? wrap(key, enc->hash, material, out, e)
                              : wrap_inconsistent(key, enc->hash, material, out, e);
    case ATTACK_CORRUPTED_KEY_HSM:
        if (wrap(key, enc->hash, material, out, e) != 0)
            return -1;
        out->p[out->n - 1] ^= 1;
        return 0;
    case ATTACK_SHORT_CIPHERTEXT:
        if (wrap(key, enc->hash, material, out, e) != 0)
            return -1;
        out->n = before + SHORT_CIPHER_SIZE;
        return 0;
    default:
        return wrap(key, enc->hash, material, out, e);
    }
}
