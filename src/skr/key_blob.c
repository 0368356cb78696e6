/* protocols: the release payload and key_hsm of Azure Key Vault and Managed HSM. */
#include "skr/key_blob.h"

#include "base/str.h"
#include "codec/b64.h"
#include "crypto/keywrap.h"

#include <string.h>

void key_blob_done(struct key_blob *b)
{
    buf_done(&b->ciphertext);
    *b = (struct key_blob){ 0 };
}

static int parse_enc(const char *enc, enum digest_alg *out, struct err *e)
{
    static const struct {
        const char *name;
        enum digest_alg hash;
    } encs[] = {
        { "CKM_RSA_AES_KEY_WRAP", DIGEST_SHA1 },
        { "RSA_AES_KEY_WRAP_256", DIGEST_SHA256 },
        { "RSA_AES_KEY_WRAP_384", DIGEST_SHA384 },
    };

    for (size_t i = 0; enc != NULL && i < ARRAY_LEN(encs); i++) {
        if (strcmp(enc, encs[i].name) == 0) {
            *out = encs[i].hash;
            return 0;
        }
    }
    return err_set(e, ERR_PARSE, "the released key is wrapped in an unknown way (request.enc)");
}

static int parse_kty(const char *kty, enum jwk_kty *out, struct err *e)
{
    static const struct {
        const char *name;
        enum jwk_kty kty;
    } types[] = {
        { "oct", JWK_OCT },     { "oct-HSM", JWK_OCT }, { "RSA", JWK_RSA },
        { "RSA-HSM", JWK_RSA }, { "EC", JWK_EC },       { "EC-HSM", JWK_EC },
    };

    for (size_t i = 0; kty != NULL && i < ARRAY_LEN(types); i++) {
        if (strcmp(kty, types[i].name) == 0) {
            *out = types[i].kty;
            return 0;
        }
    }
    return err_set(e, ERR_PARSE, "the released key is of an unknown type (kty)");
}

/* key_hsm: base64url of {"schema_version","header":{"kid","alg","enc"},"ciphertext"}. */
static int parse_key_hsm(const char *key_hsm, const char *enc, const char *wrapping_kid,
                         struct buf *out_ciphertext, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(json_freep) json_t *json = NULL;

    if (key_hsm == NULL)
        return err_set(e, ERR_PARSE, "key_hsm is missing");
    if (b64_decode(span_str(key_hsm), &text, e) != 0 || json_parse(buf_span(&text), &json, e) != 0)
        return err_wrap(e, "key_hsm");
    const char *ciphertext = json_string_value(json_object_get(json, "ciphertext"));
    const char *kid = json_string_value(json_path(json, "header.kid"));
    const char *inner_enc = json_string_value(json_path(json, "header.enc"));
    if (ciphertext == NULL)
        return err_set(e, ERR_PARSE, "key_hsm has no ciphertext");
    if (kid != NULL && strcmp(kid, wrapping_kid) != 0)
        return err_set(e, ERR_CHECK, "key_hsm is wrapped to another key than the attested one");
    if (inner_enc != NULL && strcmp(inner_enc, enc) != 0)
        return err_set(e, ERR_CHECK, "key_hsm and the request disagree on the wrapping");
    if (b64_decode(span_str(ciphertext), out_ciphertext, e) != 0)
        return err_wrap(e, "ciphertext of key_hsm");
    return 0;
}

int key_blob_parse(const json_t *payload, const struct endpoint *vault, const struct key_ref *key,
                   const char *wrapping_kid, struct key_blob *out, struct err *e)
{
    CLEANUP(key_blob_done) struct key_blob b = { .oaep = DIGEST_SHA1 };
    const json_t *inner = json_path(payload, "response.key.key");
    const char *enc = json_string_value(json_path(payload, "request.enc"));
    const char *kid = json_string_value(json_object_get(inner, "kid"));

    if (!json_is_object(inner))
        return err_set(e, ERR_PARSE, "the answer has no response.key.key");
    if (kid == NULL || !key_ref_matches_url(key, vault, kid))
        return err_set(e, ERR_CHECK, "the answer is about another key than the one asked for");
    if (parse_enc(enc, &b.oaep, e) != 0 ||
        parse_kty(json_string_value(json_object_get(inner, "kty")), &b.kty, e) != 0 ||
        parse_key_hsm(json_string_value(json_object_get(inner, "key_hsm")), enc, wrapping_kid,
                      &b.ciphertext, e) != 0)
        return -1;
    b.peer = inner;
    b.key_ops = json_object_get(inner, "key_ops");
    if (json_is_null(b.key_ops))
        b.key_ops = NULL;
    if (b.key_ops != NULL && !json_is_array(b.key_ops))
        return err_set(e, ERR_PARSE, "key_ops is not an array");
    *out = b;
    b = (struct key_blob){ 0 };
    return 0;
}

int key_blob_unwrap(const struct key_blob *b, const struct rsa_key *wrapping, json_t **out_jwk,
                    struct err *e)
{
    CLEANUP(buf_done) struct buf kek = { 0 };
    CLEANUP(buf_done) struct buf material = { 0 };
    const size_t n = rsa_key_size(wrapping);

    if (b->ciphertext.n <= n)
        return err_set(e, ERR_CHECK, "the wrapped key is too short");
    if (rsa_oaep_decrypt(wrapping, b->oaep, span_of(b->ciphertext.p, n), &kek, e) != 0)
        return err_wrap(e, "unwrapping the key encryption key");
    if (keywrap_unwrap(buf_span(&kek), span_of(b->ciphertext.p + n, b->ciphertext.n - n), &material,
                       e) != 0)
        return err_wrap(e, "unwrapping the key");
    return jwk_from_material(b->kty, buf_span(&material), b->peer, b->key_ops, out_jwk, e);
}
