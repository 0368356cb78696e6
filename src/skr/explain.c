#include "skr/explain.h"

#include <stdio.h>
#include <string.h>

#define PHRASE_MAX_CLAIMS 3

static int judge(const json_t *policy, const json_t *claims, json_t *explain, struct err *e)
{
    CLEANUP(json_freep) json_t *failed = NULL;
    const char *authority = NULL;
    bool satisfied = false;

    if (release_policy_check(policy, e) != 0 ||
        release_policy_evaluate(policy, claims, &satisfied, &failed, &authority, e) != 0)
        return err_wrap(e, "evaluating the key's release policy");
    if (failed == NULL && (failed = json_array()) == NULL)
        return err_nomem(e);
    if (json_object_set_new(explain, "authority",
                            authority != NULL ? json_string(authority) : json_null()) != 0 ||
        json_object_set_new(explain, "satisfied", json_boolean(satisfied)) != 0 ||
        json_object_set(explain, "failed", failed) != 0)
        return err_nomem(e);
    return 0;
}

int explain_denial(const json_t *policy, const json_t *claims, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *explain = json_object();

    if (explain == NULL)
        return err_nomem(e);
    if (policy != NULL && judge(policy, claims, explain, e) != 0)
        return -1;
    if (policy == NULL && (json_object_set_new(explain, "authority", json_null()) != 0 ||
                           json_object_set_new(explain, "satisfied", json_false()) != 0 ||
                           json_object_set_new(explain, "failed", json_array()) != 0))
        return err_nomem(e);
    if (json_object_set(explain, "claims", (json_t *)(uintptr_t)claims) != 0)
        return err_nomem(e);
    *out = TAKE(explain);
    return 0;
}

int explain_phrase(const json_t *explain, struct buf *out, struct err *e)
{
    const json_t *failed = json_object_get(explain, "failed");
    const size_t n = json_array_size(failed);

    for (size_t i = 0; i < n && i < PHRASE_MAX_CLAIMS; i++) {
        const json_t *f = json_array_get(failed, i);
        CLEANUP(buf_done) struct buf actual = { 0 };
        CLEANUP(buf_done) struct buf required = { 0 };
        if (json_format(json_object_get(f, "actual"), false, &actual, e) != 0 ||
            json_format(json_object_get(f, "required"), false, &required, e) != 0)
            return -1;
        const bool missing = json_is_null(json_object_get(f, "actual"));
        if (buf_printf(out, e, "%s%s is %.*s, the release policy requires %.*s", i > 0 ? "; " : "",
                       json_string_value(json_object_get(f, "claim")), missing ? 7 : (int)actual.n,
                       missing ? "missing" : (const char *)actual.p, (int)required.n,
                       (const char *)required.p) != 0)
            return -1;
    }
    if (n > PHRASE_MAX_CLAIMS)
        return buf_printf(out, e, "; and %zu more", n - PHRASE_MAX_CLAIMS);
    return 0;
}

static void emit_row(void (*line)(void *arg, const char *text), void *arg, const char *mark,
                     const char *claim, const json_t *required, const json_t *actual)
{
    CLEANUP(buf_done) struct buf r = { 0 };
    CLEANUP(buf_done) struct buf a = { 0 };
    struct err e;
    char text[1024];

    if ((required != NULL && json_format(required, false, &r, &e) != 0) ||
        (actual != NULL && json_format(actual, false, &a, &e) != 0)) {
        line(arg, e.msg);
        return;
    }
    snprintf(text, sizeof(text), "%-9s %-36s %-40.*s %.*s", mark, claim, (int)r.n,
             r.n != 0 ? (const char *)r.p : "", (int)a.n, a.n != 0 ? (const char *)a.p : "");
    line(arg, text);
}

static bool is_failed(const json_t *failed, const char *claim)
{
    size_t i = 0;
    json_t *f = NULL;

    json_array_foreach ((json_t *)(uintptr_t)failed, i, f)
        if (strcmp(json_string_value(json_object_get(f, "claim")), claim) == 0)
            return true;
    return false;
}

void explain_table(const json_t *explain, void (*line)(void *arg, const char *text), void *arg)
{
    const json_t *failed = json_object_get(explain, "failed");
    const json_t *claims = json_object_get(explain, "claims");
    const char *name = NULL;
    json_t *value = NULL;
    size_t i = 0;

    line(arg, "verdict   claim                                required"
              "                                 actual");
    json_array_foreach ((json_t *)(uintptr_t)failed, i, value)
        emit_row(line, arg, "failed", json_string_value(json_object_get(value, "claim")),
                 json_object_get(value, "required"), json_object_get(value, "actual"));
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value)
        if (!json_is_object(value) && !is_failed(failed, name))
            emit_row(line, arg, "", name, NULL, value);
}
