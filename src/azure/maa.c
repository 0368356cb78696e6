/* Wraps evidence in the layers of JSON and base64url that the service has always been sent, and
 * takes the token out of its answer. */
#include "azure/maa.h"

#include "base/random.h"
#include "base/str.h"
#include "codec/b64.h"
#include "codec/json.h"

#include <string.h>

#define API_VERSION "api-version=2020-10-01"

/* "name":"<base64url with padding>" with what stands before and after it. */
static int add_b64(struct buf *out, const char *before, struct span value, const char *after,
                   struct err *e)
{
    if (buf_add_str(out, before, e) != 0 || b64_encode(value, B64_URL_PADDED, out, e) != 0)
        return -1;
    return buf_add_str(out, after, e);
}

static int format_report(const struct maa_evidence *ev, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf uvm = { 0 };

    if (add_b64(out, "{\"SnpReport\":\"", ev->report, "\"", e) != 0 ||
        add_b64(out, ",\"VcekCertChain\":\"", ev->cert_chain, "\"", e) != 0)
        return -1;
    if (ev->uvm_reference.n == 0)
        return buf_add_str(out, "}", e);
    if (add_b64(&uvm, "{\"Uvm\":[\"", ev->uvm_reference, "\"]}", e) != 0)
        return -1;
    return add_b64(out, ",\"Endorsements\":\"", buf_span(&uvm), "\"}", e);
}

int maa_format_request(const struct maa_evidence *ev, uint64_t nonce, struct buf *out,
                       struct err *e)
{
    CLEANUP(buf_done) struct buf report = { 0 };
    CLEANUP(buf_done) struct buf body = { 0 };

    if (format_report(ev, &report, e) != 0 ||
        add_b64(&body, "{\"report\":\"", buf_span(&report), "\"", e) != 0 ||
        add_b64(&body, ",\"runtimeData\":{\"data\":\"", ev->runtime_data, "\"", e) != 0 ||
        buf_printf(&body, e,
                   ",\"dataType\":\"JSON\"},\"initTimeData\":{\"data\":\"\",\"dataType\":\"\"},"
                   "\"nonce\":%llu}",
                   (unsigned long long)nonce) != 0)
        return -1;
    return buf_add(out, body.p, body.n, e);
}

/* Three non-empty parts of base64url with dots between them. */
static bool is_jwt(const char *token)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (int part = 1;; part++) {
        const size_t n = strspn(token, digits);
        if (n == 0)
            return false;
        if (part == 3)
            return token[n] == '\0';
        if (token[n] != '.')
            return false;
        token += n + 1;
    }
}

int maa_parse_token(struct span body, char **out_token, struct err *e)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    const char *token = NULL;

    if (json_parse(body, &answer, e) != 0 ||
        json_get_string_nocase(answer, "token", &token, e) != 0)
        return err_wrap(e, "the attestation service's answer");
    if (str_is_empty(token))
        return err_set(e, ERR_PARSE, "empty token string in the attestation service's answer");
    if (!is_jwt(token))
        return err_set(e, ERR_PARSE, "the attestation service's token is not a JWT");
    return str_dup(token, out_token, e);
}

int maa_attest(const struct http_env *env, const struct endpoint *maa, const char *user_agent,
               const struct maa_evidence *ev, int64_t deadline_ms, char **out_token, struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    CLEANUP(str_freep) char *url = NULL;
    CLEANUP(buf_done) struct buf body = { 0 };

    if (str_printf(&url, e, "https://%s/attest/SevSnpVM?" API_VERSION, maa->authority) != 0 ||
        maa_format_request(ev, random_u64(), &body, e) != 0)
        return -1;
    struct http_call call = {
        .service = "maa",
        .retry = RETRY_SERVICE,
        .deadline_ms = deadline_ms,
        .request = { .method = "POST",
                     .url = url,
                     .headers = { { "Content-Type", "application/json" } },
                     .body = buf_span(&body) },
    };
    if (!str_is_empty(user_agent))
        call.request.headers[1] = (struct http_header){ "User-Agent", user_agent };
    if (http_call(env, &call, &resp, e) != 0)
        return err_wrap(e, e->code == ERR_HTTP ? "pulling maa post response failed"
                                               : "maa post request failed");
    return maa_parse_token(buf_span(&resp.body), out_token, e);
}
