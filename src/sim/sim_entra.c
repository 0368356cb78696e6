/*
 * Paths are /TENANT/..., for any tenant; an empty segment in front is tolerated, because callers
 * join host and tenant carelessly. Refusals have the shape and the codes of the real service
 * (AADSTS…), and numbers are JSON numbers, unlike those of the metadata service.
 */
#include "sim/sim_entra.h"

#include "base/str.h"
#include "sim/sim_token.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define DEFAULT_SCOPE  "/.default"
#define TENANT_SIZE    64

/* Splits the path into tenant and rest ("/oauth2/…"); false when there is no tenant. */
static bool split_path(const char *path, char tenant[static TENANT_SIZE], const char **out_rest)
{
    while (*path == '/')
        path++;
    const size_t n = strcspn(path, "/");
    if (n == 0 || n >= TENANT_SIZE || path[n] == '\0')
        return false;
    memcpy(tenant, path, n);
    tenant[n] = '\0';
    *out_rest = path + n;
    return true;
}

const char *sim_entra_op(const struct sim_request *req)
{
    static const struct {
        const char *rest, *op;
    } ops[] = {
        { "/v2.0/.well-known/openid-configuration", "openid-configuration" },
        { "/oauth2/v2.0/token", "token" },
        { "/discovery/v2.0/keys", "keys" },
        { "/discovery/instance", "instance" },
    };
    char tenant[TENANT_SIZE];
    const char *rest = NULL;

    if (split_path(req->path, tenant, &rest))
        for (size_t i = 0; i < ARRAY_LEN(ops); i++)
            if (strcmp(rest, ops[i].rest) == 0)
                return ops[i].op;
    return "other";
}

struct refusal {
    int status;
    const char *error;
    int code;
    const char *text; /* after "AADSTS<code>: " */
};

static int refuse(struct sim *sim, const struct sim_request *req, const struct refusal *r,
                  struct sim_reply *out, struct err *e)
{
    const time_t now = (time_t)sim_now_s(sim);
    CLEANUP(str_freep) char *text = NULL;
    CLEANUP(str_freep) char *uri = NULL;
    char trace[SIM_GUID_SIZE], correlation[SIM_GUID_SIZE], stamp[32];
    struct tm t;

    gmtime_r(&now, &t);
    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%SZ", &t);
    sim_guid(trace);
    sim_guid(correlation);
    if (str_printf(&text, e, "AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
                   r->code, r->text, trace, correlation, stamp) != 0 ||
        str_printf(&uri, e, "https://%s/error?code=%d", req->authority, r->code) != 0)
        return -1;
    sim_reply_verdict(out, "AADSTS%d: %s", r->code, r->text);
    return sim_reply_json(out, r->status,
                          json_pack("{ss ss s[i] ss ss ss ss}", "error", r->error,
                                    "error_description", text, "error_codes", r->code, "timestamp",
                                    stamp, "trace_id", trace, "correlation_id", correlation,
                                    "error_uri", uri),
                          e);
}

static int add_url(json_t *o, const char *member, const char *authority, const char *tenant,
                   const char *rest, struct err *e)
{
    CLEANUP(str_freep) char *url = NULL;

    if (str_printf(&url, e, "https://%s/%s%s", authority, tenant, rest) != 0)
        return -1;
    return json_object_set_new(o, member, json_string(url)) != 0 ? err_nomem(e) : 0;
}

static int handle_configuration(const struct sim_request *req, const char *tenant,
                                struct sim_reply *out, struct err *e)
{
    static const struct {
        const char *member, *rest;
    } urls[] = {
        { "token_endpoint", "/oauth2/v2.0/token" },
        { "jwks_uri", "/discovery/v2.0/keys" },
        { "issuer", "/v2.0" },
        { "authorization_endpoint", "/oauth2/v2.0/authorize" },
        { "device_authorization_endpoint", "/oauth2/v2.0/devicecode" },
        { "end_session_endpoint", "/oauth2/v2.0/logout" },
    };
    CLEANUP(json_freep)
    json_t *o = json_pack(
        "{s[sss] s[sss] s[s] s[s] ss ss ss ss}", "token_endpoint_auth_methods_supported",
        "client_secret_post", "private_key_jwt", "client_secret_basic", "response_modes_supported",
        "query", "fragment", "form_post", "subject_types_supported", "pairwise",
        "id_token_signing_alg_values_supported", "RS256", "tenant_region_scope", "WW",
        "cloud_instance_name", "microsoftonline.com", "cloud_graph_host_name", "graph.windows.net",
        "msgraph_host", "graph.microsoft.com");

    if (o == NULL)
        return err_nomem(e);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        if (add_url(o, urls[i].member, req->authority, tenant, urls[i].rest, e) != 0)
            return -1;
    sim_reply_verdict(out, "configuration of tenant %s", tenant);
    return sim_reply_json(out, 200, TAKE(o), e);
}

static int handle_instance(const struct sim_request *req, struct sim_reply *out, struct err *e)
{
    CLEANUP(str_freep) char *url = NULL;

    if (str_printf(&url, e, "https://%s/%s/v2.0/.well-known/openid-configuration", req->authority,
                   SIM_TOKEN_TENANT) != 0)
        return -1;
    sim_reply_verdict(out, "instance");
    return sim_reply_json(out, 200,
                          json_pack("{ss ss s[{ss ss s[s]}]}", "tenant_discovery_endpoint", url,
                                    "api-version", "1.1", "metadata", "preferred_network",
                                    req->host, "preferred_cache", req->host, "aliases", req->host),
                          e);
}

/* Form fields of a token request; the absent ones are NULL. */
struct token_form {
    char *grant_type, *client_id, *assertion_type, *assertion, *scope;
};

static void token_form_done(struct token_form *f)
{
    str_free(f->grant_type);
    str_free(f->client_id);
    str_free(f->assertion_type);
    str_free(f->assertion);
    str_free(f->scope);
}

static int read_form(const struct sim_request *req, struct token_form *f, struct err *e)
{
    const struct {
        const char *name;
        char **to;
    } fields[] = {
        { "grant_type", &f->grant_type },
        { "client_id", &f->client_id },
        { "client_assertion", &f->assertion },
        { "scope", &f->scope },
        { "client_assertion_type", &f->assertion_type },
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (sim_request_form(req, fields[i].name, fields[i].to, &n, e) != 0)
            return -1;
    return 0;
}

/* Three parts of base64url, none of them empty. */
static bool is_jwt(const char *s)
{
    int n_parts = 1;
    size_t n = 0;

    for (; *s != '\0'; s++) {
        if (*s == '.') {
            if (n == 0)
                return false;
            n_parts++;
            n = 0;
        } else if (isalnum((unsigned char)*s) || *s == '-' || *s == '_') {
            n++;
        } else {
            return false;
        }
    }
    return n_parts == 3 && n > 0;
}

static bool is_accepted_assertion(struct sim *sim, const char *assertion)
{
    pthread_mutex_lock(&sim->lock);
    const char *only = sim->federated_token;
    const bool ok = only != NULL ? strcmp(only, assertion) == 0 : is_jwt(assertion);
    pthread_mutex_unlock(&sim->lock);
    return ok;
}

/* "https://vault.azure.net/.default openid …" without "/.default" and what follows; false when
 * the first scope is no resource. */
static bool cut_resource(char *scope)
{
    scope[strcspn(scope, " ")] = '\0';
    if (strlen(scope) <= strlen(DEFAULT_SCOPE) || !str_ends_with(scope, DEFAULT_SCOPE) ||
        strlen(scope) >= SIM_TOKEN_AUDIENCE_SIZE)
        return false;
    scope[strlen(scope) - strlen(DEFAULT_SCOPE)] = '\0';
    return true;
}

/* NULL: the form is in order, and f->scope holds the resource. */
static const struct refusal *judge_form(struct sim *sim, struct token_form *f)
{
    static const struct refusal grant = { 400, "unsupported_grant_type", 70003,
                                          "The app requested an unsupported grant type." };
    static const struct refusal client = {
        400, "invalid_request", 900144,
        "The request body must contain the following parameter: 'client_id'."
    };
    static const struct refusal secret = {
        401, "invalid_client", 7000218,
        "The request body must contain the following parameter: 'client_assertion' or "
        "'client_secret'."
    };
    static const struct refusal federated = {
        400, "invalid_request", 70021,
        "No matching federated identity record found for presented assertion."
    };
    static const struct refusal scope = {
        400, "invalid_scope", 1002012,
        "The provided value for scope is not valid. Client credential flows must have a scope "
        "value with /.default suffixed to the resource identifier (application ID URI)."
    };

    if (f->grant_type == NULL || strcmp(f->grant_type, "client_credentials") != 0)
        return &grant;
    if (str_is_empty(f->client_id))
        return &client;
    if (f->assertion_type == NULL || strcmp(f->assertion_type, ASSERTION_TYPE) != 0 ||
        str_is_empty(f->assertion))
        return &secret;
    if (!is_accepted_assertion(sim, f->assertion))
        return &federated;
    return f->scope == NULL || !cut_resource(f->scope) ? &scope : NULL;
}

static int handle_token(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    static const struct refusal garbled = { 400, "invalid_request", 900144,
                                            "The request body is not a form." };
    const int64_t life = sim_state(sim).token_life_s;
    const json_int_t expires_in = life > 0 ? life - 1 : life;
    CLEANUP(token_form_done) struct token_form f = { 0 };
    CLEANUP(str_freep) char *token = NULL;
    struct err why;

    if (read_form(req, &f, &why) != 0)
        return refuse(sim, req, &garbled, out, e);
    const struct refusal *r = judge_form(sim, &f);
    if (r != NULL)
        return refuse(sim, req, r, out, e);
    if (sim_token_issue(sim, f.scope, f.client_id, &token, e) != 0)
        return -1;
    sim_reply_verdict(out, "token for %.200s", f.scope);
    return sim_reply_json(out, 200,
                          json_pack("{ss sI sI ss}", "token_type", "Bearer", "expires_in",
                                    expires_in, "ext_expires_in", expires_in, "access_token",
                                    token),
                          e);
}

static int add_headers(struct sim_reply *out, struct err *e)
{
    char id[SIM_GUID_SIZE];

    sim_guid(id);
    if (sim_reply_header(out, "Cache-Control", "no-store, no-cache", e) != 0 ||
        sim_reply_header(out, "Pragma", "no-cache", e) != 0 ||
        sim_reply_header(out, "x-ms-request-id", id, e) != 0)
        return -1;
    return sim_reply_header(out, "x-ms-ests-server", "2.1.0 - cloudsim", e);
}

int sim_entra_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                     struct err *e)
{
    static const struct refusal nowhere = { 404, "invalid_request", 900561,
                                            "The endpoint does not exist." };
    static const struct refusal method = { 405, "invalid_request", 900561,
                                           "The endpoint does not accept this method." };
    char tenant[TENANT_SIZE] = "";
    const char *rest = "";
    json_t *keys = NULL;

    if (add_headers(out, e) != 0)
        return -1;
    if (!split_path(req->path, tenant, &rest) || strcmp(req->op, "other") == 0)
        return refuse(sim, req, &nowhere, out, e);
    if (strcmp(req->method, strcmp(req->op, "token") == 0 ? "POST" : "GET") != 0)
        return refuse(sim, req, &method, out, e);
    if (strcmp(req->op, "token") == 0)
        return handle_token(sim, req, out, e);
    if (strcmp(req->op, "instance") == 0)
        return handle_instance(req, out, e);
    if (strcmp(req->op, "openid-configuration") == 0)
        return handle_configuration(req, tenant, out, e);
    if (sim_token_keys(sim, &keys, e) != 0)
        return -1;
    sim_reply_verdict(out, "keys");
    return sim_reply_json(out, 200, keys, e);
}
