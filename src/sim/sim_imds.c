/*
 * Rules of the metadata service, in the order in which they are checked: GET only; no
 * X-Forwarded-For; "Metadata: true"; the path; api-version; parameters, none of them twice.
 * Every number in a token answer is a string.
 */
#include "sim/sim_imds.h"

#include "base/str.h"
#include "sim/psp.h"
#include "sim/sim_token.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOKEN_PATH  "/metadata/identity/oauth2/token"
#define THIM_PATH   "/metadata/THIM/amd/certification"
#define MIN_VERSION "2018-02-01"
#define SERVER      "IMDS/150.870.65.1854"
#define BAD_VERSION                                                                                \
    "Bad request. api-version is invalid or was not specified in the request. For more "           \
    "information refer to aka.ms/azureimds"

const char *sim_imds_op(const struct sim_request *req)
{
    return strcasecmp(req->path, TOKEN_PATH) == 0 ? "token" : "other";
}

const char *sim_thim_op(const struct sim_request *req)
{
    return strcasecmp(req->path, THIM_PATH) == 0 ? "certification" : "other";
}

static int refuse(struct sim_reply *out, int status, const char *code, const char *why,
                  struct err *e)
{
    sim_reply_verdict(out, "%s: %s", code, why);
    return sim_reply_json(out, status,
                          json_pack("{ss ss}", "error", code, "error_description", why), e);
}

/* The rules that hold for every path. True: *out_result is what the refusal returned. */
static bool refuse_caller(const struct sim_request *req, struct sim_reply *out, int *out_result,
                          struct err *e)
{
    const char *metadata = sim_request_header(req, "Metadata");

    if (strcmp(req->method, "GET") != 0)
        *out_result = refuse(out, 405, "method_not_allowed", "The method is GET", e);
    else if (sim_request_header(req, "X-Forwarded-For") != NULL)
        *out_result = refuse(out, 400, "invalid_request",
                             "The request must not contain an X-Forwarded-For header", e);
    else if (metadata == NULL || strcasecmp(metadata, "true") != 0)
        *out_result =
            refuse(out, 400, "bad_request_102", "Required metadata header not specified", e);
    else
        return false;
    return true;
}

struct token_query {
    char *version, *resource, *client_id, *other_id;
    size_t n_version, n_resource, n_ids;
};

static void token_query_done(struct token_query *q)
{
    str_free(q->version);
    str_free(q->resource);
    str_free(q->client_id);
    str_free(q->other_id);
}

static int read_query(const struct sim_request *req, struct token_query *q, struct err *e)
{
    static const char *const others[] = { "object_id", "msi_res_id", "mi_res_id" };
    size_t n = 0;

    if (sim_request_query(req, "api-version", &q->version, &q->n_version, e) != 0 ||
        sim_request_query(req, "resource", &q->resource, &q->n_resource, e) != 0 ||
        sim_request_query(req, "client_id", &q->client_id, &q->n_ids, e) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        CLEANUP(str_freep) char *id = NULL;
        if (sim_request_query(req, others[i], &id, &n, e) != 0)
            return -1;
        q->n_ids += n;
        if (q->other_id == NULL)
            q->other_id = TAKE(id);
    }
    return 0;
}

static int refuse_version(struct sim_reply *out, struct err *e)
{
    sim_reply_verdict(out, "api-version is invalid or missing");
    return sim_reply_json(out, 400,
                          json_pack("{ss s[sss]}", "error", BAD_VERSION, "newest-versions",
                                    "2020-10-01", "2020-09-01", "2020-07-15"),
                          e);
}

static bool is_version(const struct token_query *q)
{
    return q->n_version == 1 && strlen(q->version) >= strlen(MIN_VERSION) &&
           strncmp(q->version, MIN_VERSION, strlen(MIN_VERSION)) >= 0;
}

static int give_token(struct sim *sim, const struct token_query *q, struct sim_reply *out,
                      struct err *e)
{
    const int64_t life = sim_state(sim).token_life_s, now = sim_now_s(sim);
    const char *client_id = q->client_id != NULL ? q->client_id : SIM_TOKEN_CLIENT;
    CLEANUP(str_freep) char *token = NULL;
    char expires_in[24], expires_on[24], not_before[24];

    if (sim_token_issue(sim, q->resource, client_id, &token, e) != 0)
        return -1;
    snprintf(expires_in, sizeof(expires_in), "%lld", (long long)(life > 0 ? life - 1 : life));
    snprintf(expires_on, sizeof(expires_on), "%lld", (long long)(now + life));
    snprintf(not_before, sizeof(not_before), "%lld", (long long)now);
    sim_reply_verdict(out, "token for %.200s", q->resource);
    return sim_reply_json(out, 200,
                          json_pack("{ss ss ss ss ss ss ss ss}", "access_token", token, "client_id",
                                    client_id, "expires_in", expires_in, "expires_on", expires_on,
                                    "ext_expires_in", expires_in, "not_before", not_before,
                                    "resource", q->resource, "token_type", "Bearer"),
                          e);
}

static int handle_token(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    CLEANUP(token_query_done) struct token_query q = { 0 };
    struct err why;

    if (read_query(req, &q, &why) != 0)
        return refuse(out, 400, "invalid_request", why.msg, e);
    if (!is_version(&q))
        return refuse_version(out, e);
    if (q.n_resource != 1 || q.resource[0] == '\0')
        return refuse(out, 400, "invalid_request",
                      "Required query variable 'resource' is missing or occurs twice", e);
    if (q.n_ids > 1)
        return refuse(out, 400, "invalid_request",
                      "More than one of object_id, client_id and msi_res_id", e);
    if ((q.client_id != NULL && q.client_id[0] == '\0') ||
        (q.other_id != NULL && q.other_id[0] == '\0'))
        return refuse(out, 400, "invalid_request", "Identity not found", e);
    if (strstr(q.resource, "://") == NULL || strlen(q.resource) >= SIM_TOKEN_AUDIENCE_SIZE)
        return refuse(
            out, 400, "invalid_resource",
            "AADSTS50001: The application was not found in the tenant named " SIM_TOKEN_TENANT ".",
            e);
    return give_token(sim, &q, out, e);
}

int sim_imds_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                    struct err *e)
{
    int result = 0;

    if (sim_reply_header(out, "Server", SERVER, e) != 0)
        return -1;
    if (refuse_caller(req, out, &result, e))
        return result;
    if (strcmp(req->op, "token") == 0)
        return handle_token(sim, req, out, e);
    if (strncasecmp(req->path, "/metadata/identity/", 19) == 0)
        return refuse(out, 401, "unknown_source", "Unknown Source", e);
    return refuse(out, 404, "not_found", "The requested element does not exist", e);
}

int sim_thim_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                    struct err *e)
{
    json_t *certs = NULL;
    int result = 0;

    if (sim_reply_header(out, "Server", SERVER, e) != 0)
        return -1;
    if (refuse_caller(req, out, &result, e))
        return result;
    if (strcmp(req->op, "certification") != 0)
        return refuse(out, 404, "not_found", "The requested element does not exist", e);
    if (psp_thim(sim->psp, &certs, e) != 0)
        return -1;
    sim_reply_verdict(out, "certificates of tcbm %s",
                      json_string_value(json_object_get(certs, "tcbm")));
    return sim_reply_json(out, 200, certs, e);
}
