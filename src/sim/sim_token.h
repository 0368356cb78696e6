/* Access tokens of the simulated Entra and IMDS, and the registry that vaults judge them by. */
#ifndef SIM_SIM_TOKEN_H
#define SIM_SIM_TOKEN_H

#include "sim/sim.h"

#define SIM_TOKEN_TENANT        "72f988bf-0000-4000-8000-2d7cd011db47"
#define SIM_TOKEN_CLIENT        "5e51d000-0000-4000-8000-00000000c11e"
#define SIM_TOKEN_SUBSCRIPTION  "5ab5c71b-0000-4000-8000-000000000010"
#define SIM_TOKEN_AUDIENCE_SIZE 256
#define SIM_GUID_SIZE           37

enum sim_token_verdict {
    SIM_TOKEN_GOOD,
    SIM_TOKEN_UNKNOWN, /* not issued here, or not a token */
    SIM_TOKEN_EXPIRED,
    SIM_TOKEN_REVOKED,
    SIM_TOKEN_WRONG_AUDIENCE,
};

struct sim_tokens;

MUST_CHECK int sim_tokens_new(struct sim_tokens **out, struct err *e);
void sim_tokens_free(struct sim_tokens *t);

/* Issues and registers an RS256 JWT; out is the caller's. Fails: ERR_NOMEM, ERR_CHECK. */
MUST_CHECK int sim_token_issue(struct sim *sim, const char *audience, const char *client_id,
                               char **out, struct err *e);

/*
 * Judges a bearer token by the registry and the time of the simulator.
 * audience      as "https://vault.azure.net"; a final slash and case do not count
 * out_audience  the token's own, "" for an unknown token
 */
enum sim_token_verdict sim_token_check(struct sim *sim, const char *token, const char *audience,
                                       char out_audience[static SIM_TOKEN_AUDIENCE_SIZE]);

const char *sim_token_verdict_name(enum sim_token_verdict v); /* such as "expired" */

/* The public key that tokens are signed with, as a JWK set; the caller's. */
MUST_CHECK int sim_token_keys(struct sim *sim, json_t **out, struct err *e);

/* A random GUID in its usual text form. */
void sim_guid(char out[static SIM_GUID_SIZE]);

void sim_tokens_revoke_all(struct sim *sim); /* those issued so far */
void sim_tokens_clear(struct sim *sim);

#endif
