/* One call to a simulated vault, and answering it in the words of its product. */
#ifndef SIM_VAULT_REPLY_H
#define SIM_VAULT_REPLY_H

#include "sim/sim.h"
#include "sim/vault_keys.h"

#define VAULT_REQUEST_ID_SIZE 37

struct vault_call {
    struct sim *sim;
    const struct sim_request *req;
    struct sim_reply *reply;
    enum vault_product product;
    char request_id[VAULT_REQUEST_ID_SIZE]; /* a Managed HSM calls it the activity id */
    char name[VAULT_NAME_SIZE];             /* of the key, "" where the path has none */
    const char *version;                    /* NULL or "": the URL names none */
    char *api_version;
    bool knows_release; /* the api-version has it */
};

/* "https://vault.azure.net" or "https://managedhsm.azure.net"; static. */
const char *vault_audience(enum vault_product product);

/* Fills the request id and adds the headers that every answer has. */
MUST_CHECK int vault_reply_begin(struct vault_call *c, struct err *e);

/* 200 with a value in AKV's order of members, which a Managed HSM sorts. value is taken over, also
 * on failure; NULL fails with ERR_NOMEM. */
MUST_CHECK int vault_reply_ok(struct vault_call *c, json_t *value, struct err *e);

/*
 * An error in the product's envelope. A Managed HSM has no AKV codes: their prefix and the final
 * period go, its activity id comes behind.
 * inner  code of innererror, or NULL
 */
MUST_CHECK int vault_reply_refuse(struct vault_call *c, int status, const char *code,
                                  const char *inner, const char *message, struct err *e);

/* 400 BadParameter with the message of *e when the client is to blame for it (ERR_ARG, ERR_PARSE,
 * ERR_CHECK); else fails with *e as it is. */
MUST_CHECK int vault_reply_bad_parameter(struct vault_call *c, struct err *e);

/* 401 with the challenge that tells clients where to get a token. */
MUST_CHECK int vault_reply_challenge(struct vault_call *c, const char *message, struct err *e);

/* 403: the caller has no role for an action such as "release"; 404: there is no such key. */
MUST_CHECK int vault_reply_forbidden(struct vault_call *c, const char *action, struct err *e);
MUST_CHECK int vault_reply_not_found(struct vault_call *c, struct err *e);

#endif
