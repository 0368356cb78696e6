/* The two calls to a vault, and the reading of its refusals, which all come as "Forbidden". */
#include "azure/akv.h"

#include "azure/access_token.h"
#include "base/str.h"
#include "codec/b64.h"

#include <string.h>

#define API_VERSION "api-version=7.4"

/* What tells the causes of a 403 apart; the first match counts. */
static const struct {
    const char *words;
    enum akv_refusal refusal;
} CAUSES[] = {
    { "does not meet key release policy", AKV_POLICY },
    { "cannot be verified", AKV_STATEMENT },
    { "ForbiddenByRbac", AKV_ACCESS },
    { "ForbiddenByPolicy", AKV_ACCESS },     /* an access policy */
    { "ForbiddenByFirewall", AKV_ACCESS },   /* the network */
    { "ForbiddenByConnection", AKV_ACCESS }, /* the network, private endpoints only */
    { "access policy", AKV_ACCESS },
    { "not authorized", AKV_ACCESS },
};

static enum akv_refusal find_cause(struct span text)
{
    for (size_t i = 0; i < ARRAY_LEN(CAUSES); i++)
        if (str_contains_nocase(text, CAUSES[i].words))
            return CAUSES[i].refusal;
    return AKV_OTHER;
}

static struct span string_span(const json_t *v)
{
    return span_of(json_string_value(v), json_string_length(v));
}

/* The message and the inner code of {"error":{"message","innererror":{"code"}}}; a body of any
 * other form, such as a proxy's page, is searched as it is. */
static enum akv_refusal classify_forbidden(struct span body)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    struct err ignored; /* a body that is not JSON is text */

    if (json_parse(body, &answer, &ignored) != 0)
        return find_cause(body);
    const json_t *error = json_member_nocase(answer, "error");
    const json_t *message = json_member_nocase(error, "message");
    if (!json_is_string(message))
        return find_cause(body);
    const enum akv_refusal refusal = find_cause(string_span(message));
    if (refusal != AKV_OTHER)
        return refusal;
    const json_t *inner = json_member_nocase(json_member_nocase(error, "innererror"), "code");
    return json_is_string(inner) ? find_cause(string_span(inner)) : AKV_OTHER;
}

enum akv_refusal akv_classify(int status, struct span body)
{
    switch (status) {
    case 401:
        return AKV_TOKEN;
    case 403:
        return classify_forbidden(body);
    case 404:
        return AKV_NOT_FOUND;
    case 408:
    case 429:
        return AKV_NOT_REFUSED;
    default:
        return status >= 400 && status < 500 ? AKV_OTHER : AKV_NOT_REFUSED;
    }
}

static int check_token(const char *name, const char *token, struct err *e)
{
    if (access_token_is_sane(token))
        return 0;
    return err_set(e, ERR_ARG, "the %s is empty or has characters that no token has", name);
}

/* One exchange; path is what follows the key: "/release" or "". */
static int call_vault(const struct http_env *env, const struct endpoint *vault,
                      const struct key_ref *key, const char *path, const char *bearer,
                      struct http_call *call, struct http_response *out, struct err *e)
{
    CLEANUP(str_freep) char *url = NULL;
    CLEANUP(str_freep) char *authorization = NULL;
    char kid[KEY_NAME_SIZE + KEY_VERSION_SIZE];

    if (check_token("access token", bearer, e) != 0)
        return -1;
    key_ref_format(key, kid);
    if (str_printf(&url, e, "https://%s/keys/%s%s?" API_VERSION, vault->authority, kid, path) !=
            0 ||
        str_printf(&authorization, e, "Bearer %s", bearer) != 0)
        return -1;
    call->service = "akv";
    call->retry = RETRY_SERVICE;
    call->request.url = url;
    call->request.headers[0] = (struct http_header){ "Authorization", authorization };
    call->secrets[0] = bearer;
    if (http_call(env, call, out, e) != 0)
        return err_wrap(e, e->code == ERR_HTTP ? "pulling AKV response body failed"
                                               : "AKV request failed");
    return 0;
}

static int parse_value(struct span body, char **out_jws, struct err *e)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    const char *value = NULL;

    if (json_parse(body, &answer, e) != 0 ||
        json_get_string_nocase(answer, "value", &value, e) != 0)
        return err_wrap(e, "the vault's answer");
    if (str_is_empty(value))
        return err_set(e, ERR_PARSE, "no value in the vault's answer");
    return str_dup(value, out_jws, e);
}

int akv_release(const struct http_env *env, const struct endpoint *vault, const struct key_ref *key,
                const char *attestation_token, const char *bearer, int64_t deadline_ms,
                char **out_jws, enum akv_refusal *out_refusal, struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    CLEANUP(buf_done) struct buf body = { 0 };

    *out_refusal = AKV_NOT_REFUSED;
    if (check_token("attestation token", attestation_token, e) != 0 ||
        buf_printf(&body, e, "{\"target\":\"%s\"}", attestation_token) != 0)
        return -1;
    struct http_call call = {
        .deadline_ms = deadline_ms,
        .request = { .method = "POST",
                     .headers = { [1] = { "Content-Type", "application/json" } },
                     .body = buf_span(&body) },
        .secrets = { [1] = attestation_token },
    };
    if (call_vault(env, vault, key, "/release", bearer, &call, &resp, e) != 0) {
        if (e->code == ERR_HTTP)
            *out_refusal = akv_classify(e->detail, buf_span(&resp.body));
        return -1;
    }
    return parse_value(buf_span(&resp.body), out_jws, e);
}

/* release_policy.data: base64 of the policy, in whatever alphabet it was imported. */
static int parse_policy(struct span body, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    const char *data = NULL;

    if (json_parse(body, &answer, e) != 0)
        return -1;
    const json_t *policy = json_member_nocase(answer, "release_policy");
    if (policy == NULL || json_is_null(policy))
        return err_set(e, ERR_CHECK, "the key has no release policy");
    if (json_get_string_nocase(policy, "data", &data, e) != 0)
        return -1;
    if (str_is_empty(data))
        return err_set(e, ERR_PARSE, "the release policy has no data");
    if (b64_decode(span_str(data), &text, e) != 0)
        return -1;
    return json_parse(buf_span(&text), out, e);
}

int akv_get_release_policy(const struct http_env *env, const struct endpoint *vault,
                           const struct key_ref *key, const char *bearer, int64_t deadline_ms,
                           json_t **out_policy, struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    struct http_call call = { .deadline_ms = deadline_ms, .request = { .method = "GET" } };

    if (call_vault(env, vault, key, "", bearer, &call, &resp, e) != 0 ||
        parse_policy(buf_span(&resp.body), out_policy, e) != 0)
        return err_wrap(e, "reading the release policy of key %s", key->name);
    return 0;
}
