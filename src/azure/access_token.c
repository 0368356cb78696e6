#include "azure/access_token.h"

#include "base/str.h"
#include "codec/json.h"

#include <string.h>

#define MAX_SECONDS 0xffffffffffLL /* of a date or a life; beyond it nothing is meant */

void access_token_done(struct access_token *t)
{
    str_freep(&t->text);
    t->life_s = 0;
}

bool access_token_is_sane(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    const size_t n = strspn(text, letters);

    return n > 0 && n <= ACCESS_TOKEN_MAX && text[n] == '\0';
}

/* False: absent, or not a number of seconds. */
static bool get_seconds(const json_t *answer, const char *name, int64_t *out)
{
    const json_t *v = json_member_nocase(answer, name);
    uint64_t n = 0;
    struct err ignored; /* an unreadable time counts as none */

    if (json_is_number(v)) {
        const double d = json_number_value(v);
        if (d < 0 || d > (double)MAX_SECONDS)
            return false;
        *out = (int64_t)d;
        return true;
    }
    if (!json_is_string(v) || str_to_u64(json_string_value(v), 10, MAX_SECONDS, &n, &ignored) != 0)
        return false;
    *out = (int64_t)n;
    return true;
}

int access_token_parse(struct span body, int64_t unix_s, struct access_token *out, struct err *e)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    const char *text = NULL;
    char *copy = NULL;
    int64_t s = 0, life_s = 0;

    if (json_parse(body, &answer, e) != 0 ||
        json_get_string_nocase(answer, "access_token", &text, e) != 0)
        return err_wrap(e, "the token service's answer");
    if (str_is_empty(text))
        return err_set(e, ERR_PARSE, "no access_token in the token service's answer");
    if (!access_token_is_sane(text))
        return err_set(e, ERR_PARSE, "the token service's access_token is garbled");

    const bool told = get_seconds(answer, "expires_in", &s);
    if (told)
        life_s = s;
    else if (get_seconds(answer, "expires_on", &s))
        life_s = s - unix_s;
    else
        s = -1;
    if (s >= 0 && life_s <= 0)
        return err_set(e, ERR_PARSE, "the token service's access_token has already expired");
    if (str_dup(text, &copy, e) != 0)
        return -1;
    *out = (struct access_token){ copy, life_s };
    return 0;
}
