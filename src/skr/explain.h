/* A vault's "no", in terms of the claim that failed. Pure. */
#ifndef SKR_EXPLAIN_H
#define SKR_EXPLAIN_H

#include "azure/release_policy.h"

/*
 * Judges a token's claims by the key's release policy.
 *
 * policy    the key's policy, or NULL when it could not be read: the claims alone are listed
 * out       {"authority","satisfied","failed":[{"claim","required","actual"}],"claims":{…}};
 *           without a policy authority is null and failed empty, as authority is when none
 *           matched; the caller's
 * Fails: ERR_PARSE for a policy outside the grammar, ERR_NOMEM.
 */
MUST_CHECK int explain_denial(const json_t *policy, const json_t *claims, json_t **out,
                              struct err *e);

/* The first failed claims as a phrase, such as
 * x-ms-sevsnpvm-hostdata is "ab…", the release policy requires "cd…"; "" when there is none.
 * Appends. */
MUST_CHECK int explain_phrase(const json_t *explain, struct buf *out, struct err *e);

/* The whole as lines of a table, for the log: one call of line() for each. */
void explain_table(const json_t *explain, void (*line)(void *arg, const char *text), void *arg);

#endif
