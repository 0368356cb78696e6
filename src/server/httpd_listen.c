/*
 * Decides what it means to listen on loopback: both families or, where one does not exist, the
 * other. A port in use on either is an error: a caller that resolves "localhost" to the family
 * that we silently missed would talk to whoever holds that port.
 */
#include "server/httpd_listen.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG         4096
#define FREE_PORT_TRIES 16

static const struct {
    int family;
    const char *name;
} FAMILIES[HTTPD_LISTEN_MAX] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "[::1]" } };

static socklen_t loopback_address(int family, int port, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };

    if (family == AF_INET) {
        memcpy(out, &v4, sizeof(v4));
        return sizeof(v4);
    }
    memcpy(out, &v6, sizeof(v6));
    return sizeof(v6);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int fail(const char *name, int port, struct err *e)
{
    if (errno != EADDRINUSE)
        return err_sys(e, "%s:%d", name, port);
    err_set(e, ERR_SYS, "%s:%d: address already in use", name, port);
    e->detail = EADDRINUSE;
    return -1;
}

/* One socket. *out is -1 after success where the machine does not have the family. */
static int listen_on(size_t family, int port, int *out, struct err *e)
{
    CLEANUP(close_fd) int fd = -1;
    const int on = 1;
    struct sockaddr_storage addr = { 0 };
    const socklen_t n = loopback_address(FAMILIES[family].family, port, &addr);
    const char *name = FAMILIES[family].name;

    fd = socket(FAMILIES[family].family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno != EAFNOSUPPORT)
        return fail(name, port, e);
    if (fd >= 0) {
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
            (FAMILIES[family].family == AF_INET6 &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0))
            return fail(name, port, e);
        if (bind(fd, (const struct sockaddr *)&addr, n) != 0) {
            if (errno != EADDRNOTAVAIL)
                return fail(name, port, e);
            close_fd(&fd);
        }
    }
    if (fd < 0) {
        log_info("not listening on %s:%d: this machine does not have that address", name, port);
        *out = -1;
        return 0;
    }
    if (listen(fd, BACKLOG) != 0)
        return fail(name, port, e);
    *out = fd;
    fd = -1;
    return 0;
}

static int bound_port(int fd, int *out, struct err *e)
{
    struct sockaddr_storage addr;
    struct sockaddr_in v4;
    socklen_t n = sizeof(addr);

    if (getsockname(fd, (struct sockaddr *)&addr, &n) != 0)
        return err_sys(e, "asking for the port that was bound");
    memcpy(&v4, &addr, sizeof(v4)); /* the port is at the same place in both families */
    *out = ntohs(v4.sin_port);
    return 0;
}

static int open_families(struct httpd_listen *l, struct err *e)
{
    for (size_t i = 0; i < HTTPD_LISTEN_MAX; i++) {
        if (listen_on(i, l->port, &l->fds[i], e) != 0)
            return -1;
        if (l->port == 0 && l->fds[i] >= 0 && bound_port(l->fds[i], &l->port, e) != 0)
            return -1;
    }
    if (l->fds[0] < 0 && l->fds[1] < 0)
        return err_set(e, ERR_SYS, "this machine has no loopback address");
    return 0;
}

int httpd_listen_open(int port, struct httpd_listen *out, struct err *e)
{
    for (int tries = 1;; tries++) {
        CLEANUP(httpd_listen_close) struct httpd_listen l = { { -1, -1 }, port };
        if (open_families(&l, e) == 0) {
            *out = l;
            l = (struct httpd_listen){ { -1, -1 }, 0 };
            return 0;
        }
        /* A port that is free on the first family need not be so on the second. */
        if (port != 0 || e->detail != EADDRINUSE || tries == FREE_PORT_TRIES)
            return err_wrap(e, "listening");
    }
}

void httpd_listen_close(struct httpd_listen *l)
{
    for (size_t i = 0; i < HTTPD_LISTEN_MAX; i++)
        close_fd(&l->fds[i]);
}
