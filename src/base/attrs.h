/* Compiler attributes and the few macros that every file uses. */
#ifndef BASE_ATTRS_H
#define BASE_ATTRS_H

#include <stddef.h>
#include <stdint.h>

/* Being cleaned up is a use. */
#define CLEANUP(fn)            __attribute__((cleanup(fn), unused))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Moves a pointer out of its variable, which CLEANUP then finds empty. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* const of the pointer is given back by the type: CONTAINER_OF(p, const struct x, base). */
#define CONTAINER_OF(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))

#endif
