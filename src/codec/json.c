/* json_check() is a recursive-descent reader without recursion: a bit per open bracket says
 * whether it is an object. */
#include "codec/json.h"

#include "base/str.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const uint8_t *p, *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

static bool take(struct cursor *c, uint8_t byte)
{
    if (c->p == c->end || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static size_t take_digits(struct cursor *c)
{
    const uint8_t *start = c->p;

    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return (size_t)(c->p - start);
}

static bool take_number(struct cursor *c)
{
    take(c, '-');
    if (!take(c, '0') && take_digits(c) == 0)
        return false;
    if (take(c, '.') && take_digits(c) == 0)
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        if (take_digits(c) == 0)
            return false;
    }
    return true;
}

static bool take_hex4(struct cursor *c)
{
    for (int i = 0; i < 4; i++, c->p++)
        if (c->p == c->end || strchr("0123456789abcdefABCDEF", *c->p) == NULL || *c->p == '\0')
            return false;
    return true;
}

/* One UTF-8 sequence above ASCII: no surrogates, no overlong forms, at most U+10FFFF. */
static bool take_utf8(struct cursor *c)
{
    const uint8_t b = *c->p++;
    const int more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
    uint32_t v = b & (0x3fu >> more);

    if (b < 0xc2 || b > 0xf4 || c->end - c->p < more)
        return false;
    for (int i = 0; i < more; i++, c->p++) {
        if ((*c->p & 0xc0) != 0x80)
            return false;
        v = v << 6 | (*c->p & 0x3f);
    }
    if (more == 2)
        return v >= 0x800 && (v < 0xd800 || v > 0xdfff);
    return more == 1 || (v >= 0x10000 && v <= 0x10ffff);
}

static bool take_string(struct cursor *c)
{
    if (!take(c, '"'))
        return false;
    while (c->p < c->end) {
        const uint8_t b = *c->p;
        if (b < 0x20)
            return false;
        if (b >= 0x80) {
            if (!take_utf8(c))
                return false;
            continue;
        }
        c->p++;
        if (b == '"')
            return true;
        if (b != '\\')
            continue;
        if (take(c, 'u')) {
            if (!take_hex4(c))
                return false;
        } else if (c->p == c->end || *c->p == '\0' || strchr("\"\\/bfnrt", *c->p) == NULL) {
            return false;
        } else {
            c->p++;
        }
    }
    return false;
}

static bool take_word(struct cursor *c, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

static bool take_scalar(struct cursor *c)
{
    if (c->p == c->end)
        return false;
    switch (*c->p) {
    case '"':
        return take_string(c);
    case 't':
        return take_word(c, "true");
    case 'f':
        return take_word(c, "false");
    case 'n':
        return take_word(c, "null");
    default:
        return take_number(c);
    }
}

static bool take_name(struct cursor *c)
{
    skip_blanks(c);
    if (!take_string(c))
        return false;
    skip_blanks(c);
    return take(c, ':');
}

/* Opens brackets until a scalar or an empty container is read. False: not JSON, or too deep. */
static bool take_value(struct cursor *c, uint64_t *is_object, unsigned *depth)
{
    for (;;) {
        skip_blanks(c);
        const bool object = c->p < c->end && *c->p == '{';
        if (!object && !(c->p < c->end && *c->p == '['))
            return take_scalar(c);
        if (*depth == JSON_MAX_DEPTH)
            return false;
        c->p++;
        skip_blanks(c);
        if (take(c, object ? '}' : ']'))
            return true;
        *is_object = *is_object << 1 | object;
        (*depth)++;
        if (object && !take_name(c))
            return false;
    }
}

int json_check(struct span text, struct err *e)
{
    if (text.n == 0)
        return err_set(e, ERR_PARSE, "not a JSON text: empty");

    struct cursor c = { text.p, text.p + text.n };
    uint64_t is_object = 0; /* lowest bit: the innermost open bracket */
    unsigned depth = 0;
    bool ok = take_value(&c, &is_object, &depth);

    skip_blanks(&c);
    while (ok && depth > 0) {
        const bool object = is_object & 1;
        if (take(&c, ',')) {
            ok = (!object || take_name(&c)) && take_value(&c, &is_object, &depth);
        } else {
            ok = take(&c, object ? '}' : ']');
            is_object >>= 1;
            depth--;
        }
        skip_blanks(&c);
    }
    if (!ok || c.p != c.end)
        return err_set(e, ERR_PARSE, "not a JSON text, at byte %zu", (size_t)(c.p - text.p));
    return 0;
}

int json_parse(struct span text, json_t **out, struct err *e)
{
    json_error_t why;

    if (json_check(text, e) != 0)
        return -1;
    json_t *v = json_loadb((const char *)text.p, text.n,
                           JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (v == NULL && json_error_code(&why) == json_error_numeric_overflow)
        v = json_loadb((const char *)text.p, text.n,
                       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY |
                           JSON_DECODE_INT_AS_REAL,
                       &why);
    if (v == NULL && json_error_code(&why) == json_error_out_of_memory)
        return err_nomem(e);
    if (v == NULL) /* the library's text may quote the input, which may be secret */
        return err_set(e, ERR_PARSE, "JSON is not acceptable near byte %d%s", why.position,
                       json_error_code(&why) == json_error_duplicate_key ? ": duplicate member"
                                                                         : "");
    if (!json_is_object(v) && !json_is_array(v)) {
        json_decref(v);
        return err_set(e, ERR_PARSE, "JSON is neither an object nor an array");
    }
    *out = v;
    return 0;
}

static int add_chunk(const char *text, size_t n, void *arg)
{
    struct err ignored; /* json_dump_callback() reports -1 and json_format() says why */

    return buf_add(arg, text, n, &ignored);
}

int json_format(const json_t *value, bool sorted, struct buf *out, struct err *e)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | (sorted ? JSON_SORT_KEYS : 0);

    if (json_dump_callback(value, add_chunk, out, flags) != 0)
        return err_nomem(e);
    return 0;
}

void json_freep(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}

json_t *json_member_nocase(const json_t *object, const char *name)
{
    json_t *exact = json_object_get(object, name);
    const char *key = NULL;
    json_t *value = NULL;

    if (exact != NULL)
        return exact;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        if (strcasecmp(key, name) == 0)
            return value;
    return NULL;
}

static int as_string(const json_t *v, const char *name, const char **out, struct err *e)
{
    if (v == NULL || json_is_null(v)) {
        *out = NULL;
        return 0;
    }
    if (!json_is_string(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is not a string", name);
    if (strlen(json_string_value(v)) != json_string_length(v))
        return err_set(e, ERR_PARSE, "member \"%s\" contains a NUL character", name);
    *out = json_string_value(v);
    return 0;
}

int json_get_string(const json_t *object, const char *name, const char **out, struct err *e)
{
    return as_string(json_object_get(object, name), name, out, e);
}

int json_get_string_nocase(const json_t *object, const char *name, const char **out, struct err *e)
{
    return as_string(json_member_nocase(object, name), name, out, e);
}

json_t *json_path(const json_t *object, const char *path)
{
    const json_t *v = object;
    char name[64];

    while (v != NULL && *path != '\0') {
        const size_t n = strcspn(path, ".");
        if (n >= sizeof(name))
            return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        v = json_object_get(v, name);
        path += n + (path[n] == '.');
    }
    return (json_t *)(uintptr_t)v;
}

static void wiping_free(void *p)
{
    if (p != NULL)
        mem_wipe(p, malloc_usable_size(p));
    free(p);
}

void json_wipe_on_free(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
}
