/* Bytes of the key become JSON here and nowhere else; whether they are a sound key is decided in
 * pkcs8.c and rsa_numbers.c. */
#include "crypto/jwk.h"

#include "base/str.h"
#include "codec/b64.h"
#include "crypto/pkcs8.h"

#include <string.h>

static int set_string(json_t *object, const char *name, struct span text, struct err *e)
{
    json_t *value = json_stringn((const char *)text.p, text.n);

    return json_object_set_new(object, name, value) == 0 ? 0 : err_nomem(e);
}

static int set_bytes(json_t *object, const char *name, const struct buf *bytes, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (b64_encode(buf_span(bytes), B64_URL, &text, e) != 0)
        return -1;
    return set_string(object, name, buf_span(&text), e);
}

/* ---- the public half of a wrapping key ---- */

static int public_members(const struct rsa_key *k, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf n = { 0 };
    CLEANUP(buf_done) struct buf exponent = { 0 };
    CLEANUP(json_freep) json_t *jwk = json_object();

    if (jwk == NULL)
        return err_nomem(e);
    if (rsa_key_modulus(k, &n, e) != 0 || rsa_key_exponent(k, &exponent, e) != 0 ||
        set_bytes(jwk, "e", &exponent, e) != 0 || set_string(jwk, "kty", span_str("RSA"), e) != 0 ||
        set_bytes(jwk, "n", &n, e) != 0)
        return -1;
    *out = TAKE(jwk);
    return 0;
}

/* RFC 7638: SHA-256 over the required members, sorted, which are exactly the public ones here. */
static int thumbprint(const json_t *members, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t digest[SHA256_SIZE];

    if (json_format(members, true, &text, e) != 0 || digest_sha256(buf_span(&text), digest, e) != 0)
        return -1;
    return b64_encode(span_of(digest, sizeof(digest)), B64_URL, out, e);
}

int jwk_thumbprint(const struct rsa_key *k, char **out, struct err *e)
{
    CLEANUP(json_freep) json_t *members = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };

    if (public_members(k, &members, e) != 0 || thumbprint(members, &text, e) != 0)
        return -1;
    return str_from_span(buf_span(&text), out, e);
}

int jwk_set_format(const struct rsa_key *k, struct buf *out, struct err *e)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(buf_done) struct buf kid = { 0 };

    if (public_members(k, &jwk, e) != 0 || thumbprint(jwk, &kid, e) != 0 ||
        set_string(jwk, "kid", buf_span(&kid), e) != 0)
        return -1;
    if (json_object_set_new(jwk, "key_ops", json_pack("[s]", "encrypt")) != 0)
        return err_nomem(e);
    CLEANUP(json_freep) json_t *set = json_pack("{s:[O]}", "keys", jwk);
    if (set == NULL)
        return err_nomem(e);
    return json_format(set, true, out, e);
}

/* ---- released keys ---- */

static struct span without_zeros(struct span number)
{
    while (number.n > 0 && number.p[0] == 0)
        number = span_of(number.p + 1, number.n - 1);
    return number;
}

static int refuse_peer(const char *name, struct err *e)
{
    return err_set(e, ERR_CHECK,
                   "the released key is another one: its \"%s\" differs from the"
                   " announced one",
                   name);
}

/* A public number, in the JWK and against what was announced. */
static int set_public(json_t *jwk, const json_t *peer, const char *name, const struct buf *number,
                      struct err *e)
{
    CLEANUP(buf_done) struct buf announced = { 0 };
    const char *text = NULL;

    if (peer != NULL && json_get_string(peer, name, &text, e) != 0)
        return -1;
    if (text != NULL) {
        if (b64_decode(span_str(text), &announced, e) != 0)
            return err_wrap(e, "\"%s\" of the announced key", name);
        if (!span_equal(without_zeros(buf_span(&announced)), without_zeros(buf_span(number))))
            return refuse_peer(name, e);
    }
    return set_bytes(jwk, name, number, e);
}

static int fill_oct(json_t *jwk, struct span material, const json_t *peer, struct err *e)
{
    CLEANUP(buf_done) struct buf k = { 0 };

    if (material.n == 0)
        return err_set(e, ERR_PARSE, "an oct key without bytes");
    if (buf_add(&k, material.p, material.n, e) != 0)
        return -1;
    return set_bytes(jwk, "k", &k, e);
}

static int fill_rsa(json_t *jwk, struct span material, const json_t *peer, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };

    if (pkcs8_parse_rsa(material, &numbers, e) != 0)
        return -1;
    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++) {
        const bool public = i == RSA_NUMBER_N || i == RSA_NUMBER_E;
        if (set_public(jwk, public ? peer : NULL, rsa_numbers_name(i), &numbers.v[i], e) != 0)
            return -1;
    }
    return 0;
}

static int fill_ec(json_t *jwk, struct span material, const json_t *peer, struct err *e)
{
    CLEANUP(pkcs8_ec_done) struct pkcs8_ec k = { 0 };
    const char *crv = NULL;

    if (pkcs8_parse_ec(material, &k, e) != 0)
        return -1;
    if (peer != NULL && json_get_string(peer, "crv", &crv, e) != 0)
        return -1;
    if (crv != NULL && strcmp(crv, k.crv) != 0)
        return refuse_peer("crv", e);
    if (set_string(jwk, "crv", span_str(k.crv), e) != 0 ||
        set_public(jwk, peer, "x", &k.x, e) != 0 || set_public(jwk, peer, "y", &k.y, e) != 0)
        return -1;
    return set_bytes(jwk, "d", &k.d, e);
}

static int set_key_ops(json_t *jwk, const json_t *key_ops, struct err *e)
{
    if (key_ops == NULL)
        return 0;
    if (!json_is_array(key_ops))
        return err_set(e, ERR_PARSE, "\"key_ops\" is not an array");
    return json_object_set_new(jwk, "key_ops", json_deep_copy(key_ops)) == 0 ? 0 : err_nomem(e);
}

int jwk_from_material(enum jwk_kty kty, struct span material, const json_t *peer,
                      const json_t *key_ops, json_t **out, struct err *e)
{
    static const struct {
        const char *name;
        int (*fill)(json_t *jwk, struct span material, const json_t *peer, struct err *e);
    } kinds[] = {
        [JWK_OCT] = { "oct", fill_oct },
        [JWK_RSA] = { "RSA", fill_rsa },
        [JWK_EC] = { "EC", fill_ec },
    };
    CLEANUP(json_freep) json_t *jwk = json_object();

    if (jwk == NULL)
        return err_nomem(e);
    if (set_string(jwk, "kty", span_str(kinds[kty].name), e) != 0 ||
        kinds[kty].fill(jwk, material, peer, e) != 0 || set_key_ops(jwk, key_ops, e) != 0)
        return -1;
    *out = TAKE(jwk);
    return 0;
}

int jwk_to_rsa(const json_t *jwk, struct rsa_key **out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    const char *kty = NULL;

    if (json_get_string(jwk, "kty", &kty, e) != 0)
        return -1;
    if (kty == NULL || strcmp(kty, "RSA") != 0)
        return err_set(e, ERR_CHECK, "the JWK does not hold an RSA key");
    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++) {
        CLEANUP(buf_done) struct buf number = { 0 };
        const char *text = NULL;
        if (json_get_string(jwk, rsa_numbers_name(i), &text, e) != 0)
            return -1;
        if (text == NULL)
            return err_set(e, ERR_PARSE, "RSA key: \"%s\" is missing", rsa_numbers_name(i));
        if (b64_decode(span_str(text), &number, e) != 0)
            return err_wrap(e, "RSA key: \"%s\"", rsa_numbers_name(i));
        if (rsa_numbers_set(&numbers, i, buf_span(&number), e) != 0)
            return -1;
    }
    return rsa_private_from_numbers(&numbers, out, e);
}
