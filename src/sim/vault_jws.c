/*
 * The signed answer of a release in the form of each product (protocols.md §2.5), and the ways to
 * get it wrong. What is sound about an attack stays sound: only what its name says is crooked.
 */
#include "sim/vault_signer.h"

#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "crypto/jws_sign.h"

#include <ctype.h>
#include <string.h>

#define HMAC_BLOCK 64

/* Takes value over, also on failure. */
static int put(json_t *object, const char *name, json_t *value, struct err *e)
{
    return json_object_set_new(object, name, value) == 0 ? 0 : err_nomem(e);
}

static int encode(struct span in, enum b64_form form, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (b64_encode(in, form, &text, e) != 0)
        return -1;
    *out = json_stringn((const char *)text.p, text.n);
    return *out != NULL ? 0 : err_nomem(e);
}

static int put_b64(json_t *object, const char *name, struct span in, struct err *e)
{
    json_t *text = NULL;

    return encode(in, B64_URL, &text, e) != 0 ? -1 : put(object, name, text, e);
}

static int put_chain(json_t *header, const struct vault_signer *s, struct err *e)
{
    CLEANUP(json_freep) json_t *x5c = json_array();

    for (size_t i = 0; i < ARRAY_LEN(s->chain); i++) {
        json_t *cert = NULL;
        if (encode(x509_cert_der(s->chain[i]), B64_STD, &cert, e) != 0)
            return -1;
        if (json_array_append_new(x5c, cert) != 0)
            return err_nomem(e);
    }
    return put(header, "x5c", TAKE(x5c), e);
}

static int put_akv_thumbprint(json_t *header, struct span leaf, struct err *e)
{
    uint8_t sha1[SHA1_SIZE];
    char kid[2 * SHA1_SIZE + 1];

    if (digest_sha1(leaf, sha1, e) != 0)
        return -1;
    hex_format(sha1, sizeof(sha1), kid);
    for (char *c = kid; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return put(header, "kid", json_string(kid), e) != 0 ||
                   put_b64(header, "x5t", span_of(sha1, sizeof(sha1)), e) != 0
               ? -1
               : put(header, "typ", json_string("JWT"), e);
}

static const char *alg_of(enum vault_attack attack)
{
    switch (attack) {
    case ATTACK_ALG_NONE:
        return "none";
    case ATTACK_ALG_HS256:
        return "HS256";
    case ATTACK_ALG_ES256:
        return "ES256";
    default:
        return "RS256";
    }
}

static int format_header(const struct vault_signer *s, enum vault_product product,
                         enum vault_attack attack, struct buf *out, struct err *e)
{
    CLEANUP(json_freep) json_t *header = json_object();
    const struct span leaf = x509_cert_der(s->chain[0]);
    uint8_t sha256[SHA256_SIZE];

    if (digest_sha256(leaf, sha256, e) != 0 ||
        put(header, "alg", json_string(alg_of(attack)), e) != 0)
        return -1;
    const struct span thumbprint = span_of(sha256, sizeof(sha256));
    if (product == VAULT_AKV) {
        if (put_akv_thumbprint(header, leaf, e) != 0 ||
            put_b64(header, "x5t#S256", thumbprint, e) != 0 || put_chain(header, s, e) != 0)
            return -1;
    } else if (put_b64(header, "kid", thumbprint, e) != 0 || put_chain(header, s, e) != 0 ||
               put_b64(header, "x5t#S256", thumbprint, e) != 0) {
        return -1;
    }
    if (attack == ATTACK_CRIT && (put(header, "crit", json_pack("[s]", "cloudsim"), e) != 0 ||
                                  put(header, "cloudsim", json_true(), e) != 0))
        return -1;
    return json_format(header, false, out, e);
}

/* RFC 2104 with SHA-256; a key longer than a block counts by its hash. */
static int hmac_sha256(struct span key, struct span data, uint8_t out[static SHA256_SIZE],
                       struct err *e)
{
    CLEANUP(buf_done) struct buf inner = { 0 };
    uint8_t block[HMAC_BLOCK] = { 0 }, outer[HMAC_BLOCK + SHA256_SIZE];

    if (digest_sha256(key, block, e) != 0)
        return -1;
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        outer[i] = block[i] ^ 0x5c;
        block[i] ^= 0x36;
    }
    if (buf_add(&inner, block, sizeof(block), e) != 0 || buf_add(&inner, data.p, data.n, e) != 0 ||
        digest_sha256(buf_span(&inner), outer + HMAC_BLOCK, e) != 0)
        return -1;
    return digest_sha256(span_of(outer, sizeof(outer)), out, e);
}

/* header.payload. and, for HS256, the HMAC of it under the PEM-free public key, which a careless
 * reader of "alg" would check it with. */
static int sign_without_key(const struct vault_signer *s, enum vault_attack attack,
                            struct span header, struct span payload, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t mac[SHA256_SIZE];

    if (b64_encode(header, B64_URL, &text, e) != 0 || buf_add_str(&text, ".", e) != 0 ||
        b64_encode(payload, B64_URL, &text, e) != 0 ||
        hmac_sha256(x509_cert_spki(s->chain[0]), buf_span(&text), mac, e) != 0 ||
        buf_add_str(&text, ".", e) != 0)
        return -1;
    if (attack == ATTACK_ALG_HS256 && b64_encode(span_of(mac, sizeof(mac)), B64_URL, &text, e) != 0)
        return -1;
    return buf_add(out, text.p, text.n, e);
}

/* Cuts or bends a finished JWS. */
static void bend(enum vault_attack attack, struct buf *jws)
{
    uint8_t *last_dot = memrchr(jws->p, '.', jws->n);

    if (attack == ATTACK_TWO_PARTS)
        jws->n = (size_t)(last_dot - jws->p);
    if (attack == ATTACK_WRONG_SIGNATURE)
        last_dot[1] = last_dot[1] == 'A' ? 'B' : 'A';
}

int vault_signer_sign(const struct vault_signer *s, enum vault_product product,
                      enum vault_attack attack, struct span payload, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf header = { 0 };
    CLEANUP(buf_done) struct buf jws = { 0 };

    if (attack == ATTACK_GARBAGE_JWS)
        return buf_add_str(out, "this is {no} JWS.at all.!", e);
    if (attack == ATTACK_NOT_JSON_PAYLOAD)
        payload = span_str("not JSON");
    if (format_header(s, product, attack, &header, e) != 0)
        return -1;
    if ((attack == ATTACK_ALG_NONE || attack == ATTACK_ALG_HS256
             ? sign_without_key(s, attack, buf_span(&header), payload, &jws, e)
             : jws_sign(s->key, buf_span(&header), payload, &jws, e)) != 0)
        return -1;
    bend(attack, &jws);
    return buf_add(out, jws.p, jws.n, e);
}
