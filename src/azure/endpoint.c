/*
 * Decides which host a caller may name, and which key. url_parse() has the last word on what a host
 * is (no user information, no percent signs, no blanks, folded to lower case); here a host is
 * compared label by label from its end, never searched for a substring, and a key's name is read by
 * its grammar.
 */
#include "azure/endpoint.h"

#include "base/str.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTPS_PORT 443
#define MAX_LABEL  63
#define QUOTE_MAX  128
#define QUOTE_SIZE (QUOTE_MAX + 16)

#define PUBLIC_LOGIN_HOST "login.microsoftonline.com"

/* Where tokens for a sovereign cloud come from, by the end of its services' names. */
static const struct cloud {
    const char *end;
    const char *login_host;
} SOVEREIGN_CLOUDS[] = {
    { ".azure.cn", "login.chinacloudapi.cn" },
    { ".usgovcloudapi.net", "login.microsoftonline.us" },
    { ".azure.us", "login.microsoftonline.us" },
    { ".microsoftazure.de", "login.microsoftonline.de" },
    { ".sovcloud-api.fr", "login.sovcloud-identity.fr" },
};

static const char *const MAA_SUFFIXES[] = {
    ".attest.azure.net",
    ".attest.azure.cn",
    ".attest.azure.us",
    ".attest.usgovcloudapi.net",
    ".attest.microsoftazure.de",
    ".attest.sovcloud-api.fr",
    NULL,
};

static const char *const AKV_SUFFIXES[] = {
    ".vault.azure.net",
    ".managedhsm.azure.net",
    ".vault.azure.cn",
    ".managedhsm.azure.cn",
    ".vault.usgovcloudapi.net",
    ".managedhsm.usgovcloudapi.net",
    ".vault.microsoftazure.de",
    ".managedhsm.microsoftazure.de",
    ".vault.sovcloud-api.fr",
    ".managedhsm.sovcloud-api.fr",
    NULL,
};

const char *const *endpoint_default_list(enum endpoint_kind kind)
{
    return kind == ENDPOINT_MAA ? MAA_SUFFIXES : AKV_SUFFIXES;
}

/* suffix begins with a dot; at least one label stands before it. */
static bool has_suffix(const char *host, const char *suffix)
{
    const size_t n = strlen(host), m = strlen(suffix);

    return n > m && strcasecmp(host + n - m, suffix) == 0;
}

static bool is_loopback_ip(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_loopback(const char *host)
{
    return is_loopback_ip(host) || strcmp(host, "localhost") == 0 || has_suffix(host, ".localhost");
}

/* What url_parse() leaves to resolvers and certificates: labels are at most 63 long, without a
 * hyphen at either end. IPv6 addresses are checked by their own reader. */
static bool has_sane_labels(const char *host)
{
    struct in6_addr v6;

    if (strchr(host, ':') != NULL)
        return inet_pton(AF_INET6, host, &v6) == 1;
    for (const char *label = host;; label++) {
        const size_t n = strcspn(label, ".");
        if (n == 0 || n > MAX_LABEL || label[0] == '-' || label[n - 1] == '-')
            return false;
        label += n;
        if (*label == '\0')
            return true;
    }
}

/* Host and port of a text that names nothing else; port 443 when it names none. */
static int read_host(const char *text, struct url_parts *out, struct err *e)
{
    char quoted[QUOTE_SIZE];
    struct url_parts u = { 0 };
    struct err why;

    str_quote(span_str(text), QUOTE_MAX, quoted);
    if (url_parse(text, &u, &why) != 0)
        return err_set(e, ERR_ARG, "\"%s\" is not a host name: %s", quoted, why.msg);
    if (!u.https)
        return err_set(e, ERR_ARG, "\"%s\" is not an https endpoint", quoted);
    if (*u.path != '\0' && strcmp(u.path, "/") != 0)
        return err_set(e, ERR_ARG, "\"%s\" names more than a host", quoted);
    if (!has_sane_labels(u.host))
        return err_set(e, ERR_ARG, "\"%s\" is not a host name", quoted);
    if (u.port == 0)
        u.port = HTTPS_PORT;
    *out = u;
    return 0;
}

/* ".suffix" of ".suffix" and "*.suffix", NULL for an exact name. */
static const char *entry_suffix(const char *entry)
{
    if (entry[0] == '*' && entry[1] == '.')
        return entry + 1;
    return entry[0] == '.' ? entry : NULL;
}

static bool is_number(const char *label)
{
    return label[0] != '\0' && label[strspn(label, "0123456789")] == '\0';
}

/* The host or suffix (with its dot) and the port of a well-formed entry. */
static int read_entry(const char *entry, bool *out_suffix, struct url_parts *out, struct err *e)
{
    const char *suffix = entry_suffix(entry);
    struct url_parts u = { 0 };

    if (strchr(entry, '/') != NULL)
        return err_set(e, ERR_ARG, "an entry of a list of hosts is a name, not a URL");
    if (read_host(suffix != NULL ? suffix + 1 : entry, &u, e) != 0)
        return -1;
    const char *last = strrchr(u.host, '.');
    if (suffix != NULL && (strchr(u.host, ':') != NULL || is_number(last ? last + 1 : u.host)))
        return err_set(e, ERR_ARG, "an address has no names below it");
    *out_suffix = suffix != NULL;
    *out = u;
    return 0;
}

int endpoint_check_entry(const char *entry, struct err *e)
{
    struct url_parts u;
    bool suffix = false;

    return read_entry(entry, &suffix, &u, e);
}

static bool entry_allows(const char *entry, const struct url_parts *u)
{
    struct url_parts want = { 0 };
    struct err ignored; /* lists are checked when configured; here a bad entry allows nothing */
    bool suffix = false;

    if (read_entry(entry, &suffix, &want, &ignored) != 0 || want.port != u->port)
        return false;
    if (!suffix)
        return strcmp(u->host, want.host) == 0;
    const size_t n = strlen(u->host), m = strlen(want.host);
    return n > m + 1 && u->host[n - m - 1] == '.' && strcmp(u->host + n - m, want.host) == 0;
}

static bool is_allowed(enum endpoint_kind kind, const struct url_parts *u,
                       const struct endpoint_allow *allow)
{
    const char *const *list = kind == ENDPOINT_MAA ? allow->maa : allow->akv;

    if (allow->insecure_dev && is_loopback(u->host))
        return true;
    if (list == NULL)
        list = endpoint_default_list(kind);
    for (; *list != NULL; list++)
        if (entry_allows(*list, u))
            return true;
    return false;
}

/* The built-in suffix that a host is under, whatever list allowed it; NULL: of no known cloud. */
static const char *known_suffix(enum endpoint_kind kind, const char *host)
{
    for (const char *const *s = endpoint_default_list(kind); *s != NULL; s++)
        if (has_suffix(host, *s))
            return *s;
    return NULL;
}

static const char *login_host_of(const char *suffix)
{
    for (size_t i = 0; suffix != NULL && i < ARRAY_LEN(SOVEREIGN_CLOUDS); i++)
        if (str_ends_with(suffix, SOVEREIGN_CLOUDS[i].end))
            return SOVEREIGN_CLOUDS[i].login_host;
    return PUBLIC_LOGIN_HOST;
}

/* Hosts of no known cloud get the public cloud's audience. */
static void classify_vault(struct endpoint *ep, const char *suffix, bool insecure_dev)
{
    if (suffix == NULL)
        suffix = insecure_dev && has_suffix(ep->host, ".managedhsm.localhost")
                     ? ".managedhsm.azure.net"
                     : ".vault.azure.net";
    ep->is_hsm = str_starts_with(suffix, ".managedhsm.");
    snprintf(ep->resource, sizeof(ep->resource), "https://%s", suffix + 1);
}

int endpoint_parse(enum endpoint_kind kind, const char *text, const struct endpoint_allow *allow,
                   struct endpoint *out, struct err *e)
{
    struct endpoint ep = { 0 };
    struct url_parts u = { 0 };

    if (read_host(text, &u, e) != 0)
        return -1;
    const bool v6 = strchr(u.host, ':') != NULL;
    snprintf(ep.host, sizeof(ep.host), "%s", u.host);
    int n = snprintf(ep.authority, sizeof(ep.authority), v6 ? "[%s]" : "%s", u.host);
    if (u.port != HTTPS_PORT)
        snprintf(ep.authority + n, sizeof(ep.authority) - (size_t)n, ":%d", u.port);
    if (!is_allowed(kind, &u, allow))
        return err_set(e, ERR_CHECK, "host %s is not allowed", ep.authority);
    const char *suffix = known_suffix(kind, ep.host);
    ep.login_host = login_host_of(suffix);
    if (kind == ENDPOINT_AKV)
        classify_vault(&ep, suffix, allow->insecure_dev);
    *out = ep;
    return 0;
}
