/* Reads the ways in which a caller names a key, by grammar: nothing of it is pasted into a URL that
 * was not recognised as a name or a version. */
#include "azure/endpoint.h"

#include "base/str.h"
#include "http/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTPS_PORT     443
#define KEYS_PATH      "/keys/"
#define QUOTE_MAX      160
#define QUOTE_SIZE     (QUOTE_MAX + 16)
#define VERSION_DIGITS (KEY_VERSION_SIZE - 1)
#define NAME_LETTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/* name[/version]; false for anything else. */
static bool read_name(const char *text, struct key_ref *out)
{
    const size_t n = strspn(text, NAME_LETTERS);
    struct key_ref k = { 0 };

    if (n == 0 || n >= sizeof(k.name))
        return false;
    memcpy(k.name, text, n);
    if (text[n] == '/') {
        const char *version = text + n + 1;
        if (strlen(version) != VERSION_DIGITS ||
            strspn(version, "0123456789abcdef") != VERSION_DIGITS)
            return false;
        memcpy(k.version, version, VERSION_DIGITS);
    } else if (text[n] != '\0') {
        return false;
    }
    *out = k;
    return true;
}

/* https://host[:port]/keys/name[/version]; false for anything else. */
static bool read_url(const char *url, struct url_parts *out_url, struct key_ref *out)
{
    struct url_parts u = { 0 };
    struct err ignored; /* the answer is yes or no */

    if (strncasecmp(url, "https://", 8) != 0 || url_parse(url, &u, &ignored) != 0 ||
        !str_starts_with(u.path, KEYS_PATH) || !read_name(u.path + strlen(KEYS_PATH), out))
        return false;
    *out_url = u;
    return true;
}

/* A URL may leave the vault's port out; one that it names is the vault's. */
static bool is_at_vault(const struct url_parts *u, const struct endpoint *vault)
{
    struct url_parts at = { 0 };
    struct err ignored;

    if (strcmp(u->host, vault->host) != 0)
        return false;
    if (u->port == 0)
        return true;
    return url_parse(vault->authority, &at, &ignored) == 0 &&
           u->port == (at.port == 0 ? HTTPS_PORT : at.port);
}

static bool is_name_allowed(const char *name, const char *const *kids)
{
    if (kids == NULL)
        return true;
    for (; *kids != NULL; kids++)
        if (strcmp(*kids, name) == 0)
            return true;
    return false;
}

int key_ref_parse(const char *kid, const struct endpoint *vault, const struct endpoint_allow *allow,
                  struct key_ref *out, struct err *e)
{
    char quoted[QUOTE_SIZE];
    struct url_parts u = { 0 };
    struct key_ref k = { 0 };

    str_quote(span_str(kid), QUOTE_MAX, quoted);
    if (strstr(kid, "://") == NULL) {
        if (!read_name(kid, &k))
            return err_set(e, ERR_ARG, "\"%s\" is not a key name, with or without a version",
                           quoted);
    } else if (!read_url(kid, &u, &k)) {
        return err_set(e, ERR_ARG, "\"%s\" is not the URL of a key", quoted);
    } else if (!is_at_vault(&u, vault)) {
        return err_set(e, ERR_ARG, "key %s is not in the vault %s", quoted, vault->authority);
    }
    if (!is_name_allowed(k.name, allow->kids))
        return err_set(e, ERR_CHECK, "key %s is not allowed", k.name);
    *out = k;
    return 0;
}

void key_ref_format(const struct key_ref *k, char out[static KEY_NAME_SIZE + KEY_VERSION_SIZE])
{
    snprintf(out, KEY_NAME_SIZE + KEY_VERSION_SIZE, "%s%s%s", k->name,
             k->version[0] != '\0' ? "/" : "", k->version);
}

bool key_ref_matches_url(const struct key_ref *k, const struct endpoint *vault, const char *url)
{
    struct url_parts u = { 0 };
    struct key_ref named = { 0 };

    return read_url(url, &u, &named) && strcmp(u.host, vault->host) == 0 &&
           strcasecmp(named.name, k->name) == 0 &&
           (k->version[0] == '\0' || strcmp(named.version, k->version) == 0);
}
