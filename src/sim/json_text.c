#include "sim/json_text.h"

#include <string.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct span t, size_t i)
{
    while (i < t.n && is_blank(t.p[i]))
        i++;
    return i;
}

/* From a quote to behind the one that ends the string. */
static size_t skip_string(struct span t, size_t i)
{
    for (i++; i < t.n && t.p[i] != '"'; i++)
        if (t.p[i] == '\\')
            i++;
    return i < t.n ? i + 1 : t.n;
}

/* From the start of a value to the comma or bracket behind it, blanks included. */
static size_t skip_value(struct span t, size_t i)
{
    size_t depth = 0;

    while (i < t.n) {
        const uint8_t c = t.p[i];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return i;
        if (c == '"') {
            i = skip_string(t, i);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        i++;
    }
    return t.n;
}

bool json_text_member(struct span object, const char *name, struct span *out)
{
    const size_t n = strlen(name);
    size_t i = skip_blanks(object, 0) + 1; /* behind the brace */

    while ((i = skip_blanks(object, i)) < object.n && object.p[i] == '"') {
        const size_t key = i + 1, key_end = skip_string(object, i);
        const size_t start = skip_blanks(object, skip_blanks(object, key_end) + 1);
        size_t end = skip_value(object, start);
        i = end + 1;
        if (key_end - key != n + 1 || !span_equal(span_of(object.p + key, n), span_of(name, n)))
            continue;
        while (end > start && is_blank(object.p[end - 1]))
            end--;
        *out = span_of(object.p + start, end - start);
        return true;
    }
    return false;
}

int json_text_compact(struct span text, struct buf *out, struct err *e)
{
    size_t i = 0;

    while ((i = skip_blanks(text, i)) < text.n) {
        const size_t end = text.p[i] == '"' ? skip_string(text, i) : i + 1;
        if (buf_add(out, text.p + i, end - i, e) != 0)
            return -1;
        i = end;
    }
    return 0;
}
