/* Each line is built on the stack and written with one write(2), so that lines of different
 * threads, and of other processes that append to the same file, do not mix. */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE       8192
#define REQUEST_ID_SIZE 40

static const char *const LEVEL_NAMES[] = { "trace", "debug", "info", "warning",
                                           "error", "fatal", "panic" };

static _Atomic enum log_level log_threshold = LOG_WARNING;
static _Atomic enum log_format log_shape = LOG_TEXT;
static _Atomic int log_fd = STDERR_FILENO;

static _Thread_local char request_id[REQUEST_ID_SIZE];

int log_level_parse(const char *name, enum log_level *out, struct err *e)
{
    if (strcasecmp(name, "warn") == 0)
        name = "warning";
    for (size_t i = 0; i < ARRAY_LEN(LEVEL_NAMES); i++) {
        if (strcasecmp(name, LEVEL_NAMES[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return err_set(e, ERR_ARG,
                   "unknown log level \"%.40s\": use trace, debug, info, warning, error, fatal or "
                   "panic",
                   name);
}

int log_format_parse(const char *name, enum log_format *out, struct err *e)
{
    if (strcmp(name, "text") != 0 && strcmp(name, "json") != 0)
        return err_set(e, ERR_ARG, "unknown log format \"%.40s\": use text or json", name);
    *out = name[0] == 'j' ? LOG_JSON : LOG_TEXT;
    return 0;
}

int log_open(const char *path, enum log_level level, enum log_format format, struct err *e)
{
    int fd = STDERR_FILENO;

    if (path != NULL && path[0] != '\0') {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_sys(e, "opening log file %s", path);
    }
    log_close();
    log_fd = fd;
    log_threshold = level;
    log_shape = format;
    return 0;
}

void log_close(void)
{
    const int fd = log_fd;

    log_fd = STDERR_FILENO;
    if (fd != STDERR_FILENO)
        close(fd);
}

bool log_is_enabled(enum log_level level)
{
    return level >= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

void log_set_request_id(const char *id)
{
    const size_t n = strnlen(id, sizeof(request_id) - 1);

    memcpy(request_id, id, n);
    request_id[n] = '\0';
}

const char *log_request_id(void)
{
    return request_id;
}

/* Adds text to a line, escaped for JSON or with control characters blanked; keeps one byte free. */
static size_t add_text(char *line, size_t n, const char *text, bool json)
{
    for (; *text != '\0' && n < LINE_SIZE - 80; text++) {
        const unsigned char c = (unsigned char)*text;
        if (json && (c == '"' || c == '\\')) {
            line[n++] = '\\';
            line[n++] = (char)c;
        } else if (json && c < 0x20) {
            n += (size_t)snprintf(line + n, 8, "\\u%04x", c);
        } else {
            line[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        }
    }
    return n;
}

static size_t timestamp(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(out + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static void emit(const char *line, size_t n)
{
    const int fd = log_fd;

    while (n > 0) {
        const ssize_t w = write(fd, line, n);
        if (w <= 0)
            return; /* there is nowhere left to report to */
        line += w;
        n -= (size_t)w;
    }
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char text[LINE_SIZE / 2];
    char line[LINE_SIZE];
    char time[40];
    const bool json = log_shape == LOG_JSON;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    timestamp(time, sizeof(time));

    size_t n = (size_t)snprintf(line, sizeof(line),
                                json ? "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"" : "%s %s ",
                                time, LEVEL_NAMES[level]);
    n = add_text(line, n, text, json);
    if (json)
        n +=
            (size_t)snprintf(line + n, sizeof(line) - n, "\",\"request_id\":\"%s\"}\n", request_id);
    else if (request_id[0] != '\0')
        n += (size_t)snprintf(line + n, sizeof(line) - n, " request_id=%s\n", request_id);
    else
        line[n++] = '\n';
    emit(line, n);
}
