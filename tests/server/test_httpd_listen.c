/* Who may listen where. The judge is the kernel. */
#include "support/asserts.h"

#include "support/httpd_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int squat(int family, int port)
{
    const struct sockaddr_in v4 = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                     .sin6_port = htons((uint16_t)port),
                                     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    const int fd = socket(family, SOCK_STREAM, 0), on = 1;
    const int rc = family == AF_INET ? bind(fd, (const struct sockaddr *)&v4, sizeof(v4))
                                     : bind(fd, (const struct sockaddr *)&v6, sizeof(v6));

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (rc == 0 && listen(fd, 1) == 0)
        return fd;
    close(fd);
    return -1;
}

static void a_port_in_use_on_either_family_ends_the_start(void **state)
{
    static const struct {
        int family;
        const char *address;
    } cases[] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "[::1]" } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpd_fixture f;
        struct httpd *h = NULL;
        struct err e;
        char needle[64];
        httpd_fixture_init(&f);
        httpd_fixture_start(&f); /* finds a port that is free on both */
        httpd_fixture_stop(&f, 0, 0);
        const int fd = squat(cases[i].family, f.port);
        assert_true(fd >= 0);
        f.config.port = f.port;
        snprintf(needle, sizeof(needle), "%s:%d: address already in use", cases[i].address, f.port);
        assert_fails(ERR_SYS, needle, httpd_start(&f.config, &h, &e));
        assert_int_equal(e.detail, EADDRINUSE);
        assert_null(h);
        close(fd);
        httpd_fixture_start(&f); /* and nothing of the failed start is in the way */
        httpd_fixture_stop(&f, 0, 0);
        httpd_fixture_done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_in_use_on_either_family_ends_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
