/*
 * The one error convention: a function returns 0 or -1, and on -1 the reason is in *e.
 * Errors live on the caller's stack, so that reporting out-of-memory needs no memory.
 * Secrets never enter an error.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attrs.h"

enum err_code {
    ERR_NONE,
    ERR_ARG,         /* the caller's input is wrong */
    ERR_PARSE,       /* bytes from outside do not have the documented form */
    ERR_CHECK,       /* well formed, but a check said no */
    ERR_SYS,         /* a system call failed; detail = errno */
    ERR_NET,         /* no answer: resolve, connect, reset, short body */
    ERR_TLS,         /* the peer's certificate or TLS itself was refused; never retried */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_HTTP,        /* an answer with another status than success; detail = status */
    ERR_UNSUPPORTED, /* not available on this machine or in this build */
    ERR_NOMEM,
};

#define ERR_MSG_SIZE 2048

struct err {
    enum err_code code;     /* for decisions: retry? which HTTP status? */
    int detail;             /* errno for ERR_SYS, status for ERR_HTTP, else 0 */
    int retry_after_s;      /* of an ERR_HTTP answer, -1 when it named none */
    char msg[ERR_MSG_SIZE]; /* for people: "outer: inner", cut in the middle if longer */
};

/* All return -1, so that a failure is one line. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);  /* adds ": strerror" */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3); /* puts "...: " before */
int err_nomem(struct err *e);

/* The analyzer sees one file at a time: it must know that these fail. */
#if defined(__clang_analyzer__) && !defined(ERR_IMPLEMENTATION)
void err_seen(struct err *e, ...);
#define err_set(e, ...)  (err_seen((e), __VA_ARGS__), -1)
#define err_sys(e, ...)  (err_seen((e), __VA_ARGS__), -1)
#define err_wrap(e, ...) (err_seen((e), __VA_ARGS__), -1)
#define err_nomem(e)     (err_seen((e)), -1)
#endif

/* Name of a code for logs and metrics, such as "timeout"; never NULL. */
const char *err_code_name(enum err_code code);

#endif
