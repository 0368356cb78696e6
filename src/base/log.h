/*
 * Leveled log lines with UTC timestamps, as text or as one JSON object a line
 * (keys: time level msg request_id). The level and the sink are the program's only globals;
 * the request id belongs to the thread that serves the request.
 * Nothing here knows what a secret is: callers never log one.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL, LOG_PANIC };
enum log_format { LOG_TEXT, LOG_JSON };

/* "trace" … "panic", also "warn", whatever the case. Fails: ERR_ARG. */
MUST_CHECK int log_level_parse(const char *name, enum log_level *out, struct err *e);
MUST_CHECK int log_format_parse(const char *name, enum log_format *out, struct err *e);

/* Where lines go from now on. path: appended to, made with mode 0600; NULL or "" is stderr. */
MUST_CHECK int log_open(const char *path, enum log_level level, enum log_format format,
                        struct err *e);
void log_close(void); /* back to stderr */

bool log_is_enabled(enum log_level level);

/* The id that this thread's lines carry until it is changed; "" for none. Copied. */
void log_set_request_id(const char *id);
const char *log_request_id(void); /* of this thread; "" for none */

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Arguments are evaluated only when the level is on. */
#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if (log_is_enabled(level))                                                                 \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)
#define log_trace(...)   log_at(LOG_TRACE, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_at(LOG_ERROR, __VA_ARGS__)

#endif
