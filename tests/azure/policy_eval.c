/*
 * Our evaluator of release policies as a filter, for tests/judges/policy_judge.py: each line of
 * stdin is {"policy","claims"}, each line of stdout the verdict: {"ok":true,"satisfied","failed"},
 * or {"ok":false,"error"} for what is no policy.
 */
#include "azure/release_policy.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* A new reference, or NULL with the reason. */
static json_t *judge(const json_t *policy, const json_t *claims, struct err *e)
{
    json_t *failed = NULL;
    const char *authority = NULL;
    bool satisfied = false;

    if (release_policy_check(policy, e) != 0 ||
        release_policy_evaluate(policy, claims, &satisfied, &failed, &authority, e) != 0)
        return NULL;
    return json_pack("{s:b,s:b,s:o?,s:s?}", "ok", 1, "satisfied", satisfied, "failed", failed,
                     "authority", authority);
}

static int answer(struct span line, struct err *e)
{
    CLEANUP(json_freep) json_t *request = NULL;
    CLEANUP(json_freep) json_t *verdict = NULL;
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err why;

    if (json_parse(line, &request, e) != 0)
        return -1;
    verdict = judge(json_object_get(request, "policy"), json_object_get(request, "claims"), &why);
    if (verdict == NULL)
        verdict = json_pack("{s:b,s:s}", "ok", 0, "error", why.msg);
    if (verdict == NULL)
        return err_nomem(e);
    if (json_format(verdict, false, &out, e) != 0 || buf_add_str(&out, "\n", e) != 0)
        return -1;
    if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        return err_sys(e, "writing");
    return 0;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    struct err e;
    int rc = 0;

    while (rc == 0 && (n = getline(&line, &size, stdin)) > 0) {
        rc = answer(span_of(line, (size_t)n), &e);
        if (rc != 0)
            fprintf(stderr, "%s\n", e.msg);
    }
    free(line);
    return rc == 0 ? 0 : 1;
}
