/* {"policy","claims"}: what passes the check can be evaluated, and the verdict fits its reasons. */
#include "azure/release_policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_freep) json_t *input = NULL;
    CLEANUP(json_freep) json_t *failed = NULL;
    const char *authority = NULL;
    bool satisfied = false;
    struct err e;

    if (json_parse(span_of(data, size), &input, &e) != 0)
        return 0;
    const json_t *policy = json_object_get(input, "policy");
    const json_t *claims = json_object_get(input, "claims");
    if (release_policy_check(policy, &e) != 0) {
        if (e.code != ERR_PARSE)
            abort();
        return 0;
    }
    if (release_policy_evaluate(policy, claims, &satisfied, &failed, &authority, &e) != 0)
        abort();
    if (satisfied ? failed != NULL || authority == NULL : json_array_size(failed) == 0)
        abort();
    return 0;
}
