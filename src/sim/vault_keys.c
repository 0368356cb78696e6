/*
 * Versions lie in one list in the order of their making, so that the newest version of a name is
 * the last that matches. Answers are built in the order of members that AKV writes; a Managed HSM
 * sorts them, which is done when they are printed.
 */
#include "sim/vault_keys.h"

#include "base/str.h"
#include "codec/b64.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void vault_key_free(struct vault_key *k)
{
    if (k == NULL)
        return;
    buf_done(&k->material);
    buf_done(&k->policy);
    json_decref(k->peer);
    json_decref(k->key_ops);
    json_decref(k->tags);
    str_free(k->policy_type);
    free(k);
}

void vault_key_freep(struct vault_key **k)
{
    vault_key_free(*k);
    *k = NULL;
}

void vault_keys_done(struct vault_keys *s)
{
    for (size_t i = 0; i < s->n; i++)
        vault_key_free(s->keys[i]);
    free(s->keys);
    *s = (struct vault_keys){ 0 };
}

int vault_keys_add(struct vault_keys *s, struct vault_key **k, struct err *e)
{
    if (s->n == VAULT_MAX_KEYS)
        return err_set(e, ERR_CHECK, "the vaults hold %d versions of keys already", VAULT_MAX_KEYS);
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
        struct vault_key **grown = reallocarray(s->keys, cap, sizeof(struct vault_key *));
        if (grown == NULL)
            return err_nomem(e);
        s->keys = grown;
        s->cap = cap;
    }
    s->keys[s->n++] = TAKE(*k);
    return 0;
}

struct vault_key *vault_keys_find(const struct vault_keys *s, const char *host, const char *name,
                                  const char *version)
{
    for (size_t i = s->n; i-- > 0;) {
        struct vault_key *k = s->keys[i];
        if (strcmp(k->host, host) == 0 && strcasecmp(k->name, name) == 0 &&
            (str_is_empty(version) || strcasecmp(k->version, version) == 0))
            return k;
    }
    return NULL;
}

const char *vault_key_type(enum jwk_kty kty, bool in_hsm)
{
    static const struct {
        const char *soft, *hsm;
    } types[] = {
        [JWK_OCT] = { "oct", "oct-HSM" },
        [JWK_RSA] = { "RSA", "RSA-HSM" },
        [JWK_EC] = { "EC", "EC-HSM" },
    };

    return in_hsm ? types[kty].hsm : types[kty].soft;
}

int vault_key_url(const struct vault_key *k, const char *authority, char **out, struct err *e)
{
    return str_printf(out, e, "https://%s/keys/%s/%s", authority, k->name, k->version);
}

/* Takes value over, also on failure. */
static int put(json_t *object, const char *name, json_t *value, struct err *e)
{
    return json_object_set_new(object, name, value) == 0 ? 0 : err_nomem(e);
}

static int put_time(json_t *object, const char *name, int64_t t, struct err *e)
{
    return t == VAULT_NO_TIME ? 0 : put(object, name, json_integer(t), e);
}

int vault_key_attributes(const struct vault_key *k, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *a = json_object();

    if (put(a, "enabled", json_boolean(k->enabled), e) != 0 ||
        put_time(a, "nbf", k->not_before, e) != 0 || put_time(a, "exp", k->expires, e) != 0 ||
        put(a, "created", json_integer(k->created), e) != 0 ||
        put(a, "updated", json_integer(k->updated), e) != 0 ||
        put(a, "recoveryLevel", json_string("CustomizedRecoverable+Purgeable"), e) != 0 ||
        put(a, "recoverableDays", json_integer(7), e) != 0 ||
        put(a, "exportable", json_boolean(k->exportable), e) != 0)
        return -1;
    *out = TAKE(a);
    return 0;
}

int vault_key_policy(const struct vault_key *k, bool with_type, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *policy = json_object();
    CLEANUP(buf_done) struct buf data = { 0 };

    if (k->policy.n == 0) {
        *out = NULL;
        return 0;
    }
    if (b64_encode(buf_span(&k->policy), B64_URL, &data, e) != 0)
        return -1;
    if (with_type && put(policy, "contentType", json_string(k->policy_type), e) != 0)
        return -1;
    if (put(policy, "data", json_stringn((const char *)data.p, data.n), e) != 0)
        return -1;
    if (k->policy_immutable && put(policy, "immutable", json_true(), e) != 0)
        return -1;
    *out = TAKE(policy);
    return 0;
}

/* Readers share the key, and counting references is no reader's business: copies. */
static int bundle_key(const struct vault_key *k, const char *authority, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *key = json_object();
    CLEANUP(json_freep) json_t *peer = json_deep_copy(k->peer);
    CLEANUP(str_freep) char *url = NULL;

    if (vault_key_url(k, authority, &url, e) != 0 || put(key, "kid", json_string(url), e) != 0 ||
        put(key, "kty", json_string(vault_key_type(k->kty, k->in_hsm)), e) != 0 ||
        put(key, "key_ops", json_deep_copy(k->key_ops), e) != 0)
        return -1;
    if (json_object_update(key, peer) != 0)
        return err_nomem(e);
    *out = TAKE(key);
    return 0;
}

int vault_key_bundle(const struct vault_key *k, const char *authority, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *bundle = json_object();
    json_t *key = NULL, *attributes = NULL, *policy = NULL;

    if (bundle_key(k, authority, &key, e) != 0 || put(bundle, "key", key, e) != 0 ||
        vault_key_attributes(k, &attributes, e) != 0 ||
        put(bundle, "attributes", attributes, e) != 0)
        return -1;
    if (k->tags != NULL && put(bundle, "tags", json_deep_copy(k->tags), e) != 0)
        return -1;
    if (vault_key_policy(k, true, &policy, e) != 0)
        return -1;
    if (policy != NULL && put(bundle, "release_policy", policy, e) != 0)
        return -1;
    *out = TAKE(bundle);
    return 0;
}
