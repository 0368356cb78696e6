#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUOTE_CUT " [...] "

void str_free(char *s)
{
    if (s == NULL)
        return;
    mem_wipe(s, strlen(s));
    free(s);
}

void str_freep(char **s)
{
    str_free(*s);
    *s = NULL;
}

int str_dup(const char *s, char **out, struct err *e)
{
    char *copy = strdup(s);

    if (copy == NULL)
        return err_nomem(e);
    *out = copy;
    return 0;
}

int str_from_span(struct span s, char **out, struct err *e)
{
    if (s.n != 0 && memchr(s.p, '\0', s.n) != NULL)
        return err_set(e, ERR_PARSE, "text contains a NUL byte");
    char *copy = malloc(s.n + 1);
    if (copy == NULL)
        return err_nomem(e);
    if (s.n != 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    *out = copy;
    return 0;
}

int str_printf(char **out, struct err *e, const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    const int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_nomem(e);
    *out = s;
    return 0;
}

bool str_is_empty(const char *s)
{
    return s == NULL || s[0] == '\0';
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    const size_t n = strlen(s), m = strlen(suffix);

    return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_contains(struct span hay, const char *needle)
{
    const size_t n = strlen(needle);

    return hay.n >= n && (n == 0 || memmem(hay.p, hay.n, needle, n) != NULL);
}

bool str_contains_nocase(struct span hay, const char *needle)
{
    const size_t n = strlen(needle);

    for (size_t i = 0; i + n <= hay.n; i++)
        if (strncasecmp((const char *)hay.p + i, needle, n) == 0)
            return true;
    return n == 0;
}

int str_to_u64(const char *s, int base, uint64_t max, uint64_t *out, struct err *e)
{
    char *end = NULL;

    /* strtoull() takes signs and blanks, and 0x before hexadecimal: a first digit is asked for. */
    const bool digit = base == 16 ? isxdigit((unsigned char)s[0]) : isdigit((unsigned char)s[0]);
    const bool prefixed = base == 16 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    errno = 0;
    const unsigned long long v = digit && !prefixed ? strtoull(s, &end, base) : 0;
    if (end == NULL || *end != '\0')
        return err_set(e, ERR_PARSE, "not a number in base %d", base);
    if (errno == ERANGE || v > max)
        return err_set(e, ERR_PARSE, "number is too large");
    *out = v;
    return 0;
}

void str_quote(struct span s, size_t max, char *out)
{
    const size_t mark = sizeof(QUOTE_CUT) - 1;
    const bool cut = s.n > max;
    const size_t head = cut ? (max - mark + 1) / 2 : s.n;
    const size_t tail = cut ? max - mark - head : 0;
    size_t n = 0;

    for (size_t i = 0; i < head; i++)
        out[n++] = (char)(s.p[i] >= 0x20 && s.p[i] != 0x7f ? s.p[i] : '.');
    if (cut) {
        memcpy(out + n, QUOTE_CUT, mark);
        n += mark;
    }
    for (size_t i = s.n - tail; i < s.n; i++)
        out[n++] = (char)(s.p[i] >= 0x20 && s.p[i] != 0x7f ? s.p[i] : '.');
    out[n] = '\0';
}
