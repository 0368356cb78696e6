/* Formats errors into the caller's struct; a message that is too long loses its middle, because
 * its two ends say most: what was being done, and what went wrong underneath. */
#define ERR_IMPLEMENTATION
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CUT_MARK " [...] "

static void copy_cut(char out[static ERR_MSG_SIZE], const char *head, const char *tail)
{
    size_t n_head = strlen(head), n_tail = strlen(tail);

    if (n_head + n_tail < ERR_MSG_SIZE) {
        memcpy(out, head, n_head); /* NOLINT(bugprone-not-null-terminated-result): the tail is */
        memcpy(out + n_head, tail, n_tail + 1);
        return;
    }

    const size_t mark = sizeof(CUT_MARK) - 1;
    const size_t keep_tail = n_tail < ERR_MSG_SIZE / 2 ? n_tail : ERR_MSG_SIZE / 2;
    const size_t room = ERR_MSG_SIZE - 1 - mark - keep_tail;
    const size_t keep_head = n_head < room ? n_head : room;
    memcpy(out, head, keep_head);
    memcpy(out + keep_head, CUT_MARK, mark);
    memcpy(out + keep_head + mark, tail + n_tail - keep_tail, keep_tail + 1);
}

static void PRINTF_LIKE(5, 0) set_v(struct err *e, enum err_code code, int detail,
                                    const char *suffix, const char *fmt, va_list ap)
{
    char text[2 * ERR_MSG_SIZE];

    vsnprintf(text, sizeof(text), fmt, ap);
    e->code = code;
    e->detail = detail;
    e->retry_after_s = -1;
    copy_cut(e->msg, text, suffix);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_v(e, code, 0, "", fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
    const int saved = errno;
    char why[160];
    char buf[128];
    va_list ap;

    snprintf(why, sizeof(why), ": %s", strerror_r(saved, buf, sizeof(buf)));
    va_start(ap, fmt);
    set_v(e, ERR_SYS, saved, why, fmt, ap);
    va_end(ap);
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char inner[ERR_MSG_SIZE];
    char head[ERR_MSG_SIZE];
    va_list ap;

    memcpy(inner, e->msg, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head) - 2, fmt, ap);
    va_end(ap);
    memcpy(head + strlen(head), ": ", 3);
    copy_cut(e->msg, head, inner);
    return -1;
}

int err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_ARG] = "argument",
        [ERR_PARSE] = "parse",
        [ERR_CHECK] = "check",
        [ERR_SYS] = "system",
        [ERR_NET] = "network",
        [ERR_TLS] = "tls",
        [ERR_HTTP] = "http",
        [ERR_TIMEOUT] = "timeout",
        [ERR_NOMEM] = "nomem",
        [ERR_UNSUPPORTED] = "unsupported",
    };

    return (size_t)code < ARRAY_LEN(names) ? names[code] : "unknown";
}
