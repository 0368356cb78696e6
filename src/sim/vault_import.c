/*
 * Reads the bodies that make and change keys. The properties that import, create and update share
 * are read into one draft first and applied only when all of it is in order.
 */
#include "sim/vault_import.h"

#include "base/random.h"
#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "crypto/signer.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OCT_SIZE 64
#define POLICY_TYPE  "application/json; charset=utf-8"

/* What a body says beside the key itself. */
struct draft {
    bool has_enabled, enabled, has_exportable, exportable;
    int64_t not_before, expires; /* VAULT_NO_TIME: not said */
    json_t *key_ops, *tags;
    struct buf policy; /* normalised; empty: none */
    char *policy_type;
    bool policy_immutable;
};

static void draft_done(struct draft *d)
{
    json_decref(d->key_ops);
    json_decref(d->tags);
    buf_done(&d->policy);
    str_free(d->policy_type);
}

static int read_bool(const json_t *object, const char *name, bool *out_has, bool *out,
                     struct err *e)
{
    const json_t *v = json_object_get(object, name);

    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_boolean(v))
        return err_set(e, ERR_ARG, "Property %s is not a boolean.", name);
    *out_has = true;
    *out = json_is_true(v);
    return 0;
}

static int read_time(const json_t *object, const char *name, int64_t *out, struct err *e)
{
    const json_t *v = json_object_get(object, name);

    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_integer(v))
        return err_set(e, ERR_ARG, "Property %s is not a number of seconds.", name);
    *out = json_integer_value(v);
    return 0;
}

/* Member of an object that must be an object itself; NULL when absent or null. Borrowed. */
static int read_object(const json_t *object, const char *name, const json_t **out, struct err *e)
{
    const json_t *v = json_object_get(object, name);

    if (v != NULL && !json_is_null(v) && !json_is_object(v))
        return err_set(e, ERR_ARG, "Property %s is not an object.", name);
    *out = json_is_object(v) ? v : NULL;
    return 0;
}

static int read_attributes(const json_t *body, struct draft *d, struct err *e)
{
    const json_t *a = NULL;

    if (read_object(body, "attributes", &a, e) != 0 ||
        read_bool(a, "enabled", &d->has_enabled, &d->enabled, e) != 0 ||
        read_bool(a, "exportable", &d->has_exportable, &d->exportable, e) != 0 ||
        read_time(a, "nbf", &d->not_before, e) != 0 || read_time(a, "exp", &d->expires, e) != 0)
        return -1;
    return 0;
}

static bool is_key_op(const char *op)
{
    static const char *const ops[] = { "encrypt", "decrypt",   "sign",   "verify",
                                       "wrapKey", "unwrapKey", "import", "export" };

    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(ops[i], op) == 0)
            return true;
    return false;
}

static int read_key_ops(const json_t *object, struct draft *d, struct err *e)
{
    const json_t *ops = json_object_get(object, "key_ops");

    if (ops == NULL || json_is_null(ops))
        return 0;
    if (!json_is_array(ops))
        return err_set(e, ERR_ARG, "Property key_ops is not an array.");
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const json_t *op = json_array_get(ops, i);
        if (!json_is_string(op) || !is_key_op(json_string_value(op)))
            return err_set(e, ERR_ARG, "Property key_ops has an unsupported value.");
    }
    d->key_ops = json_deep_copy(ops);
    return d->key_ops != NULL ? 0 : err_nomem(e);
}

static int decode(const char *name, const char *text, struct buf *out, struct err *e)
{
    if (b64_decode(span_str(text), out, e) != 0)
        return err_wrap(e, "Property %s is not base64", name);
    return 0;
}

static int read_policy(enum vault_product product, const json_t *body, struct draft *d,
                       struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    const json_t *policy = NULL;
    const char *data = NULL, *type = NULL;
    bool ignored = false;

    if (read_object(body, "release_policy", &policy, e) != 0 ||
        json_get_string(policy, "data", &data, e) != 0 ||
        json_get_string(policy, "contentType", &type, e) != 0 ||
        read_bool(policy, "immutable", &ignored, &d->policy_immutable, e) != 0)
        return -1;
    if (str_is_empty(data))
        return 0;
    if (decode("release_policy.data", data, &text, e) != 0)
        return -1;
    if (vault_policy_normalise(product, buf_span(&text), &d->policy, e) != 0)
        return err_wrap(e, "Invalid release policy");
    return str_dup(str_is_empty(type) ? POLICY_TYPE : type, &d->policy_type, e);
}

static int draft_read(const struct vault_import *in, const json_t *body, const json_t *key,
                      struct draft *d, struct err *e)
{
    const json_t *tags = NULL;

    d->not_before = d->expires = VAULT_NO_TIME;
    if (read_attributes(body, d, e) != 0 || read_key_ops(key, d, e) != 0 ||
        read_policy(in->product, body, d, e) != 0 || read_object(body, "tags", &tags, e) != 0)
        return -1;
    if (tags != NULL && (d->tags = json_deep_copy(tags)) == NULL)
        return err_nomem(e);
    if ((d->exportable || d->policy.n != 0) && !in->knows_release)
        return err_set(e, ERR_ARG,
                       "AKV.SKR.1001: The exportable attribute is only supported with premium "
                       "vaults and API version >= '7.3-preview'.");
    return 0;
}

/* Moves what the draft has into the key; cannot fail. */
static void draft_apply(struct draft *d, struct vault_key *k)
{
    if (d->has_enabled)
        k->enabled = d->enabled;
    if (d->has_exportable)
        k->exportable = d->exportable;
    if (d->not_before != VAULT_NO_TIME)
        k->not_before = d->not_before;
    if (d->expires != VAULT_NO_TIME)
        k->expires = d->expires;
    if (d->key_ops != NULL) {
        json_decref(k->key_ops);
        k->key_ops = TAKE(d->key_ops);
    }
    if (d->tags != NULL) {
        json_decref(k->tags);
        k->tags = TAKE(d->tags);
    }
    if (d->policy.n != 0) {
        buf_done(&k->policy);
        str_free(k->policy_type);
        k->policy = d->policy;
        k->policy_type = TAKE(d->policy_type);
        k->policy_immutable = d->policy_immutable;
        d->policy = (struct buf){ 0 };
    }
}

static int key_new(int64_t now, struct vault_key **out, struct err *e)
{
    struct vault_key *k = calloc(1, sizeof(*k));
    uint8_t version[16];

    if (k == NULL)
        return err_nomem(e);
    random_fill(version, sizeof(version));
    hex_format(version, sizeof(version), k->version);
    k->enabled = true;
    k->not_before = k->expires = VAULT_NO_TIME;
    k->created = k->updated = now;
    *out = k;
    return 0;
}

static int read_type(const json_t *key, const json_t *body, struct vault_key *k, struct err *e)
{
    static const struct {
        const char *name;
        enum jwk_kty kty;
        bool in_hsm;
    } types[] = {
        { "oct", JWK_OCT, false },    { "oct-HSM", JWK_OCT, true }, { "RSA", JWK_RSA, false },
        { "RSA-HSM", JWK_RSA, true }, { "EC", JWK_EC, false },      { "EC-HSM", JWK_EC, true },
    };
    const char *name = NULL;
    bool ignored = false, hsm = false;

    if (json_get_string(key, "kty", &name, e) != 0 ||
        read_bool(body, "hsm", &ignored, &hsm, e) != 0)
        return -1;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].name, name) == 0) {
            k->kty = types[i].kty;
            k->in_hsm = types[i].in_hsm || hsm;
            return 0;
        }
    }
    return err_set(e, ERR_ARG, "JSON Web Key: kty is missing or not supported");
}

/* Copies members of a JWK with their base64 in the one form that is read strictly. */
static int copy_numbers(const json_t *key, const char *const *names, json_t *out, struct err *e)
{
    for (; *names != NULL; names++) {
        CLEANUP(buf_done) struct buf raw = { 0 };
        CLEANUP(buf_done) struct buf text = { 0 };
        const char *value = NULL;
        if (json_get_string(key, *names, &value, e) != 0)
            return -1;
        if (str_is_empty(value))
            return err_set(e, ERR_ARG, "JSON Web Key: %s is missing", *names);
        if (decode(*names, value, &raw, e) != 0 ||
            b64_encode(buf_span(&raw), B64_URL, &text, e) != 0)
            return -1;
        if (json_object_set_new(out, *names, json_stringn((const char *)text.p, text.n)) != 0)
            return err_nomem(e);
    }
    return 0;
}

static int keep_pair(const struct signer *pair, struct vault_key *k, struct err *e)
{
    if (signer_write_der(pair, &k->material, e) != 0 || signer_public_jwk(pair, &k->peer, e) != 0)
        return -1;
    return json_object_del(k->peer, "kty") == 0 ? 0 : err_nomem(e);
}

static int import_pair(const json_t *key, struct vault_key *k, struct err *e)
{
    static const char *const rsa[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi", NULL };
    static const char *const ec[] = { "x", "y", "d", NULL };
    CLEANUP(json_freep) json_t *jwk = json_object();
    CLEANUP(signer_freep) struct signer *pair = NULL;
    const char *curve = NULL;

    if (json_get_string(key, "crv", &curve, e) != 0)
        return -1;
    if (k->kty == JWK_EC && str_is_empty(curve))
        return err_set(e, ERR_ARG, "JSON Web Key: crv is missing");
    if (json_object_set_new(jwk, "kty", json_string(k->kty == JWK_EC ? "EC" : "RSA")) != 0 ||
        (k->kty == JWK_EC && json_object_set_new(jwk, "crv", json_string(curve)) != 0))
        return err_nomem(e);
    if (copy_numbers(key, k->kty == JWK_EC ? ec : rsa, jwk, e) != 0)
        return -1;
    if (signer_from_jwk(jwk, &pair, e) != 0)
        return err_wrap(e, "JSON Web Key");
    return keep_pair(pair, k, e);
}

static int import_oct(const json_t *key, struct vault_key *k, struct err *e)
{
    const char *text = NULL;

    if (json_get_string(key, "k", &text, e) != 0)
        return -1;
    if (str_is_empty(text))
        return err_set(e, ERR_ARG, "JSON Web Key: k is missing");
    if (decode("k", text, &k->material, e) != 0)
        return -1;
    if (k->material.n > MAX_OCT_SIZE)
        return err_set(e, ERR_ARG,
                       "JSON Web Key: k property of oct key is too large, maximum size is %d",
                       MAX_OCT_SIZE);
    if (k->material.n == 0)
        return err_set(e, ERR_ARG, "JSON Web Key: k is empty");
    k->peer = json_object();
    return k->peer != NULL ? 0 : err_nomem(e);
}

/* The order of a Managed HSM's list is the recorded one. */
static json_t *default_key_ops(enum vault_product product, enum jwk_kty kty)
{
    if (kty == JWK_EC)
        return json_pack("[s, s]", "sign", "verify");
    if (kty == JWK_OCT)
        return json_pack("[s, s, s, s]", "encrypt", "decrypt", "wrapKey", "unwrapKey");
    if (product == VAULT_HSM)
        return json_pack("[s, s, s, s, s, s]", "wrapKey", "decrypt", "encrypt", "unwrapKey", "sign",
                         "verify");
    return json_pack("[s, s, s, s, s, s]", "encrypt", "decrypt", "sign", "verify", "wrapKey",
                     "unwrapKey");
}

/* What holds for exportable keys and release policies, whoever set them. */
static int check_release_rules(enum vault_product product, const struct vault_key *k, struct err *e)
{
    if (k->exportable && k->policy.n == 0)
        return err_set(e, ERR_ARG, "AKV.SKR.1004: Exportable keys must have release policy.");
    if (!k->exportable && k->policy.n != 0)
        return err_set(e, ERR_ARG,
                       "AKV.SKR.1005: Non-exportable keys must not have release policy.");
    if (product == VAULT_AKV && k->exportable && !k->in_hsm)
        return err_set(e, ERR_ARG, "AKV.SKR.1006: Exportable keys must be protected by an HSM.");
    return 0;
}

static int finish(const struct vault_import *in, struct draft *d, struct vault_key *k,
                  struct err *e)
{
    k->in_hsm = k->in_hsm || in->product == VAULT_HSM;
    draft_apply(d, k);
    if (k->key_ops == NULL && (k->key_ops = default_key_ops(in->product, k->kty)) == NULL)
        return err_nomem(e);
    return check_release_rules(in->product, k, e);
}

int vault_import_key(const struct vault_import *in, const json_t *body, struct vault_key **out,
                     struct err *e)
{
    CLEANUP(vault_key_freep) struct vault_key *k = NULL;
    CLEANUP(draft_done) struct draft d = { 0 };
    const json_t *key = NULL;

    if (read_object(body, "key", &key, e) != 0)
        return -1;
    if (key == NULL)
        return err_set(e, ERR_ARG, "Property key is missing.");
    if (key_new(in->now, &k, e) != 0 || read_type(key, body, k, e) != 0 ||
        draft_read(in, body, key, &d, e) != 0 ||
        (k->kty == JWK_OCT ? import_oct(key, k, e) : import_pair(key, k, e)) != 0 ||
        finish(in, &d, k, e) != 0)
        return -1;
    *out = TAKE(k);
    return 0;
}

static int create_oct(int64_t bits, struct vault_key *k, struct err *e)
{
    uint8_t *p = NULL;

    if (bits != 128 && bits != 192 && bits != 256)
        return err_set(e, ERR_ARG, "Property key_size is not 128, 192 or 256.");
    if (buf_reserve(&k->material, (size_t)bits / 8, &p, e) != 0)
        return -1;
    random_fill(p, (size_t)bits / 8);
    k->material.n = (size_t)bits / 8;
    k->peer = json_object();
    return k->peer != NULL ? 0 : err_nomem(e);
}

/* name: NULL is the default of the service. */
static int find_curve(const char *name, enum signer_curve *out, struct err *e)
{
    static const char *const names[] = {
        [SIGNER_P256] = "P-256", [SIGNER_P384] = "P-384", [SIGNER_P521] = "P-521"
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name == NULL || strcmp(name, names[i]) == 0) {
            *out = (enum signer_curve)i;
            return 0;
        }
    }
    return err_set(e, ERR_ARG, "Property crv is not P-256, P-384 or P-521.");
}

static int create_pair(int64_t bits, const char *curve_name, struct vault_key *k, struct err *e)
{
    CLEANUP(signer_freep) struct signer *pair = NULL;
    enum signer_curve curve = SIGNER_P256;

    if (k->kty == JWK_RSA && bits != 2048 && bits != 3072 && bits != 4096)
        return err_set(e, ERR_ARG, "Property key_size is not 2048, 3072 or 4096.");
    if (k->kty == JWK_EC && find_curve(curve_name, &curve, e) != 0)
        return -1;
    if ((k->kty == JWK_RSA ? signer_new_rsa((unsigned)bits, &pair, e)
                           : signer_new_ec(curve, &pair, e)) != 0)
        return -1;
    return keep_pair(pair, k, e);
}

int vault_create_key(const struct vault_import *in, const json_t *body, struct vault_key **out,
                     struct err *e)
{
    CLEANUP(vault_key_freep) struct vault_key *k = NULL;
    CLEANUP(draft_done) struct draft d = { 0 };
    const char *curve = NULL;

    if (key_new(in->now, &k, e) != 0 || read_type(body, body, k, e) != 0 ||
        draft_read(in, body, body, &d, e) != 0 || json_get_string(body, "crv", &curve, e) != 0)
        return -1;
    int64_t bits = k->kty == JWK_OCT ? 256 : 2048;
    if (read_time(body, "key_size", &bits, e) != 0)
        return err_set(e, ERR_ARG, "Property key_size is not a number.");
    if ((k->kty == JWK_OCT ? create_oct(bits, k, e) : create_pair(bits, curve, k, e)) != 0 ||
        finish(in, &d, k, e) != 0)
        return -1;
    *out = TAKE(k);
    return 0;
}

int vault_import_succeed(const struct vault_key *current, struct vault_key *k, struct err *e)
{
    if (current->exportable != k->exportable)
        return err_set(e, ERR_ARG,
                       "AKV.SKR.1003: The exportable attribute of an existing key cannot change.");
    if (current->policy_immutable && !span_equal(buf_span(&current->policy), buf_span(&k->policy)))
        return err_set(e, ERR_ARG,
                       "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.");
    k->policy_immutable = k->policy_immutable || current->policy_immutable;
    return 0;
}

int vault_update_key(const struct vault_import *in, const json_t *body, bool with_version,
                     struct vault_key *k, struct err *e)
{
    CLEANUP(draft_done) struct draft d = { 0 };

    if (draft_read(in, body, body, &d, e) != 0)
        return -1;
    if (d.has_exportable && d.exportable != k->exportable)
        return err_set(e, ERR_ARG,
                       "AKV.SKR.1003: The exportable attribute of an existing key cannot change.");
    if (d.policy.n != 0) {
        if (in->product == VAULT_AKV && with_version)
            return err_set(e, ERR_ARG,
                           "AKV.SKR.1016: Key Release Policy can only be set on versionless key.");
        if (k->policy_immutable)
            return err_set(e, ERR_ARG,
                           "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.");
        if (!k->exportable)
            return err_set(e, ERR_ARG,
                           "AKV.SKR.1005: Non-exportable keys must not have release policy.");
    }
    draft_apply(&d, k);
    k->updated = in->now;
    return 0;
}
