#include "azure/identity_source.h"

#include "base/file.h"
#include "base/str.h"
#include "http/url.h"

#include <string.h>

#define TENANT_MAX     128
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

bool identity_tenant_is_sane(const char *tenant_id)
{
    static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const size_t n = strlen(tenant_id);

    for (size_t i = 0; i < n; i++)
        if (strchr(alnum, tenant_id[i]) == NULL && strchr(".-", tenant_id[i]) == NULL)
            return false;
    return n > 0 && n <= TENANT_MAX && strpbrk(tenant_id, alnum) != NULL; /* not ".." */
}

static int read_assertion(const char *path, char **out, struct err *e)
{
    CLEANUP(buf_done) struct buf file = { 0 };

    if (file_read(path, FEDERATED_TOKEN_MAX, &file, e) != 0)
        return err_wrap(e, "federated token");
    while (file.n > 0 && (file.p[file.n - 1] == '\n' || file.p[file.n - 1] == '\r'))
        file.n--;
    if (file.n == 0)
        return err_set(e, ERR_PARSE, "federated token: %s is empty", path);
    if (str_from_span(buf_span(&file), out, e) != 0)
        return err_wrap(e, "federated token: %s", path);
    return 0;
}

/* application/x-www-form-urlencoded, fields sorted by name. */
static int format_form(const struct identity_workload *w, const char *assertion, const char *scope,
                       struct buf *out, struct err *e)
{
    const struct {
        const char *name, *value;
    } fields[] = {
        { "client_assertion", assertion },
        { "client_assertion_type", ASSERTION_TYPE },
        { "client_id", w->client_id },
        { "grant_type", "client_credentials" },
        { "scope", scope },
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (buf_printf(out, e, "%s%s=", i > 0 ? "&" : "", fields[i].name) != 0 ||
            url_encode(fields[i].value, out, e) != 0)
            return -1;
    return 0;
}

int identity_workload_fetch(const struct http_env *env, const char *base_url,
                            const struct identity_workload *w, const char *resource,
                            int64_t deadline_ms, struct access_token *out, struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    CLEANUP(str_freep) char *assertion = NULL;
    CLEANUP(str_freep) char *scope = NULL;
    CLEANUP(str_freep) char *url = NULL;
    CLEANUP(buf_done) struct buf form = { 0 };

    if (read_assertion(w->token_file, &assertion, e) != 0 ||
        str_printf(&scope, e, "%s/.default", resource) != 0 ||
        str_printf(&url, e, "%s/%s/oauth2/v2.0/token", base_url, w->tenant_id) != 0 ||
        format_form(w, assertion, scope, &form, e) != 0)
        return -1;
    const struct http_call call = {
        .service = "entra",
        .retry = RETRY_SERVICE,
        .deadline_ms = deadline_ms,
        .request = { .method = "POST",
                     .url = url,
                     .headers = { { "Content-Type", "application/x-www-form-urlencoded" } },
                     .body = buf_span(&form) },
        .secrets = { assertion },
    };
    if (http_call(env, &call, &resp, e) != 0)
        return err_wrap(e, "token request to %s failed", base_url);
    return access_token_parse(buf_span(&resp.body), clock_unix_s(env->clk), out, e);
}
