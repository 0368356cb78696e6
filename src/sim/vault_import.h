/* What clients send to make or change a key: PUT import, POST create, PATCH update. */
#ifndef SIM_VAULT_IMPORT_H
#define SIM_VAULT_IMPORT_H

#include "sim/vault_keys.h"

struct vault_import {
    enum vault_product product;
    bool knows_release; /* the api-version has exportable keys */
    int64_t now;
};

/*
 * All fail with ERR_ARG, ERR_PARSE or ERR_CHECK when the client is to blame, and then the message
 * is what the client reads, such as "AKV.SKR.1004: Exportable keys must have release policy.";
 * other codes are the simulator's own trouble. Base64 of all forms is taken.
 */

/* A new version from the body of an import or a create; host and name are left empty. */
MUST_CHECK int vault_import_key(const struct vault_import *in, const json_t *body,
                                struct vault_key **out, struct err *e);
MUST_CHECK int vault_create_key(const struct vault_import *in, const json_t *body,
                                struct vault_key **out, struct err *e);

/* k is to follow the version that its name has now: what may not change has not, and a policy that
 * was made immutable stays so. */
MUST_CHECK int vault_import_succeed(const struct vault_key *current, struct vault_key *k,
                                    struct err *e);

/* with_version: the URL named the version. The key is untouched on failure. */
MUST_CHECK int vault_update_key(const struct vault_import *in, const json_t *body,
                                bool with_version, struct vault_key *k, struct err *e);

#endif
