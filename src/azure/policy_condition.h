/* One condition of a release policy: {"claim": name, operator: value}, or the older form
 * {"claim": name, "condition": operator, "value": value}. */
#ifndef AZURE_POLICY_CONDITION_H
#define AZURE_POLICY_CONDITION_H

#include "codec/json.h"

enum policy_operator {
    POLICY_EQUALS,
    POLICY_NOT_EQUALS,
    POLICY_LESS,
    POLICY_LESS_OR_EQUALS,
    POLICY_GREATER,
    POLICY_GREATER_OR_EQUALS,
    POLICY_EXISTS,
};

/* Borrowed from the policy. */
struct policy_condition {
    const char *claim;
    enum policy_operator op;
    json_t *value; /* string, number or boolean; for POLICY_EXISTS true or false, also as string */
};

/* Keywords whatever their case; a member twice in different cases, or of an unknown name, is
 * refused, as it might have been meant as a restriction. Fails: ERR_PARSE. */
MUST_CHECK int policy_condition_parse(const json_t *leaf, struct policy_condition *out,
                                      struct err *e);

/* actual: the claim's value, NULL when the token has none: then only "exists": false holds. */
bool policy_condition_holds(const struct policy_condition *c, const json_t *actual);

/* What was asked for, for people: the value, or {operator: value} for operators other than equals.
 * A new reference. Fails: ERR_NOMEM. */
MUST_CHECK int policy_condition_required(const struct policy_condition *c, json_t **out,
                                         struct err *e);

/*
 * The member of a name, whatever its ASCII case; NULL when absent. Borrowed.
 * Fails: ERR_PARSE when two members differ only in case: which one counts would be a guess.
 */
MUST_CHECK int policy_keyword(const json_t *object, const char *name, json_t **out, struct err *e);

#endif
