/*
 * The keys of every simulated vault, each version one object. Plain data without a lock of its
 * own: sim_vault.c holds one around the store and what is found in it.
 */
#ifndef SIM_VAULT_KEYS_H
#define SIM_VAULT_KEYS_H

#include "crypto/jwk.h"
#include "sim/exchange.h"
#include "sim/vault_policy.h"

#define VAULT_NAME_SIZE    128
#define VAULT_VERSION_SIZE 33
#define VAULT_MAX_KEYS     10000
#define VAULT_NO_TIME      INT64_MIN

struct vault_key {
    char host[SIM_HOST_SIZE]; /* of the vault */
    char name[VAULT_NAME_SIZE];
    char version[VAULT_VERSION_SIZE]; /* 32 lower-case hexadecimal digits */
    enum jwk_kty kty;
    bool in_hsm;         /* always, in a Managed HSM */
    struct buf material; /* oct: the bytes; RSA, EC: PKCS#8 DER */
    json_t *peer;        /* {"n","e"}, {"crv","x","y"}, or {} */
    json_t *key_ops;     /* array of strings */
    json_t *tags;        /* object, or NULL */
    bool enabled, exportable;
    int64_t not_before, expires; /* Unix seconds or VAULT_NO_TIME */
    int64_t created, updated;
    struct buf policy; /* as vault_policy_normalise() writes it; empty: none */
    char *policy_type; /* its contentType */
    bool policy_immutable;
};

void vault_key_free(struct vault_key *k);
void vault_key_freep(struct vault_key **k);

/* {0} is empty. */
struct vault_keys {
    struct vault_key **keys; /* oldest first */
    size_t n, cap;
};

void vault_keys_done(struct vault_keys *s);

/* Takes the key over, on success only. Fails: ERR_CHECK (the store is full), ERR_NOMEM. */
MUST_CHECK int vault_keys_add(struct vault_keys *s, struct vault_key **k, struct err *e);

/* The version of a name (whatever its ASCII case) at a host; version NULL or "": the newest.
 * Borrowed; NULL when there is none. */
struct vault_key *vault_keys_find(const struct vault_keys *s, const char *host, const char *name,
                                  const char *version);

/* "RSA", or "RSA-HSM" and the like; static. */
const char *vault_key_type(enum jwk_kty kty, bool in_hsm);

/* The URL of a version; the caller's. */
MUST_CHECK int vault_key_url(const struct vault_key *k, const char *authority, char **out,
                             struct err *e);

/* {"attributes"} as bundles and lists of versions carry it; a new reference. */
MUST_CHECK int vault_key_attributes(const struct vault_key *k, json_t **out, struct err *e);

/* What import, create and get answer, in AKV's order of members; a new reference. */
MUST_CHECK int vault_key_bundle(const struct vault_key *k, const char *authority, json_t **out,
                                struct err *e);

/* release_policy of an answer; a new reference. NULL when the key has none. */
MUST_CHECK int vault_key_policy(const struct vault_key *k, bool with_type, json_t **out,
                                struct err *e);

#endif
