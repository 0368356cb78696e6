#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAPACITY 64

struct span span_of(const void *p, size_t n)
{
    return (struct span){ .p = p, .n = n };
}

struct span span_str(const char *s)
{
    return span_of(s, strlen(s));
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

void mem_wipe(void *p, size_t n)
{
    if (p != NULL && n != 0)
        explicit_bzero(p, n);
}

struct span buf_span(const struct buf *b)
{
    return span_of(b->p, b->n);
}

void buf_done(struct buf *b)
{
    mem_wipe(b->p, b->cap);
    free(b->p);
    *b = (struct buf){ 0 };
}

int buf_reserve(struct buf *b, size_t n, uint8_t **out_p, struct err *e)
{
    if (n > SIZE_MAX / 2 - b->n)
        return err_nomem(e);
    if (b->n + n > b->cap) {
        size_t cap = b->cap < MIN_CAPACITY ? MIN_CAPACITY : b->cap;
        while (cap < b->n + n)
            cap *= 2;
        uint8_t *p = malloc(cap); /* not realloc(): it would leave the old bytes behind */
        if (p == NULL)
            return err_nomem(e);
        if (b->n != 0)
            memcpy(p, b->p, b->n);
        mem_wipe(b->p, b->cap);
        free(b->p);
        b->p = p;
        b->cap = cap;
    }
    *out_p = b->p != NULL ? b->p + b->n : NULL;
    return 0;
}

int buf_add(struct buf *b, const void *p, size_t n, struct err *e)
{
    uint8_t *to = NULL;

    if (n == 0)
        return 0;
    if (buf_reserve(b, n, &to, e) != 0)
        return -1;
    memcpy(to, p, n);
    b->n += n;
    return 0;
}

int buf_add_str(struct buf *b, const char *s, struct err *e)
{
    return buf_add(b, s, strlen(s), e);
}

int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
{
    va_list ap;
    uint8_t *to = NULL;

    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_set(e, ERR_ARG, "text cannot be formatted");
    if (buf_reserve(b, (size_t)n + 1, &to, e) != 0)
        return -1;
    va_start(ap, fmt);
    vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return 0;
}

const char *buf_cstr(struct buf *b)
{
    struct err ignored; /* NULL tells the caller: there is one way to fail */
    uint8_t *end = NULL;

    if (buf_reserve(b, 1, &end, &ignored) != 0 || end == NULL)
        return NULL;
    *end = '\0';
    return (const char *)b->p;
}
