/* A table of sections and members says what is known; everything else is a warning. */
#include "skr/config.h"

#include "azure/endpoint.h"
#include "azure/thim.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/b64.h"
#include "http/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONFIG_MAX    (256 * 1024)
#define MAX_TIMEOUT_S 3600
#define MAX_LIST      256

#define DEFAULT_SESSION_AGE_S 60
#define DEFAULT_SESSION_USES  1000
#define MAX_SESSION_AGE_S     86400
#define MAX_SESSION_USES      1000000000

static const struct {
    const char *section; /* NULL members: the section is a plain value */
    const char *members[6];
} KNOWN[] = {
    { "certcache", { "endpoint_type", "endpoint", "tee_type", "api_version", "client_id" } },
    { "identity", { "client_id" } },
    { "maaconfig", { "user_agent" } },
    { "session", { "max_age_s", "max_uses" } },
    { "allow", { "maa", "akv", "kids" } },
    { "timeouts", { "connect", "exchange", "request", "drain" } },
    { "verification", { NULL } },
    { "amd_roots", { NULL } },
    { "simulated_psp", { NULL } },
};

void config_done(struct config *c)
{
    str_free(c->thim_url);
    free(c->allow_maa);
    free(c->allow_akv);
    free(c->allow_kids);
    json_decref(c->json);
    *c = (struct config){ 0 };
}

static void warn_unknown_members(const json_t *section, size_t known)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)(uintptr_t)section, name, value) {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(KNOWN[0].members) && KNOWN[known].members[i]; i++)
            found = found || strcasecmp(name, KNOWN[known].members[i]) == 0;
        if (!found)
            log_warning("configuration member \"%s.%.60s\" is not known and ignored",
                        KNOWN[known].section, name);
    }
}

static void warn_unknown(const json_t *root)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)(uintptr_t)root, name, value) {
        size_t i = 0;
        while (i < ARRAY_LEN(KNOWN) && strcasecmp(name, KNOWN[i].section) != 0)
            i++;
        if (i == ARRAY_LEN(KNOWN))
            log_warning("configuration member \"%.60s\" is not known and ignored", name);
        else if (json_is_object(value))
            warn_unknown_members(value, i);
    }
}

/* A section that must be an object where it is there; NULL when it is absent. */
static int section(const json_t *root, const char *name, const json_t **out, struct err *e)
{
    const json_t *v = json_member_nocase(root, name);

    if (v != NULL && !json_is_object(v) && !json_is_null(v))
        return err_set(e, ERR_ARG, "configuration member \"%s\" is not an object", name);
    *out = json_is_object(v) ? v : NULL;
    return 0;
}

static int string(const json_t *root, const char *section_name, const char *name, const char **out,
                  struct err *e)
{
    const json_t *s = NULL;

    if (section(root, section_name, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (json_get_string_nocase(s, name, out, e) != 0) {
        e->code = ERR_ARG;
        return err_wrap(e, "configuration section \"%s\"", section_name);
    }
    if (str_is_empty(*out))
        *out = NULL;
    return 0;
}

static int milliseconds(const json_t *s, const char *name, bool may_be_zero, int64_t *out,
                        struct err *e)
{
    const json_t *v = json_member_nocase(s, name);

    if (v == NULL)
        return 0;
    const double seconds = json_number_value(v);
    if (!json_is_number(v) || seconds < 0 || seconds > MAX_TIMEOUT_S ||
        (seconds < 0.001 && !may_be_zero))
        return err_set(e, ERR_ARG,
                       "configuration member \"timeouts.%s\" is not a number of seconds up to %d",
                       name, MAX_TIMEOUT_S);
    *out = (int64_t)(seconds * 1000);
    return 0;
}

static int load_timeouts(const json_t *root, struct config_timeouts *t, struct err *e)
{
    const json_t *s = NULL;

    *t = (struct config_timeouts){ 5000, 20000, 50000, 8000 };
    if (section(root, "timeouts", &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (milliseconds(s, "connect", false, &t->connect_ms, e) != 0 ||
        milliseconds(s, "exchange", false, &t->exchange_ms, e) != 0 ||
        milliseconds(s, "request", false, &t->request_ms, e) != 0)
        return -1;
    return milliseconds(s, "drain", true, &t->drain_ms, e);
}

static int load_list(const json_t *allow, const char *name, bool hosts, const char ***out,
                     struct err *e)
{
    const json_t *v = json_member_nocase(allow, name);

    if (v == NULL)
        return 0;
    const size_t n = json_array_size(v);
    if (!json_is_array(v) || n > MAX_LIST)
        return err_set(e, ERR_ARG,
                       "configuration member \"allow.%s\" is not an array of up to %d names", name,
                       MAX_LIST);
    *out = calloc(n + 1, sizeof(**out));
    if (*out == NULL)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++) {
        const char *entry = json_string_value(json_array_get(v, i));
        if (str_is_empty(entry))
            return err_set(e, ERR_ARG, "configuration member \"allow.%s\": entry %zu is not a name",
                           name, i);
        if (hosts && endpoint_check_entry(entry, e) != 0)
            return err_wrap(e, "configuration member \"allow.%s\": entry %zu", name, i);
        (*out)[i] = entry;
    }
    return 0;
}

static int load_allow(const json_t *root, struct config *c, struct err *e)
{
    const json_t *s = NULL;

    if (section(root, "allow", &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (load_list(s, "maa", true, &c->allow_maa, e) != 0 ||
        load_list(s, "akv", true, &c->allow_akv, e) != 0)
        return -1;
    return load_list(s, "kids", false, &c->allow_kids, e);
}

static int whole_number(const json_t *s, const char *name, int64_t min, int64_t max, int64_t *out,
                        struct err *e)
{
    const json_t *v = s != NULL ? json_member_nocase(s, name) : NULL;

    if (v == NULL)
        return 0;
    const int64_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < min || n > max)
        return err_set(e, ERR_ARG,
                       "configuration member \"session.%s\" is not a whole number from %" PRId64
                       " to %" PRId64,
                       name, min, max);
    *out = n;
    return 0;
}

static int load_session(const json_t *root, struct config_session *out, struct err *e)
{
    const json_t *s = NULL;
    int64_t max_age_s = DEFAULT_SESSION_AGE_S;

    out->max_uses = DEFAULT_SESSION_USES;
    if (section(root, "session", &s, e) != 0 ||
        whole_number(s, "max_age_s", 0, MAX_SESSION_AGE_S, &max_age_s, e) != 0 ||
        whole_number(s, "max_uses", 1, MAX_SESSION_USES, &out->max_uses, e) != 0)
        return -1;
    out->max_age_ms = max_age_s * 1000;
    return 0;
}

static int check_plain_string(const json_t *root, const char *name, const char **out, struct err *e)
{
    *out = NULL;
    if (json_get_string_nocase(root, name, out, e) != 0) {
        e->code = ERR_ARG;
        return err_wrap(e, "configuration");
    }
    return 0;
}

static int check_verification(const json_t *root, struct err *e)
{
    const char *mode = NULL, *roots = NULL;

    if (check_plain_string(root, "verification", &mode, e) != 0 ||
        check_plain_string(root, "amd_roots", &roots, e) != 0)
        return -1;
    if (roots != NULL)
        log_warning("configuration member \"amd_roots\" has no effect: evidence is not verified "
                    "by this build");
    if (mode == NULL || strcmp(mode, "off") == 0)
        return 0;
    if (strcmp(mode, "enforce") == 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "configuration member \"verification\": \"enforce\" is not in this build");
    if (strcmp(mode, "diagnose") != 0)
        return err_set(e, ERR_ARG,
                       "configuration member \"verification\" is not \"diagnose\", \"enforce\" or "
                       "\"off\"");
    log_warning("configuration member \"verification\": this build does not diagnose evidence");
    return 0;
}

enum cert_source { CERTS_NONE, CERTS_AMD, CERTS_AZCACHE, CERTS_THIM };

static int certcache_kind(const char *type, const char *endpoint, enum cert_source *out,
                          struct err *e)
{
    static const struct {
        const char *type;
        enum cert_source kind;
    } types[] = { { "AMD", CERTS_AMD }, { "AzCache", CERTS_AZCACHE }, { "LocalTHIM", CERTS_THIM } };
    struct url_parts u;

    for (size_t i = 0; type != NULL && i < ARRAY_LEN(types); i++) {
        if (strcmp(type, types[i].type) == 0) {
            *out = types[i].kind;
            return 0;
        }
    }
    if (type != NULL)
        return err_set(e, ERR_ARG,
                       "configuration member \"certcache.endpoint_type\" is not \"AMD\", "
                       "\"AzCache\" or \"LocalTHIM\"");
    *out = CERTS_NONE;
    if (endpoint == NULL || url_parse(endpoint, &u, e) != 0)
        return 0; /* who needs the address complains about it */
    if (str_ends_with(u.host, ".acccache.azure.net"))
        *out = CERTS_AZCACHE;
    else if (strcmp(u.host, "kdsintf.amd.com") == 0)
        *out = CERTS_AMD;
    else if (strstr(u.path, "/metadata/THIM/") != NULL)
        *out = CERTS_THIM;
    return 0;
}

static int load_certcache(const json_t *root, struct config *c, struct err *e)
{
    static const char *const names[] = { "endpoint_type", "endpoint", "tee_type", "api_version",
                                         "client_id" };
    const char *v[ARRAY_LEN(names)] = { NULL };
    enum cert_source kind = CERTS_NONE;
    struct url_parts u;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (string(root, "certcache", names[i], &v[i], e) != 0)
            return -1;
    if (certcache_kind(v[0], v[1], &kind, e) != 0)
        return -1;
    if (v[1] != NULL && url_parse(v[1], &u, e) != 0)
        return err_wrap(e, "configuration member \"certcache.endpoint\"");
    if (kind == CERTS_AMD || kind == CERTS_AZCACHE)
        log_warning("configuration section \"certcache\": %s is not in this build, the node's THIM "
                    "is used",
                    kind == CERTS_AMD ? "AMD's key distribution service" : "AzCache");
    if (v[1] != NULL && kind == CERTS_NONE)
        log_warning("configuration member \"certcache.endpoint\": cannot tell what it is without "
                    "\"endpoint_type\", the node's THIM is used");
    if (kind != CERTS_THIM || v[1] == NULL)
        return str_dup(THIM_DEFAULT_URL, &c->thim_url, e);
    if (str_starts_with(v[1], "http://") || str_starts_with(v[1], "https://"))
        return str_dup(v[1], &c->thim_url, e);
    return str_printf(&c->thim_url, e, "http://%s", v[1]);
}

static int decode(const char *base64, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (str_is_empty(base64)) {
        *out = json_object();
        return *out != NULL ? 0 : err_nomem(e);
    }
    if (strlen(base64) > CONFIG_MAX)
        return err_set(e, ERR_PARSE, "configuration is longer than %d bytes", CONFIG_MAX);
    if (b64_decode(span_str(base64), &text, e) != 0)
        return err_wrap(e, "decoding the configuration from base64 failed");
    if (json_parse(buf_span(&text), out, e) != 0)
        return err_wrap(e, "parsing the configuration failed");
    if (!json_is_object(*out))
        return err_set(e, ERR_PARSE, "the configuration is not a JSON object");
    return 0;
}

int config_load(const char *base64, struct config *out, struct err *e)
{
    CLEANUP(config_done) struct config c = { 0 };

    if (decode(base64, &c.json, e) != 0)
        return -1;
    warn_unknown(c.json);
    if (string(c.json, "maaconfig", "user_agent", &c.user_agent, e) != 0 ||
        string(c.json, "identity", "client_id", &c.client_id, e) != 0 ||
        check_plain_string(c.json, "simulated_psp", &c.simulated_psp, e) != 0 ||
        load_certcache(c.json, &c, e) != 0 || load_timeouts(c.json, &c.timeouts, e) != 0 ||
        load_allow(c.json, &c, e) != 0 || load_session(c.json, &c.session, e) != 0 ||
        check_verification(c.json, e) != 0)
        return -1;
    if (c.user_agent != NULL && strpbrk(c.user_agent, "\r\n") != NULL)
        return err_set(e, ERR_ARG,
                       "configuration member \"maaconfig.user_agent\" has a line break");
    *out = c;
    c = (struct config){ 0 };
    return 0;
}
