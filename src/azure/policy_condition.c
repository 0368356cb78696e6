/*
 * Decides whether one claim is as a policy wants it. Vaults compare text: policies write "false"
 * and "0" where tokens carry a boolean and a number. So both sides are brought to one canonical
 * text: true or false, integers in decimal, other numbers with the fewest digits that give the same
 * number again, strings as they are. Objects, arrays and null have none and equal nothing.
 */
#include "azure/policy_condition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_SIZE 40
#define TWO_TO_63   9223372036854775808.0

static const char *const OPERATORS[] = {
    [POLICY_EQUALS] = "equals",   [POLICY_NOT_EQUALS] = "notEquals",
    [POLICY_LESS] = "less",       [POLICY_LESS_OR_EQUALS] = "lessOrEquals",
    [POLICY_GREATER] = "greater", [POLICY_GREATER_OR_EQUALS] = "greaterOrEquals",
    [POLICY_EXISTS] = "exists",
};

int policy_keyword(const json_t *object, const char *name, json_t **out, struct err *e)
{
    const char *key = NULL;
    json_t *value = NULL, *found = NULL;

    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        if (strcasecmp(key, name) != 0)
            continue;
        if (found != NULL)
            return err_set(e, ERR_PARSE, "\"%s\" is there twice", name);
        found = value;
    }
    *out = found;
    return 0;
}

static bool operator_find(const char *name, enum policy_operator *out)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (strcasecmp(OPERATORS[i], name) == 0) {
            *out = (enum policy_operator)i;
            return true;
        }
    }
    return false;
}

/* An integer that the parser had to keep as a real is written as the integer it is. */
static void format_real(double v, char out[static NUMBER_SIZE])
{
    const bool small = v > -TWO_TO_63 && v < TWO_TO_63;

    if (small && (double)(long long)v == v) {
        snprintf(out, NUMBER_SIZE, "%lld", (long long)v);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, NUMBER_SIZE, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            return;
    }
}

/* False: the value has no canonical text. *out is borrowed from v or from scratch. */
static bool canonical(const json_t *v, char scratch[static NUMBER_SIZE], struct span *out)
{
    switch (json_typeof(v)) {
    case JSON_TRUE:
        *out = span_str("true");
        return true;
    case JSON_FALSE:
        *out = span_str("false");
        return true;
    case JSON_STRING:
        *out = span_of(json_string_value(v), json_string_length(v));
        return true;
    case JSON_INTEGER:
        snprintf(scratch, NUMBER_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        *out = span_str(scratch);
        return true;
    case JSON_REAL:
        format_real(json_real_value(v), scratch);
        *out = span_str(scratch);
        return true;
    default:
        return false;
    }
}

static bool values_equal(const json_t *a, const json_t *b)
{
    char scratch_a[NUMBER_SIZE], scratch_b[NUMBER_SIZE];
    struct span text_a, text_b;

    return canonical(a, scratch_a, &text_a) && canonical(b, scratch_b, &text_b) &&
           span_equal(text_a, text_b);
}

/* long double holds every integer and every real of a JSON value exactly. */
static long double number(const json_t *v)
{
    return json_is_integer(v) ? (long double)json_integer_value(v)
                              : (long double)json_real_value(v);
}

/* True and false, written either way; anything else is no answer to "does it exist?". */
static bool is_truth(const json_t *v, bool *out)
{
    char scratch[NUMBER_SIZE];
    struct span text;

    if (json_is_number(v) || !canonical(v, scratch, &text))
        return false;
    *out = span_equal(text, span_str("true"));
    return *out || span_equal(text, span_str("false"));
}

static bool is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v);
}

/* The older form names its operator in a member of its own. */
static int parse_older(const json_t *leaf, const json_t *condition, struct policy_condition *c,
                       struct err *e)
{
    if (!json_is_string(condition) || !operator_find(json_string_value(condition), &c->op))
        return err_set(e, ERR_PARSE, "\"condition\" is not an operator");
    if (policy_keyword(leaf, "value", &c->value, e) != 0)
        return -1;
    if (c->value == NULL)
        return err_set(e, ERR_PARSE, "\"value\" is missing");
    return 0;
}

static int parse_operator(const json_t *leaf, struct policy_condition *c, struct err *e)
{
    const char *key = NULL;
    json_t *value = NULL, *condition = NULL;
    size_t n_operators = 0;
    bool has_value = false;

    json_object_foreach ((json_t *)(uintptr_t)leaf, key, value) {
        if (operator_find(key, &c->op)) {
            c->value = value;
            n_operators++;
        } else if (strcasecmp(key, "condition") == 0) {
            condition = value;
            n_operators++;
        } else if (strcasecmp(key, "value") == 0) {
            has_value = true;
        } else if (strcasecmp(key, "claim") != 0) {
            return err_set(e, ERR_PARSE, "a claim has a member that is no operator");
        }
    }
    if (n_operators != 1)
        return err_set(e, ERR_PARSE, "a claim has %zu operators, not one", n_operators);
    if (condition != NULL)
        return parse_older(leaf, condition, c, e);
    return has_value ? err_set(e, ERR_PARSE, "\"value\" is there without \"condition\"") : 0;
}

int policy_condition_parse(const json_t *leaf, struct policy_condition *out, struct err *e)
{
    struct policy_condition c = { 0 };
    json_t *claim = NULL;
    bool truth;

    if (policy_keyword(leaf, "claim", &claim, e) != 0)
        return -1;
    if (!json_is_string(claim) || json_string_length(claim) == 0)
        return err_set(e, ERR_PARSE, "\"claim\" is missing or not a name");
    c.claim = json_string_value(claim);
    if (strlen(c.claim) != json_string_length(claim))
        return err_set(e, ERR_PARSE, "\"claim\" contains a NUL character");
    if (parse_operator(leaf, &c, e) != 0)
        return -1;
    if (!is_scalar(c.value))
        return err_set(e, ERR_PARSE, "the value is not a string, a number or a boolean");
    if (c.op == POLICY_EXISTS && !is_truth(c.value, &truth))
        return err_set(e, ERR_PARSE, "\"exists\" is neither true nor false");
    *out = c;
    return 0;
}

bool policy_condition_holds(const struct policy_condition *c, const json_t *actual)
{
    bool wanted = false;

    if (c->op == POLICY_EXISTS)
        return is_truth(c->value, &wanted) && wanted == (actual != NULL);
    if (actual == NULL)
        return false;
    if (c->op == POLICY_EQUALS || c->op == POLICY_NOT_EQUALS)
        return values_equal(actual, c->value) == (c->op == POLICY_EQUALS);
    if (!json_is_number(actual) || !json_is_number(c->value))
        return false;

    const long double a = number(actual), b = number(c->value);
    switch (c->op) {
    case POLICY_LESS:
        return a < b;
    case POLICY_LESS_OR_EQUALS:
        return a <= b;
    case POLICY_GREATER:
        return a > b;
    default:
        return a >= b;
    }
}

int policy_condition_required(const struct policy_condition *c, json_t **out, struct err *e)
{
    if (c->op == POLICY_EQUALS) {
        *out = json_incref(c->value);
        return 0;
    }
    json_t *required = json_pack("{s:O}", OPERATORS[c->op], c->value);
    if (required == NULL)
        return err_nomem(e);
    *out = required;
    return 0;
}
