#include "support/raw_client.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(const struct sockaddr *addr, socklen_t n)
{
    const int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, addr, n) != 0) {
        const int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

int raw_connect(int port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return connect_to((const struct sockaddr *)&a, sizeof(a));
}

int raw_connect_v6(int port)
{
    const struct sockaddr_in6 a = { .sin6_family = AF_INET6,
                                    .sin6_port = htons((uint16_t)port),
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT };

    return connect_to((const struct sockaddr *)&a, sizeof(a));
}

bool raw_send_bytes(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        const ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool raw_send(int fd, const char *text)
{
    return raw_send_bytes(fd, text, strlen(text));
}

/* Bytes read, 0 at the end, -1 on error or when the time is over. */
static ssize_t read_until(int fd, void *p, size_t n, int64_t until_ms)
{
    for (;;) {
        struct pollfd pfd = { fd, POLLIN, 0 };
        const int64_t ms = until_ms - clock_now_ms(clock_system());
        if (ms <= 0 || poll(&pfd, 1, (int)ms) <= 0)
            return -1;
        const ssize_t got = recv(fd, p, n, MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN)
            return got;
    }
}

static bool read_head(int fd, struct raw_answer *out, int64_t until_ms)
{
    size_t n = 0;

    *out = (struct raw_answer){ 0 };
    while (strstr(out->head, "\r\n\r\n") == NULL) {
        if (n + 1 == RAW_HEAD_SIZE || read_until(fd, out->head + n, 1, until_ms) != 1)
            return false;
        out->head[++n] = '\0';
    }
    if (strncmp(out->head, "HTTP/1.", 7) != 0 || n < 12)
        return false;
    out->status = (int)strtol(out->head + 9, NULL, 10);
    return true;
}

bool raw_read_head(int fd, struct raw_answer *out, int ms)
{
    return read_head(fd, out, clock_now_ms(clock_system()) + ms);
}

bool raw_read(int fd, struct raw_answer *out, int ms)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + ms;
    struct err e;
    uint8_t *p;

    if (!read_head(fd, out, until_ms))
        return false;
    const char *length = strcasestr(out->head, "\r\ncontent-length:");
    const size_t n = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    if (buf_reserve(&out->body, n + 1, &p, &e) != 0)
        return false;
    while (out->body.n < n) {
        const ssize_t got = read_until(fd, p + out->body.n, n - out->body.n, until_ms);
        if (got <= 0)
            return false;
        out->body.n += (size_t)got;
    }
    p[n] = '\0';
    return true;
}

void raw_answer_done(struct raw_answer *a)
{
    buf_done(&a->body);
}

bool raw_is_closed(int fd, int ms)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + ms;
    char scratch[4096];

    while (clock_now_ms(clock_system()) < until_ms) {
        errno = 0;
        const ssize_t got = read_until(fd, scratch, sizeof(scratch), until_ms);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return true;
    }
    return false;
}

bool raw_exchange(int port, const char *text, struct raw_answer *out)
{
    const int fd = raw_connect(port);

    *out = (struct raw_answer){ 0 };
    if (fd < 0)
        return false;
    const bool ok = raw_send(fd, text) && raw_read(fd, out, 5000);
    close(fd);
    return ok;
}
