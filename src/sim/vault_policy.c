/*
 * What a client imported and what it reads back differ: both products keep the meaning of a policy
 * and write the text anew, each in its own order. The policy is checked as a whole first, so that
 * everything below may rely on its shape; recursion is as deep as the JSON, which json_parse()
 * bounds.
 */
#include "sim/vault_policy.h"

#include "azure/policy_condition.h"
#include "azure/release_policy.h"

#include <string.h>

#define CURRENT_VERSION "1.0.0"

/* Takes value over, also on failure. */
static int put(json_t *object, const char *name, json_t *value, struct err *e)
{
    return json_object_set_new(object, name, value) == 0 ? 0 : err_nomem(e);
}

static int normalise_leaf(const json_t *node, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *leaf = json_object();
    CLEANUP(json_freep) json_t *required = NULL;
    struct policy_condition c;

    if (policy_condition_parse(node, &c, e) != 0 ||
        policy_condition_required(&c, &required, e) != 0)
        return -1;
    if (put(leaf, "claim", json_string(c.claim), e) != 0)
        return -1;
    if ((c.op == POLICY_EQUALS ? json_object_set(leaf, "equals", required)
                               : json_object_update(leaf, required)) != 0)
        return err_nomem(e);
    *out = TAKE(leaf);
    return 0;
}

/* The group of a node that has one: adds {"allOf": […]} or {"anyOf": […]} to out.
 * *out_found is false when the node is a leaf. */
static int normalise_group(const json_t *node, json_t *out, bool *out_found, struct err *e);

static int normalise_condition(const json_t *node, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *group = json_object();
    bool found = false;

    if (normalise_group(node, group, &found, e) != 0)
        return -1;
    if (!found)
        return normalise_leaf(node, out, e);
    *out = TAKE(group);
    return 0;
}

static int normalise_group(const json_t *node, json_t *out, bool *out_found, struct err *e)
{
    CLEANUP(json_freep) json_t *list = json_array();
    json_t *any = NULL, *all = NULL;

    if (policy_keyword(node, "anyOf", &any, e) != 0 || policy_keyword(node, "allOf", &all, e) != 0)
        return -1;
    const json_t *members = all != NULL ? all : any;
    if (members == NULL)
        return 0;
    for (size_t i = 0; i < json_array_size(members); i++) {
        json_t *condition = NULL;
        if (normalise_condition(json_array_get(members, i), &condition, e) != 0)
            return -1;
        if (json_array_append_new(list, condition) != 0)
            return err_nomem(e);
    }
    *out_found = true;
    return put(out, all != NULL ? "allOf" : "anyOf", TAKE(list), e);
}

static int normalise_authority(enum vault_product product, const json_t *node, json_t **out,
                               struct err *e)
{
    CLEANUP(json_freep) json_t *authority = json_object();
    json_t *url = NULL;
    bool found = false;

    if (policy_keyword(node, "authority", &url, e) != 0)
        return -1;
    const char *text = json_string_value(url);
    const size_t n = strlen(text);
    const bool cut = product == VAULT_AKV && n > 1 && text[n - 1] == '/';
    if (put(authority, "authority", json_stringn(text, cut ? n - 1 : n), e) != 0 ||
        normalise_group(node, authority, &found, e) != 0)
        return -1;
    *out = TAKE(authority);
    return 0;
}

static int normalise_version(const json_t *policy, const char **out, struct err *e)
{
    static const struct {
        const char *sent, *stored;
    } versions[] = {
        { CURRENT_VERSION, CURRENT_VERSION },
        { "1.0", CURRENT_VERSION },
        { "0.2", "0.2" },
    };
    json_t *version = NULL;

    if (policy_keyword(policy, "version", &version, e) != 0)
        return -1;
    if (version == NULL) {
        *out = CURRENT_VERSION;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        if (strcmp(versions[i].sent, json_string_value(version)) == 0) {
            *out = versions[i].stored;
            return 0;
        }
    }
    return err_set(e, ERR_CHECK, "the release policy has a version other than 0.2 and 1.0.0");
}

int vault_policy_normalise(enum vault_product product, struct span text, struct buf *out,
                           struct err *e)
{
    CLEANUP(json_freep) json_t *policy = NULL;
    CLEANUP(json_freep) json_t *stored = json_object();
    CLEANUP(json_freep) json_t *authorities = json_array();
    const char *version = NULL;
    json_t *list = NULL;

    if (json_parse(text, &policy, e) != 0 || release_policy_check(policy, e) != 0 ||
        normalise_version(policy, &version, e) != 0 ||
        policy_keyword(policy, "anyOf", &list, e) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *authority = NULL;
        if (normalise_authority(product, json_array_get(list, i), &authority, e) != 0)
            return -1;
        if (json_array_append_new(authorities, authority) != 0)
            return err_nomem(e);
    }
    if (put(stored, "version", json_string(version), e) != 0 ||
        put(stored, "anyOf", TAKE(authorities), e) != 0)
        return -1;
    return json_format(stored, product == VAULT_HSM, out, e);
}
