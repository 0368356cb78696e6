/*
 * Access tokens for this workload: workload identity (federated token file, Entra) when it is
 * configured, else managed identity (instance metadata service).
 *
 * Tokens are cached for each resource, refreshed ahead of their end in the background while the
 * old one is still good, and asked for by one caller at a time. Safe for many threads.
 *
 * Counts skr_token_requests_total{kind,result} (kind: workload_identity, managed_identity),
 * skr_token_cache_total{result} (hit, miss, wait) and sets skr_token_expiry_seconds{resource}, the
 * Unix time at which the token in hand ends.
 */
#ifndef AZURE_IDENTITY_H
#define AZURE_IDENTITY_H

#include "http/call.h"

struct identity;

struct identity_config {
    const char *client_id; /* of a user-assigned managed identity, or NULL */
    const char *imds_url;  /* "http://169.254.169.254", or AZURE_POD_IDENTITY_AUTHORITY_HOST */
    const char *workload_client_id, *workload_tenant_id,
        *workload_token_file;   /* all set, or none counts */
    const char *authority_host; /* AZURE_AUTHORITY_HOST: URL, or NULL: the cloud of the vault */
};

/* config's strings are copied; env is borrowed and outlives the object.
 * Fails: ERR_ARG for an address that is no URL of a host (authority_host: also for plain http), or
 * a tenant that is no tenant's name. What the kind in use does not need is not looked at. */
MUST_CHECK int identity_new(const struct identity_config *config, const struct http_env *env,
                            struct identity **out, struct err *e);
void identity_free(struct identity *id); /* waits for a refresh under way: 8 s at most */

/*
 * A bearer token for a resource such as "https://vault.azure.net"; the caller's.
 * login_host   Entra host used when authority_host is not configured
 * Fails: ERR_HTTP (the token service refuses), ERR_NET, ERR_TIMEOUT, ERR_PARSE, ERR_SYS (the token
 * file).
 */
MUST_CHECK int identity_token(struct identity *id, const char *resource, const char *login_host,
                              int64_t deadline_ms, char **out_token, struct err *e);

/* identity_token() would have to ask the token service. */
bool identity_has_to_ask(struct identity *id, const char *resource);

/* The resource refused this token (401): it is not handed out again. A newer one stays. */
void identity_drop(struct identity *id, const char *resource, const char *token);

/* Name of the kind in use, for the start-up line: "workload identity" or "managed identity". */
const char *identity_kind(const struct identity *id);

#endif
