/* Where identity.c gets tokens from: one request each, nothing is remembered. */
#ifndef AZURE_IDENTITY_SOURCE_H
#define AZURE_IDENTITY_SOURCE_H

#include "azure/access_token.h"
#include "http/call.h"

#define FEDERATED_TOKEN_MAX 65536

/*
 * Managed identity, GET <base_url>/metadata/identity/oauth2/token.
 * client_id  of a user-assigned identity, or NULL
 * Fails: as http_call(), ERR_PARSE.
 */
MUST_CHECK int identity_imds_fetch(const struct http_env *env, const char *base_url,
                                   const char *client_id, const char *resource, int64_t deadline_ms,
                                   struct access_token *out, struct err *e);

struct identity_workload {
    const char *client_id, *tenant_id;
    const char *token_file; /* read anew for each exchange: kubelets replace it */
};

/* A tenant is a GUID or a domain name; nothing else becomes part of a URL. */
bool identity_tenant_is_sane(const char *tenant_id);

/*
 * Workload identity, POST <base_url>/<tenant>/oauth2/v2.0/token with the federated token.
 * base_url  "https://login.microsoftonline.com", without a slash at the end
 * Fails: as http_call(), ERR_PARSE, ERR_SYS (the token file).
 */
MUST_CHECK int identity_workload_fetch(const struct http_env *env, const char *base_url,
                                       const struct identity_workload *w, const char *resource,
                                       int64_t deadline_ms, struct access_token *out,
                                       struct err *e);

#endif
