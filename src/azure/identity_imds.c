#include "azure/identity_source.h"

#include "base/str.h"
#include "http/url.h"

static int format_url(const char *base_url, const char *client_id, const char *resource,
                      struct buf *out, struct err *e)
{
    if (buf_printf(out, e, "%s/metadata/identity/oauth2/token?api-version=2018-02-01&resource=",
                   base_url) != 0 ||
        url_encode(resource, out, e) != 0)
        return -1;
    if (!str_is_empty(client_id) &&
        (buf_add_str(out, "&client_id=", e) != 0 || url_encode(client_id, out, e) != 0))
        return -1;
    return buf_cstr(out) != NULL ? 0 : err_nomem(e);
}

int identity_imds_fetch(const struct http_env *env, const char *base_url, const char *client_id,
                        const char *resource, int64_t deadline_ms, struct access_token *out,
                        struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    CLEANUP(buf_done) struct buf url = { 0 };

    if (format_url(base_url, client_id, resource, &url, e) != 0)
        return -1;
    const struct http_call call = {
        .service = "imds",
        .retry = RETRY_METADATA,
        .deadline_ms = deadline_ms,
        .request = { .method = "GET",
                     .url = buf_cstr(&url),
                     .headers = { { "Metadata", "true" } },
                     .no_proxy = true },
    };
    if (http_call(env, &call, &resp, e) != 0)
        return err_wrap(e, "token request to the instance metadata service failed");
    return access_token_parse(buf_span(&resp.body), clock_unix_s(env->clk), out, e);
}
