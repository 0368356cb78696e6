/* Splits URLs strictly. What decides where a token may go must not be read in two ways: a host is
 * accepted only in the one spelling in which libcurl and the resolver understand it too. */
#include "http/url.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define MAX_HOST 253
#define MAX_PORT 65535

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int url_encode(const char *s, struct buf *out, struct err *e)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *to = NULL;
    size_t n = 0;

    if (buf_reserve(out, 3 * strlen(s), &to, e) != 0)
        return -1;
    for (; *s != '\0'; s++) {
        if (is_letter(*s) || is_digit(*s) || strchr("-._~", *s) != NULL) {
            to[n++] = (uint8_t)*s;
        } else {
            to[n++] = '%';
            to[n++] = (uint8_t)digits[(uint8_t)*s >> 4];
            to[n++] = (uint8_t)digits[(uint8_t)*s & 15];
        }
    }
    out->n += n;
    return 0;
}

static int check_characters(const char *text, struct err *e)
{
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(e, ERR_PARSE, "URL has an unprintable character or blank at offset %zu",
                           i);
    return 0;
}

/* Moves *s behind the scheme. "://" counts only where nothing of a path has come yet. */
static int parse_scheme(const char **s, bool *out_https, struct err *e)
{
    const size_t n = strcspn(*s, "/");

    *out_https = true;
    if (n == 0 || (*s)[n - 1] != ':' || strncmp(*s + n, "//", 2) != 0)
        return 0;
    if (n == 5 && strncasecmp(*s, "http:", 5) == 0)
        *out_https = false;
    else if (n != 6 || strncasecmp(*s, "https:", 6) != 0)
        return err_set(e, ERR_PARSE, "URL has a scheme other than http and https");
    *s += n + 2;
    return 0;
}

/* Whether inet_aton(), and so libcurl, may read an IPv4 address out of a name: its last label is a
 * number, decimal, octal or hexadecimal. */
static bool is_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot != NULL ? dot + 1 : host;

    if (strncmp(label, "0x", 2) == 0)
        return label[2 + strspn(label + 2, "0123456789abcdef")] == '\0';
    return label[strspn(label, "0123456789")] == '\0';
}

static int parse_name(const char *s, size_t n, char out[static MAX_HOST + 1], struct err *e)
{
    struct in_addr address;
    size_t label = 0;

    if (n == 0 || n > MAX_HOST)
        return err_set(e, ERR_PARSE, "host name of URL is empty or longer than %d", MAX_HOST);
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '.' && s[i] != '-' && !is_digit(s[i]) && !is_letter(s[i]))
            return err_set(e, ERR_PARSE, "host name of URL contains '%c'", s[i]);
        label = s[i] == '.' ? 0 : label + 1;
        if (label == 0 && (i == 0 || s[i - 1] == '.' || i == n - 1))
            return err_set(e, ERR_PARSE, "host name of URL has an empty label");
        out[i] = lower(s[i]);
    }
    out[n] = '\0';
    if (is_number(out) && inet_pton(AF_INET, out, &address) != 1)
        return err_set(e, ERR_PARSE, "host of URL is a number but no IPv4 address");
    return 0;
}

static int parse_ipv6(const char *s, size_t n, char out[static MAX_HOST + 1], struct err *e)
{
    struct in6_addr address;

    if (n == 0 || n >= INET6_ADDRSTRLEN)
        return err_set(e, ERR_PARSE, "host of URL is not an IPv6 address");
    for (size_t i = 0; i < n; i++)
        out[i] = lower(s[i]);
    out[n] = '\0';
    if (inet_pton(AF_INET6, out, &address) != 1)
        return err_set(e, ERR_PARSE, "host of URL is not an IPv6 address");
    return 0;
}

static int parse_port(const char *s, size_t n, int *out, struct err *e)
{
    int port = 0;

    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]) || port > MAX_PORT)
            return err_set(e, ERR_PARSE, "port of URL is not a number up to %d", MAX_PORT);
        port = port * 10 + (s[i] - '0');
    }
    if (port == 0 || port > MAX_PORT)
        return err_set(e, ERR_PARSE, "port of URL is not a number from 1 to %d", MAX_PORT);
    *out = port;
    return 0;
}

int url_parse(const char *text, struct url_parts *out, struct err *e)
{
    struct url_parts parts = { 0 };
    const char *s = text;

    if (check_characters(s, e) != 0 || parse_scheme(&s, &parts.https, e) != 0)
        return -1;

    const size_t n = strcspn(s, "/");
    const bool bracketed = s[0] == '[';
    size_t n_host = bracketed ? 1 + strcspn(s + 1, "]/") : strcspn(s, ":/");
    if (memchr(s, '@', n) != NULL)
        return err_set(e, ERR_PARSE, "URL has user information before its host");
    if (!bracketed && parse_name(s, n_host, parts.host, e) != 0)
        return -1;
    if (bracketed && (s[n_host] != ']' || parse_ipv6(s + 1, n_host - 1, parts.host, e) != 0))
        return err_set(e, ERR_PARSE, "host of URL is not an IPv6 address in brackets");
    n_host += bracketed;
    if (n_host != n && s[n_host] != ':')
        return err_set(e, ERR_PARSE, "host of URL is followed by '%c'", s[n_host]);
    if (n_host != n && parse_port(s + n_host + 1, n - n_host - 1, &parts.port, e) != 0)
        return -1;
    parts.path = s + n;
    *out = parts;
    return 0;
}

bool url_host_is_local(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127 || ntohl(v4.s_addr) == 0xa9fea9fe;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0 || str_ends_with(host, ".localhost");
}
