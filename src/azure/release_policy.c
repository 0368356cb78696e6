/*
 * Walks the tree of a release policy: an OR over authorities, below each a tree of anyOf and allOf
 * with conditions as leaves (policy_condition.h). Recursion is as deep as the JSON is nested, which
 * json_parse() bounds.
 */
#include "azure/release_policy.h"

#include "azure/policy_condition.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PLACE_SIZE 512

/* Where in the policy a check is, innermost first; printed only when something is wrong. */
struct place {
    const struct place *up;
    const char *keyword;
    size_t index;
};

static size_t place_format(const struct place *p, char out[static PLACE_SIZE])
{
    size_t n = 0;

    if (p->up != NULL && (n = place_format(p->up, out)) + 1 < PLACE_SIZE)
        out[n++] = '.';
    const int more = snprintf(out + n, PLACE_SIZE - n, "%s[%zu]", p->keyword, p->index);
    return n + (size_t)more < PLACE_SIZE ? n + (size_t)more : PLACE_SIZE - 1;
}

static int wrap_place(const struct place *p, struct err *e)
{
    char text[PLACE_SIZE];

    place_format(p, text);
    return err_wrap(e, "%s", text);
}

/* The array of anyOf or allOf in a node and which of them it is; *out NULL when there is neither.
 * Fails: ERR_PARSE when there are both, or it is not a non-empty array. */
static int read_group(const json_t *node, json_t **out, bool *out_all, struct err *e)
{
    json_t *any = NULL, *all = NULL;

    if (policy_keyword(node, "anyOf", &any, e) != 0 || policy_keyword(node, "allOf", &all, e) != 0)
        return -1;
    if (any != NULL && all != NULL)
        return err_set(e, ERR_PARSE, "both anyOf and allOf");
    json_t *group = all != NULL ? all : any;
    if (group != NULL && json_array_size(group) == 0)
        return err_set(e, ERR_PARSE, "%s is not a non-empty array", all ? "allOf" : "anyOf");
    *out = group;
    *out_all = all != NULL;
    return 0;
}

static int check_members(const json_t *object, const char *const *names, struct err *e)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        const char *const *name = names;
        while (*name != NULL && strcasecmp(*name, key) != 0)
            name++;
        if (*name == NULL)
            return err_set(e, ERR_PARSE, "a member that the grammar does not have");
    }
    return 0;
}

static int check_group(const json_t *group, bool all, const struct place *up, struct err *e);

static int check_condition(const json_t *node, const struct place *here, struct err *e)
{
    static const char *const names[] = { "anyOf", "allOf", NULL };
    struct policy_condition leaf;
    json_t *group = NULL;
    bool all = false;

    if (!json_is_object(node)) {
        err_set(e, ERR_PARSE, "not an object");
        return wrap_place(here, e);
    }
    if (read_group(node, &group, &all, e) != 0)
        return wrap_place(here, e);
    if (group == NULL)
        return policy_condition_parse(node, &leaf, e) == 0 ? 0 : wrap_place(here, e);
    if (check_members(node, names, e) != 0)
        return wrap_place(here, e);
    return check_group(group, all, here, e);
}

static int check_group(const json_t *group, bool all, const struct place *up, struct err *e)
{
    for (size_t i = 0; i < json_array_size(group); i++) {
        const struct place here = { up, all ? "allOf" : "anyOf", i };
        if (check_condition(json_array_get(group, i), &here, e) != 0)
            return -1;
    }
    return 0;
}

/* Fails: ERR_PARSE. */
static int read_authority(const json_t *node, const char **out, struct err *e)
{
    json_t *authority = NULL;

    if (policy_keyword(node, "authority", &authority, e) != 0)
        return -1;
    if (!json_is_string(authority) || json_string_length(authority) == 0 ||
        strlen(json_string_value(authority)) != json_string_length(authority))
        return err_set(e, ERR_PARSE, "\"authority\" is missing or not a URL");
    *out = json_string_value(authority);
    return 0;
}

static int check_authority(const json_t *node, const struct place *here, struct err *e)
{
    static const char *const names[] = { "authority", "anyOf", "allOf", NULL };
    const char *authority = NULL;
    json_t *group = NULL;
    bool all = false;

    if (!json_is_object(node))
        err_set(e, ERR_PARSE, "not an object");
    else if (read_authority(node, &authority, e) == 0 && check_members(node, names, e) == 0 &&
             read_group(node, &group, &all, e) == 0) {
        if (group != NULL)
            return check_group(group, all, here, e);
        err_set(e, ERR_PARSE, "neither anyOf nor allOf");
    }
    return wrap_place(here, e);
}

/* The array of authorities. Fails: ERR_PARSE. */
static int read_authorities(const json_t *policy, json_t **out, struct err *e)
{
    json_t *authorities = NULL;

    if (!json_is_object(policy))
        return err_set(e, ERR_PARSE, "the release policy is not an object");
    if (policy_keyword(policy, "anyOf", &authorities, e) != 0)
        return -1;
    if (json_array_size(authorities) == 0)
        return err_set(e, ERR_PARSE, "anyOf is not a non-empty array");
    *out = authorities;
    return 0;
}

int release_policy_check(const json_t *policy, struct err *e)
{
    static const char *const names[] = { "version", "anyOf", NULL };
    json_t *authorities = NULL, *version = NULL;

    if (read_authorities(policy, &authorities, e) != 0 || check_members(policy, names, e) != 0 ||
        policy_keyword(policy, "version", &version, e) != 0)
        return -1;
    if (version != NULL && !json_is_string(version))
        return err_set(e, ERR_PARSE, "version is not a string");
    for (size_t i = 0; i < json_array_size(authorities); i++) {
        const struct place here = { NULL, "anyOf", i };
        if (check_authority(json_array_get(authorities, i), &here, e) != 0)
            return -1;
    }
    return 0;
}

static json_t *member_of_length(const json_t *object, const char *name, size_t n)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        if (strncmp(key, name, n) == 0 && key[n] == '\0')
            return value;
    return NULL;
}

json_t *release_policy_claim(const json_t *claims, const char *name)
{
    const json_t *level = claims;

    while (json_is_object(level)) {
        const char *dot = strchr(name, '.');
        json_t *whole = json_object_get(level, name);
        if (whole != NULL || dot == NULL)
            return whole;
        level = member_of_length(level, name, (size_t)(dot - name));
        name = dot + 1;
    }
    return NULL;
}

static int note_failed(json_t *failed, const char *claim, json_t *required, json_t *actual,
                       struct err *e)
{
    /* "?": a claim that is missing is written as null. */
    json_t *entry =
        json_pack("{s:s,s:o,s:O?}", "claim", claim, "required", required, "actual", actual);

    return entry != NULL && json_array_append_new(failed, entry) == 0 ? 0 : err_nomem(e);
}

static int judge_group(const json_t *group, bool all, const json_t *claims, json_t *failed,
                       bool *out, struct err *e);

/* Appends to failed what does not hold. */
static int judge_condition(const json_t *node, const json_t *claims, json_t *failed, bool *out,
                           struct err *e)
{
    struct policy_condition leaf;
    json_t *group = NULL, *required = NULL;
    bool all = false;

    if (read_group(node, &group, &all, e) != 0)
        return -1;
    if (group != NULL)
        return judge_group(group, all, claims, failed, out, e);
    if (policy_condition_parse(node, &leaf, e) != 0)
        return -1;
    json_t *actual = release_policy_claim(claims, leaf.claim);
    *out = policy_condition_holds(&leaf, actual);
    if (*out)
        return 0;
    if (policy_condition_required(&leaf, &required, e) != 0)
        return -1;
    return note_failed(failed, leaf.claim, required, actual, e);
}

/* Every member is judged, so that all that is wrong is told at once; what failed inside an anyOf
 * that holds after all is forgotten again. */
static int judge_group(const json_t *group, bool all, const json_t *claims, json_t *failed,
                       bool *out, struct err *e)
{
    const size_t before = json_array_size(failed);
    bool verdict = all;

    for (size_t i = 0; i < json_array_size(group); i++) {
        bool one = false;
        if (judge_condition(json_array_get(group, i), claims, failed, &one, e) != 0)
            return -1;
        verdict = all ? verdict && one : verdict || one;
    }
    while (verdict && json_array_size(failed) > before)
        if (json_array_remove(failed, json_array_size(failed) - 1) != 0)
            return err_nomem(e);
    *out = verdict;
    return 0;
}

static size_t length_without_slash(const char *url)
{
    const size_t n = strlen(url);

    return n > 0 && url[n - 1] == '/' ? n - 1 : n;
}

/* Tokens name their issuer without a slash at the end, policies with or without. */
static bool is_issuer(const char *authority, const json_t *claim)
{
    const char *issuer = json_string_value(claim);
    const size_t n = length_without_slash(authority);

    return issuer != NULL && strlen(issuer) == json_string_length(claim) &&
           n == length_without_slash(issuer) && strncmp(authority, issuer, n) == 0;
}

/* No authority of the policy issued the token: one entry says so. */
static int note_issuer(const json_t *authorities, json_t *actual, json_t *failed, struct err *e)
{
    CLEANUP(json_freep) json_t *names = json_array();
    const char *name = NULL;

    for (size_t i = 0; i < json_array_size(authorities); i++) {
        if (read_authority(json_array_get(authorities, i), &name, e) != 0)
            return -1;
        bool known = false;
        for (size_t k = 0; k < json_array_size(names); k++)
            known = known || strcmp(json_string_value(json_array_get(names, k)), name) == 0;
        if (!known && json_array_append_new(names, json_string(name)) != 0)
            return err_nomem(e);
    }
    json_t *required = json_array_size(names) == 1 ? json_array_get(names, 0) : names;
    return note_failed(failed, "iss", json_incref(required), actual, e);
}

struct verdict {
    bool satisfied;
    const char *authority; /* NULL: none matched */
    json_t *failed;
};

static void verdict_done(struct verdict *v)
{
    json_freep(&v->failed);
}

/* Judges one authority; the first one that matched keeps its list unless this one is satisfied. */
static int judge_authority(const json_t *node, const char *name, const json_t *claims,
                           struct verdict *v, struct err *e)
{
    CLEANUP(json_freep) json_t *failed = json_array();
    json_t *group = NULL;
    bool all = false, satisfied = false;

    if (failed == NULL)
        return err_nomem(e);
    if (read_group(node, &group, &all, e) != 0 ||
        judge_group(group, all, claims, failed, &satisfied, e) != 0)
        return -1;
    if (v->authority == NULL || satisfied) {
        json_freep(&v->failed);
        v->failed = TAKE(failed);
        v->authority = name;
    }
    v->satisfied = satisfied;
    return 0;
}

static int judge(const json_t *authorities, const json_t *claims, struct verdict *v, struct err *e)
{
    json_t *actual = json_object_get(claims, "iss");
    const char *name = NULL;

    for (size_t i = 0; i < json_array_size(authorities) && !v->satisfied; i++) {
        const json_t *node = json_array_get(authorities, i);
        if (read_authority(node, &name, e) != 0)
            return -1;
        if (!is_issuer(name, actual))
            continue;
        if (judge_authority(node, name, claims, v, e) != 0)
            return -1;
    }
    if (v->authority != NULL)
        return 0;
    v->failed = json_array();
    if (v->failed == NULL)
        return err_nomem(e);
    return note_issuer(authorities, actual, v->failed, e);
}

int release_policy_evaluate(const json_t *policy, const json_t *claims, bool *out_satisfied,
                            json_t **out_failed, const char **out_authority, struct err *e)
{
    CLEANUP(verdict_done) struct verdict v = { 0 };
    json_t *authorities = NULL;

    if (read_authorities(policy, &authorities, e) != 0 || judge(authorities, claims, &v, e) != 0)
        return -1;
    *out_satisfied = v.satisfied;
    *out_authority = v.authority;
    if (out_failed != NULL)
        *out_failed = v.satisfied ? NULL : TAKE(v.failed);
    return 0;
}
