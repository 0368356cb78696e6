/*
 * The signing keys of the simulated attestation service are at hand, and an RSA signature of
 * PKCS#1 v1.5 has exactly one form: a token is verified by signing its text again and comparing.
 */
#include "sim/vault_target.h"

#include "base/str.h"
#include "codec/b64.h"
#include "crypto/jws.h"
#include "crypto/jws_sign.h"
#include "sim/sim_maa.h"

#include <string.h>

void vault_target_done(struct vault_target *t)
{
    json_decref(t->claims);
    rsa_key_free(t->wrap_key);
    str_free(t->wrap_kid);
    *t = (struct vault_target){ 0 };
}

static int decode_part(const char *start, const char *end, struct buf *out, struct err *e)
{
    return b64_decode_jose(span_of(start, (size_t)(end - start)), out, e);
}

/* token has three parts, which jws_peek() has seen to. */
static int check_signature(const char *token, const struct signer *key, struct err *e)
{
    CLEANUP(buf_done) struct buf header = { 0 };
    CLEANUP(buf_done) struct buf payload = { 0 };
    CLEANUP(buf_done) struct buf again = { 0 };
    const char *first = strchr(token, '.'), *second = strrchr(token, '.');

    if (decode_part(token, first, &header, e) != 0 ||
        decode_part(first + 1, second, &payload, e) != 0 ||
        jws_sign(key, buf_span(&header), buf_span(&payload), &again, e) != 0)
        return -1;
    if (!span_equal(buf_span(&again), span_str(token)))
        return err_set(e, ERR_CHECK, "the signature of the token is wrong");
    return 0;
}

static int check_issuer(struct sim *sim, const char *token, const json_t *header,
                        const json_t *claims, struct err *e)
{
    const char *alg = NULL, *kid = NULL, *issuer = NULL;
    const struct signer *key = NULL;

    if (json_get_string(header, "alg", &alg, e) != 0 ||
        json_get_string(header, "kid", &kid, e) != 0 ||
        json_get_string(claims, "iss", &issuer, e) != 0)
        return -1;
    if (alg == NULL || strcmp(alg, "RS256") != 0)
        return err_set(e, ERR_CHECK, "the token is not signed with RS256");
    if (kid == NULL || issuer == NULL)
        return err_set(e, ERR_CHECK, "the token has no %s", kid == NULL ? "kid" : "iss");
    if (sim_maa_find_key(sim, issuer, kid, &key, e) != 0)
        return -1;
    if (key == NULL)
        return err_set(e, ERR_CHECK, "the issuer of the token publishes no such key");
    return check_signature(token, key, e);
}

static int check_times(const json_t *claims, int64_t now, struct err *e)
{
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");

    if (!json_is_integer(exp))
        return err_set(e, ERR_CHECK, "the token has no exp");
    if (json_integer_value(exp) < now - VAULT_CLOCK_TOLERANCE_S)
        return err_set(e, ERR_CHECK, "the token has expired");
    if (json_is_integer(nbf) && json_integer_value(nbf) > now + VAULT_CLOCK_TOLERANCE_S)
        return err_set(e, ERR_CHECK, "the token is not valid yet");
    return 0;
}

static bool is_text(const json_t *v, const char *text)
{
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

static bool is_suitable(const json_t *jwk)
{
    const json_t *ops = json_object_get(jwk, "key_ops");

    if (!is_text(json_object_get(jwk, "kty"), "RSA") ||
        !json_is_string(json_object_get(jwk, "kid")))
        return false;
    if (is_text(json_object_get(jwk, "key_use"), "enc") ||
        is_text(json_object_get(jwk, "use"), "enc"))
        return true;
    for (size_t i = 0; i < json_array_size(ops); i++)
        if (is_text(json_array_get(ops, i), "encrypt"))
            return true;
    return false;
}

static int read_number(const json_t *jwk, const char *name, struct buf *out, struct err *e)
{
    const char *text = NULL;

    if (json_get_string(jwk, name, &text, e) != 0)
        return -1;
    if (text == NULL)
        return err_set(e, ERR_CHECK, "the wrapping key has no %s", name);
    return b64_decode(span_str(text), out, e);
}

static int read_key(const json_t *jwk, struct rsa_key **out, char **out_kid, struct err *e)
{
    CLEANUP(buf_done) struct buf n = { 0 };
    CLEANUP(buf_done) struct buf exponent = { 0 };
    CLEANUP(str_freep) char *kid = NULL;
    const char *text = NULL;

    if (json_get_string(jwk, "kid", &text, e) != 0 || str_dup(text, &kid, e) != 0 ||
        read_number(jwk, "n", &n, e) != 0 || read_number(jwk, "e", &exponent, e) != 0 ||
        rsa_public_from_numbers(buf_span(&n), buf_span(&exponent), out, e) != 0)
        return -1;
    *out_kid = TAKE(kid);
    return 0;
}

int vault_target_wrap_key(const json_t *claims, struct rsa_key **out, char **out_kid, struct err *e)
{
    const json_t *keys = json_object_get(json_object_get(claims, "x-ms-runtime"), "keys");

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (is_suitable(json_array_get(keys, i)))
            return read_key(json_array_get(keys, i), out, out_kid, e);
    return err_set(e, ERR_CHECK, "x-ms-runtime has no RSA key with a kid that may encrypt");
}

int vault_target_verify(struct sim *sim, const char *token, struct vault_target *out, struct err *e)
{
    CLEANUP(vault_target_done) struct vault_target t = { 0 };
    CLEANUP(json_freep) json_t *header = NULL;

    if (jws_peek(span_str(token), &header, &t.claims, e) != 0 ||
        check_issuer(sim, token, header, t.claims, e) != 0 ||
        check_times(t.claims, sim_now_s(sim), e) != 0 ||
        vault_target_wrap_key(t.claims, &t.wrap_key, &t.wrap_kid, e) != 0)
        return -1;
    *out = t;
    t = (struct vault_target){ 0 };
    return 0;
}
