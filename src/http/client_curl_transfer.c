/*
 * Sets up libcurl's handle for one exchange and translates what comes of it.
 *
 * The caller's headers are the only ones beside Host, Accept and Content-Length. Nothing is
 * followed, decoded, remembered or read from the user's files. The roots are ours (Debian's
 * CAPATH, unless cleared, makes libcurl read them again for each connection).
 */
#include "http/client_curl_transfer.h"

#include "base/clock.h"
#include "base/str.h"
#include "http/header.h"
#include "http/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HEADER     (64 * 1024)
#define MAX_REASON     200
#define MAX_TIMEOUT_MS (24 * 3600 * 1000)

static const struct {
    CURLoption option;
    long value;
} FIXED[] = {
    { CURLOPT_NOSIGNAL, 1 },
    { CURLOPT_QUICK_EXIT, 1 }, /* else a dead DNS holds up the thread when the time is over */
    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
    { CURLOPT_HTTP09_ALLOWED, 0 },
    { CURLOPT_FOLLOWLOCATION, 0 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
    { CURLOPT_SSL_VERIFYPEER, 1 },
    { CURLOPT_SSL_VERIFYHOST, 2 },
    { CURLOPT_HEADEROPT, CURLHEADER_SEPARATE }, /* a proxy's CONNECT carries no token */
    { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
};

static const CURLoption CLEARED[] = { CURLOPT_CAINFO, CURLOPT_CAPATH, CURLOPT_PROXY_CAINFO,
                                      CURLOPT_PROXY_CAPATH };

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
    struct transfer *t = user;

    (void)size; /* always 1 */
    if (n > t->max_body - t->body.n) {
        err_set(&t->failure, ERR_PARSE, "%s: answer is longer than %zu bytes", t->peer,
                t->max_body);
        return CURL_WRITEFUNC_ERROR;
    }
    if (buf_add(&t->body, p, n, &t->failure) != 0)
        return CURL_WRITEFUNC_ERROR;
    return n;
}

static struct span trim(struct span s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
        s.n--;
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_of(s.p + 1, s.n - 1);
    return s;
}

static size_t on_header(char *p, size_t size, size_t n, void *user)
{
    static const char name[] = "retry-after:";
    struct transfer *t = user;

    (void)size; /* always 1 */
    t->n_header += n;
    if (t->n_header > MAX_HEADER) {
        err_set(&t->failure, ERR_PARSE, "%s: header of the answer is longer than %d bytes", t->peer,
                MAX_HEADER);
        return CURL_WRITEFUNC_ERROR;
    }
    if (n > 5 && strncmp(p, "HTTP/", 5) == 0) {
        t->in_header = true;
        t->retry_after_s = -1; /* what an interim answer said is over */
    }
    if (n <= 2)
        t->in_header = false;
    if (n > sizeof(name) && strncasecmp(p, name, sizeof(name) - 1) == 0)
        t->retry_after_s =
            header_retry_after_s(trim(span_of(p + sizeof(name) - 1, n - sizeof(name) + 1)),
                                 clock_unix_s(clock_system()));
    return n;
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *user)
{
    struct transfer *t = user;

    (void)easy;
    if (roots_attach(t->roots, ssl_ctx, &t->failure) == 0)
        return CURLE_OK;
    err_wrap(&t->failure, "%s: no trusted certificates", t->peer);
    t->failure.code = ERR_TLS;
    return CURLE_ABORTED_BY_CALLBACK;
}

int transfer_new(struct http_exchange *x, struct roots *roots, struct transfer **out, struct err *e)
{
    struct transfer *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return err_nomem(e);
    t->x = x;
    t->roots = roots;
    const int64_t limit_ms = x->request->timeout_ms;
    t->deadline_ms =
        clock_now_ms(clock_system()) + (limit_ms < MAX_TIMEOUT_MS ? limit_ms : MAX_TIMEOUT_MS);
    t->max_body = x->request->max_body != 0 ? x->request->max_body : HTTP_MAX_BODY;
    t->retry_after_s = -1;
    *out = t;
    return 0;
}

static int add_line(struct transfer *t, const char *line, struct err *e)
{
    struct curl_slist *longer = line != NULL ? curl_slist_append(t->headers, line) : NULL;

    if (longer == NULL)
        return err_nomem(e);
    t->headers = longer;
    return 0;
}

static int add_header(struct transfer *t, const struct http_header *h, struct err *e)
{
    CLEANUP(buf_done) struct buf line = { 0 }; /* wipes itself: the value may be a token */
    const bool is_empty = h->value[strspn(h->value, " \t")] == '\0';

    if (buf_add_str(&line, h->name, e) != 0)
        return -1;
    if (is_empty && buf_add_str(&line, ";", e) != 0) /* libcurl's spelling of no value */
        return -1;
    if (!is_empty && (buf_add_str(&line, ": ", e) != 0 || buf_add_str(&line, h->value, e) != 0))
        return -1;
    return add_line(t, buf_cstr(&line), e);
}

static int add_headers(struct transfer *t, struct err *e)
{
    const struct http_header *h = t->x->request->headers;
    bool has_type = false;

    for (size_t i = 0; i < HTTP_MAX_HEADERS && h[i].name != NULL; i++) {
        if (!header_is_sendable(h[i].name, h[i].value))
            return err_set(e, ERR_ARG, "request header %zu has characters that cannot be sent",
                           i + 1);
        has_type |= strcasecmp(h[i].name, "Content-Type") == 0;
        if (add_header(t, &h[i], e) != 0)
            return -1;
    }
    if (add_line(t, "Expect:", e) != 0)
        return -1;
    return has_type ? 0 : add_line(t, "Content-Type:", e);
}

/* Options are judged together: any that failed says so. */
static int set_options(struct transfer *t, struct err *e)
{
    CURLcode rc = CURLE_OK;

    for (size_t i = 0; i < ARRAY_LEN(FIXED) && rc == CURLE_OK; i++)
        rc = curl_easy_setopt(t->easy, FIXED[i].option, FIXED[i].value);
    for (size_t i = 0; i < ARRAY_LEN(CLEARED) && rc == CURLE_OK; i++)
        rc = curl_easy_setopt(t->easy, CLEARED[i], (char *)NULL);
    if (rc != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https")) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->reason)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_DATA, t)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max_body)) !=
            CURLE_OK)
        return err_set(e, ERR_NOMEM, "libcurl refuses an option: %s", curl_easy_strerror(rc));
    return 0;
}

static int set_request(struct transfer *t, bool is_direct, int64_t connect_timeout_ms,
                       struct err *e)
{
    const struct http_request *r = t->x->request;
    const int64_t left_ms = t->deadline_ms - clock_now_ms(clock_system());
    const bool has_body = strcmp(r->method, "GET") != 0 || r->body.n != 0;
    CURLcode rc = CURLE_OK;

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "%s: no time is left for the request", t->peer);
    if (is_direct) /* an empty name keeps libcurl from looking at the environment */
        rc = curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    if (rc == CURLE_OK && has_body) {
        const void *body = r->body.n != 0 ? (const void *)r->body.p : "";
        rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body);
    }
    if (rc != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, r->method)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_URL, r->url)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)left_ms)) != CURLE_OK ||
        (rc = curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms)) !=
            CURLE_OK)
        return err_set(e, ERR_NOMEM, "libcurl refuses an option: %s", curl_easy_strerror(rc));
    return 0;
}

static bool is_known_method(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
}

int transfer_start(struct transfer *t, CURL *easy, int64_t connect_timeout_ms, struct err *e)
{
    const struct http_request *r = t->x->request;
    struct url_parts parts;
    struct err why;

    if (!is_known_method(r->method))
        return err_set(e, ERR_ARG, "request method is none of GET, POST and PUT");
    if (strstr(r->url, "://") == NULL)
        return err_set(e, ERR_ARG, "URL of request has no scheme");
    if (url_parse(r->url, &parts, &why) != 0)
        return err_set(e, ERR_ARG, "URL of request cannot be used: %s", why.msg);
    const bool is_ipv6 = strchr(parts.host, ':') != NULL;
    snprintf(t->peer, sizeof(t->peer), is_ipv6 ? "[%s]" : "%s", parts.host);
    if (parts.port != 0)
        snprintf(t->peer + strlen(t->peer), sizeof(t->peer) - strlen(t->peer), ":%d", parts.port);
    t->easy = easy;
    if (add_headers(t, e) != 0 || set_options(t, e) != 0)
        return -1;
    return set_request(t, r->no_proxy || url_host_is_local(parts.host), connect_timeout_ms, e);
}

/* Libcurl has one code for a handshake that was refused and for one that the network ended. Only
 * the former comes with an error of OpenSSL's. */
static enum err_code handshake_code(const char *reason)
{
    return strstr(reason, "error:") != NULL ? ERR_TLS : ERR_NET;
}

static enum err_code code_of(const struct transfer *t, CURLcode result)
{
    curl_off_t first_byte_us = 0;

    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
        return handshake_code(t->reason);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return ERR_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the answer: that of the URL has been looked at */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_FILESIZE_EXCEEDED:
        return ERR_PARSE;
    case CURLE_OUT_OF_MEMORY: /* also libcurl's own limit of a single header line */
        curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
        return t->in_header || first_byte_us > 0 ? ERR_PARSE : ERR_NOMEM;
    default:
        return ERR_NET;
    }
}

static void explain(struct transfer *t, CURLcode result, struct err *out)
{
    char quoted[MAX_REASON + 16];
    const char *reason = t->reason[0] != '\0' ? t->reason : curl_easy_strerror(result);
    const enum err_code code = code_of(t, result);

    if (result == CURLE_FILESIZE_EXCEEDED) {
        err_set(out, code, "%s: answer is longer than %zu bytes", t->peer, t->max_body);
        return;
    }
    if (result == CURLE_OUT_OF_MEMORY && code == ERR_PARSE)
        reason = "a header line of the answer is too long";
    str_quote(span_str(reason), MAX_REASON, quoted);
    err_set(out, code, "%s: %s", t->peer, quoted);
}

/* The headers carry tokens. libcurl's copies of them are wiped by its free(). */
static void transfer_free(struct transfer *t)
{
    if (t->easy != NULL)
        curl_easy_reset(t->easy);
    curl_slist_free_all(t->headers);
    buf_done(&t->body);
    free(t);
}

void transfer_fail(struct transfer *t, const struct err *e)
{
    struct http_exchange *x = t->x;

    transfer_free(t);
    x->done(x, e);
}

void transfer_finish(struct transfer *t, CURLcode result)
{
    struct http_exchange *x = t->x;
    long status = 0, n_connects = 0;

    if (t->failure.code == ERR_NONE && result != CURLE_OK)
        explain(t, result, &t->failure);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->failure.code == ERR_NONE && t->in_header) /* libcurl takes this for success */
        err_set(&t->failure, ERR_NET, "%s: connection closed within the header", t->peer);
    if (t->failure.code == ERR_NONE && status < 200)
        err_set(&t->failure, ERR_PARSE, "%s: answer has the status %ld", t->peer, status);
    if (t->failure.code != ERR_NONE) {
        const struct err e = t->failure;
        transfer_fail(t, &e);
        return;
    }
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    x->response = (struct http_response){ .status = (int)status,
                                          .retry_after_s = t->retry_after_s,
                                          .body = t->body,
                                          .is_reused = n_connects == 0 };
    t->body = (struct buf){ 0 };
    transfer_free(t);
    x->done(x, NULL);
}
