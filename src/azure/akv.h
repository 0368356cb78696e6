/* Azure Key Vault and Managed HSM, as far as releasing a key needs them (keys API 7.4). */
#ifndef AZURE_AKV_H
#define AZURE_AKV_H

#include "azure/endpoint.h"
#include "codec/json.h"
#include "http/call.h"

/* Why a vault said no, read from status, error code and message. */
enum akv_refusal {
    AKV_NOT_REFUSED, /* no answer, or not a refusal (5xx, 429, 408 …) */
    AKV_TOKEN,       /* 401: this bearer token is not taken */
    AKV_ACCESS,      /* 403 by role, access policy or network */
    AKV_POLICY,      /* 403: the attestation does not meet the release policy */
    AKV_STATEMENT,   /* 403: the attestation token cannot be verified */
    AKV_NOT_FOUND,   /* 404 */
    AKV_OTHER,       /* other 4xx except 408 and 429 */
};

/* Pure: see contract §2.7 for the words that tell the causes apart. */
enum akv_refusal akv_classify(int status, struct span body);

/*
 * POST https://<vault>/keys/<key>/release?api-version=7.4 with {"target": token}.
 * out_jws      the signed answer, unverified; the caller's
 * out_refusal  set on every return
 * Fails: as http_call(); ERR_PARSE (no "value"); ERR_ARG for a token with characters that no token
 * has, which could break out of a header or a JSON string. Tokens are masked in what is quoted.
 */
MUST_CHECK int akv_release(const struct http_env *env, const struct endpoint *vault,
                           const struct key_ref *key, const char *attestation_token,
                           const char *bearer, int64_t deadline_ms, char **out_jws,
                           enum akv_refusal *out_refusal, struct err *e);

/*
 * GET https://<vault>/keys/<key>?api-version=7.4 and the decoded release_policy.data of it.
 * Fails: as http_call(); ERR_PARSE; ERR_ARG as above; ERR_CHECK when the key has no release policy.
 */
MUST_CHECK int akv_get_release_policy(const struct http_env *env, const struct endpoint *vault,
                                      const struct key_ref *key, const char *bearer,
                                      int64_t deadline_ms, json_t **out_policy, struct err *e);

#endif
