/* Reads the JSON in which a node hands out its processor's certificates; what the certificates say
 * is judged elsewhere. */
#include "azure/thim.h"

#include "base/str.h"
#include "codec/json.h"

#include <string.h>

#define TCBM_MAX_DIGITS 16
#define MAX_AGE_S       31536000LL /* a year; longer is no promise that anybody can keep */

void thim_certs_done(struct thim_certs *c)
{
    str_free(c->vcek_pem);
    str_free(c->chain_pem);
    str_free(c->tcbm);
    *c = (struct thim_certs){ 0 };
}

static int get_text(const json_t *object, const char *name, const char **out, struct err *e)
{
    const char *text = NULL;

    if (json_get_string_nocase(object, name, &text, e) != 0)
        return -1;
    if (text == NULL || text[0] == '\0')
        return err_set(e, ERR_PARSE, "member \"%s\" is missing or empty", name);
    *out = text;
    return 0;
}

static int get_pem(const json_t *object, const char *name, char **out, struct err *e)
{
    const char *text = NULL;

    if (get_text(object, name, &text, e) != 0)
        return -1;
    if (strstr(text, "-----BEGIN CERTIFICATE-----") == NULL)
        return err_set(e, ERR_PARSE, "member \"%s\" holds no certificate", name);
    return str_dup(text, out, e);
}

static int get_tcbm(const json_t *object, struct thim_certs *c, struct err *e)
{
    const char *text = NULL;

    if (get_text(object, "tcbm", &text, e) != 0)
        return -1;
    if (strlen(text) > TCBM_MAX_DIGITS || str_to_u64(text, 16, UINT64_MAX, &c->tcb, e) != 0)
        return err_set(e, ERR_PARSE, "member \"tcbm\" is not a hexadecimal 64-bit number");
    return str_dup(text, &c->tcbm, e);
}

/* A string of digits in real answers, a number in hand-made ones. */
static int64_t get_max_age(const json_t *object)
{
    const json_t *v = json_member_nocase(object, "cacheControl");
    uint64_t age = 0;
    struct err ignored; /* what is not a number counts as absent */

    if (json_is_integer(v))
        age = json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
    else if (json_is_string(v) &&
             str_to_u64(json_string_value(v), 10, UINT64_MAX, &age, &ignored) != 0)
        return 0;
    return age < MAX_AGE_S ? (int64_t)age : MAX_AGE_S;
}

int thim_parse(struct span json, struct thim_certs *out, struct err *e)
{
    CLEANUP(json_freep) json_t *object = NULL;
    CLEANUP(thim_certs_done) struct thim_certs c = { 0 };

    if (json_parse(json, &object, e) != 0)
        return err_wrap(e, "host certificates");
    if (!json_is_object(object))
        return err_set(e, ERR_PARSE, "host certificates: not a JSON object");
    if (get_pem(object, "vcekCert", &c.vcek_pem, e) != 0 ||
        get_pem(object, "certificateChain", &c.chain_pem, e) != 0 || get_tcbm(object, &c, e) != 0)
        return err_wrap(e, "host certificates");
    c.max_age_s = get_max_age(object);
    *out = c;
    c = (struct thim_certs){ 0 };
    return 0;
}

int thim_fetch(const struct http_env *env, const char *url, int64_t deadline_ms,
               struct thim_certs *out, struct err *e)
{
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    const struct http_call call = {
        .service = "thim",
        .retry = RETRY_METADATA,
        .deadline_ms = deadline_ms,
        .request = { .method = "GET",
                     .url = url,
                     .headers = { { "Metadata", "true" } },
                     .no_proxy = true },
    };

    if (http_call(env, &call, &resp, e) != 0 || thim_parse(buf_span(&resp.body), out, e) != 0)
        return err_wrap(e, "fetching host certificates from %s", url);
    return 0;
}
