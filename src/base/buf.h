/*
 * Byte memory. There is one owned buffer type and it wipes itself, on growth and on free,
 * so that no insecure twin can be picked by mistake.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Borrowed bytes, passed by value. */
struct span {
    const uint8_t *p;
    size_t n;
};

/* Owned bytes; {0} is empty and ready for use. */
struct buf {
    uint8_t *p;
    size_t n, cap;
};

struct span span_of(const void *p, size_t n);
struct span span_str(const char *s);           /* without the final NUL */
bool span_equal(struct span a, struct span b); /* not for secrets: digest_equal() */

struct span buf_span(const struct buf *b);

/* Wipes and frees; leaves {0}; may be called twice. */
void buf_done(struct buf *b);

/* Appends. Fails: ERR_NOMEM, and then the buffer is as before. */
MUST_CHECK int buf_add(struct buf *b, const void *p, size_t n, struct err *e);
MUST_CHECK int buf_add_str(struct buf *b, const char *s, struct err *e);
MUST_CHECK int buf_printf(struct buf *b, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Room for n more bytes; *out_p points at it until the next change. The length is not changed.
 * Nothing asked of an empty buffer is NULL. */
MUST_CHECK int buf_reserve(struct buf *b, size_t n, uint8_t **out_p, struct err *e);

/* The bytes as a C string: appends a NUL beyond the length; borrowed until the next change.
 * NULL when out of memory. */
const char *buf_cstr(struct buf *b);

/* Overwrites memory in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);

#endif
