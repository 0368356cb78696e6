/* cmocka with the project's conventions. Include first in every test. */
#ifndef SUPPORT_ASSERTS_H
#define SUPPORT_ASSERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* The call succeeds; a failure prints its reason. Needs "struct err e" in scope. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s failed: %s", #call, e.msg);                                               \
    } while (0)

/* The call fails with this code, and needle is in the message. */
#define assert_fails(want_code, needle, call)                                                      \
    do {                                                                                           \
        memset(&e, 0, sizeof(e));                                                                  \
        if ((call) != -1)                                                                          \
            fail_msg("%s did not fail", #call);                                                    \
        if (e.code != (want_code) || strstr(e.msg, (needle)) == NULL)                              \
            fail_msg("%s: code %s, wanted %s; \"%s\" in \"%s\"?", #call, err_code_name(e.code),    \
                     err_code_name(want_code), (needle), e.msg);                                   \
    } while (0)

#define assert_span_equal(a, b)                                                                    \
    do {                                                                                           \
        const struct span a_ = (a), b_ = (b);                                                      \
        assert_int_equal(a_.n, b_.n);                                                              \
        if (a_.n != 0)                                                                             \
            assert_memory_equal(a_.p, b_.p, a_.n);                                                 \
    } while (0)

/* Ends a test visibly as skipped, with the reason on stdout. */
#define skip_because(...)                                                                          \
    do {                                                                                           \
        print_message("SKIPPED: " __VA_ARGS__);                                                    \
        print_message("\n");                                                                       \
        skip();                                                                                    \
    } while (0)

#endif
