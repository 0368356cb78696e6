/*
 * A text as endpoint, list entry and key. However it is written, an accepted host ends in a suffix
 * of the list, its authority names the same host, and a key's name cannot leave its path segment.
 */
#include "azure/endpoint.h"
#include "base/str.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_endpoint(enum endpoint_kind kind, const char *text)
{
    static const struct endpoint_allow defaults = { 0 };
    struct endpoint ep, again;
    struct url_parts u;
    struct err e;
    bool known = false;

    if (endpoint_parse(kind, text, &defaults, &ep, &e) != 0) {
        if (e.code != ERR_ARG && e.code != ERR_CHECK)
            abort();
        return;
    }
    for (const char *const *s = endpoint_default_list(kind); *s != NULL; s++)
        known = known || (str_ends_with(ep.host, *s) && strlen(ep.host) > strlen(*s));
    if (!known || strspn(ep.host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(ep.host))
        abort();
    if (url_parse(ep.authority, &u, &e) != 0 || strcmp(u.host, ep.host) != 0 || u.port != 0)
        abort();
    if (endpoint_parse(kind, ep.authority, &defaults, &again, &e) != 0 ||
        strcmp(again.host, ep.host) != 0 || again.is_hsm != ep.is_hsm)
        abort();
}

static void check_key(const char *text)
{
    static const struct endpoint vault = { .host = "a.vault.azure.net",
                                           .authority = "a.vault.azure.net" };
    static const struct endpoint_allow any = { 0 };
    char kid[KEY_NAME_SIZE + KEY_VERSION_SIZE];
    struct key_ref k, again;
    struct err e;

    if (key_ref_parse(text, &vault, &any, &k, &e) != 0)
        return;
    key_ref_format(&k, kid);
    if (key_ref_parse(kid, &vault, &any, &again, &e) != 0 || strcmp(k.name, again.name) != 0 ||
        strcmp(k.version, again.version) != 0 || strpbrk(k.name, "/.?#%\\ \r\n") != NULL)
        abort();
    if (strstr(text, "://") != NULL && !key_ref_matches_url(&k, &vault, text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(str_freep) char *text = NULL;
    struct err e;

    if (str_from_span(span_of(data, size), &text, &e) != 0)
        return 0;
    check_endpoint(ENDPOINT_MAA, text);
    check_endpoint(ENDPOINT_AKV, text);
    check_key(text);
    if (endpoint_check_entry(text, &e) != 0 && e.code != ERR_ARG)
        abort();
    return 0;
}
