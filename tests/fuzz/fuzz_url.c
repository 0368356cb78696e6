/* Whatever we accept as a URL, libcurl understands in the same way: host, port and scheme decide
 * where a token goes. */
#include "base/str.h"
#include "http/header.h"
#include "http/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_part(CURLU *url, CURLUPart part, const char *wanted)
{
    char *got = NULL;

    if (curl_url_get(url, part, &got, 0) != CURLUE_OK)
        must(wanted == NULL);
    else
        must(wanted != NULL && strcasecmp(got, wanted) == 0);
    curl_free(got);
}

/* libcurl writes IPv6 in its shortest form. */
static bool is_ipv6(const struct url_parts *parts)
{
    return strchr(parts->host, ':') != NULL;
}

static void compare_with_libcurl(const char *text, const struct url_parts *parts)
{
    CLEANUP(str_freep) char *full = NULL;
    CURLU *url = curl_url();
    char port[16];
    struct err e;
    const bool has_scheme =
        strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;

    must(str_printf(&full, &e, "%s%s", has_scheme ? "" : "https://", text) == 0);
    must(url != NULL && curl_url_set(url, CURLUPART_URL, full, 0) == CURLUE_OK);
    snprintf(port, sizeof(port), "%d", parts->port);
    check_part(url, CURLUPART_SCHEME, parts->https ? "https" : "http");
    check_part(url, CURLUPART_PORT, parts->port != 0 ? port : NULL);
    check_part(url, CURLUPART_USER, NULL);
    if (!is_ipv6(parts))
        check_part(url, CURLUPART_HOST, parts->host);
    curl_url_cleanup(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(str_freep) char *text = NULL;
    CLEANUP(buf_done) struct buf encoded = { 0 };
    struct url_parts parts;
    struct err e;

    const int seconds = header_retry_after_s(span_of(data, size), 784111777);
    must(seconds >= -1 && seconds <= HEADER_MAX_RETRY_AFTER_S);
    if (str_from_span(span_of(data, size), &text, &e) != 0)
        return 0;
    if (url_parse(text, &parts, &e) == 0)
        compare_with_libcurl(text, &parts);
    must(url_encode(text, &encoded, &e) == 0);
    must(strspn(buf_cstr(&encoded), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "-._~%") == encoded.n);
    return 0;
}
