/* Reads and judges header fields, without knowing who sends them. */
#include "http/header.h"

#include <string.h>
#include <time.h>

#define MAX_DATE 40

static bool is_token_char(char c)
{
    return c > ' ' && c <= '~' && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

bool header_is_sendable(const char *name, const char *value)
{
    if (name[0] == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!is_token_char(*name))
            return false;
    for (; *value != '\0'; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

static int cap(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > HEADER_MAX_RETRY_AFTER_S ? HEADER_MAX_RETRY_AFTER_S : (int)seconds;
}

int header_retry_after_s(struct span value, int64_t now_unix_s)
{
    char text[MAX_DATE];
    struct tm tm = { 0 };

    if (value.n == 0 || value.n >= sizeof(text) || memchr(value.p, '\0', value.n) != NULL)
        return -1;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    if (strspn(text, "0123456789") == value.n) {
        int64_t seconds = 0;
        for (const char *c = text; *c != '\0' && seconds <= HEADER_MAX_RETRY_AFTER_S; c++)
            seconds = seconds * 10 + (*c - '0');
        return cap(seconds);
    }
    /* The program never calls setlocale(): names of days and months are those of HTTP. */
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0')
        return -1;
    return cap((int64_t)timegm(&tm) - now_unix_s);
}
