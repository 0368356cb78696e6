/*
 * Release policies, grammar 1.0.0 (protocols.md §2.8): checked for form, and evaluated against a
 * token's claims, condition by condition. Pure.
 */
#ifndef AZURE_RELEASE_POLICY_H
#define AZURE_RELEASE_POLICY_H

#include "codec/json.h"

/*
 * The policy has the grammar: version absent or a string; anyOf a non-empty array of authorities,
 * each with "authority" and exactly one of allOf and anyOf, a non-empty array of conditions, nested
 * to any depth. Keywords whatever their case. A claim has exactly one operator: equals, notEquals,
 * less, lessOrEquals, greater, greaterOrEquals, exists — or the older "condition"/"value" pair.
 * Values: string, number, boolean; of exists true or false, also as a string. Members that the
 * grammar does not have are refused: they might have been meant as restrictions.
 * Fails: ERR_PARSE with the place, such as "anyOf[0].allOf[2]".
 */
MUST_CHECK int release_policy_check(const json_t *policy, struct err *e);

/* Claim by name: the whole name at this level first, then dotted steps into objects. Borrowed,
 * NULL. */
json_t *release_policy_claim(const json_t *claims, const char *name);

/*
 * Evaluates a policy that passed release_policy_check().
 *
 * out_satisfied  the verdict
 * out_failed     NULL when satisfied, else a JSON array of {"claim","required","actual"}, in the
 * order of the policy, of the authority that matches the token's issuer (the first one when several
 * do); when none matches, one entry with claim "iss", required the policy's authorities (a string,
 * or an array of several). required is the value of the policy (for operators other than equals an
 * object {operator: value}), actual the claim's value or null when it is missing. The leaves of an
 * unsatisfied anyOf all count as failed. NULL may be passed. The caller's. out_authority  the
 * authority judged, borrowed from the policy: the first that is satisfied, else the first that
 * matches; NULL when none does. A slash at the end does not count. Values are compared in a
 * canonical text form: booleans true/false, integers decimal, strings as they are; objects, arrays
 * and null never compare equal. less… compare numbers only. A missing claim makes its condition
 * false, but for "exists": false; a claim that is null does exist.
 */
MUST_CHECK int release_policy_evaluate(const json_t *policy, const json_t *claims,
                                       bool *out_satisfied, json_t **out_failed,
                                       const char **out_authority, struct err *e);

#endif
