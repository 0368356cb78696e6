/*
 * A load generator for loopback: N keep-alive connections, each with one request under way, for a
 * number of requests or a time. Prints one JSON object: what was answered, how fast, what failed.
 *
 * One thread, epoll, requests that are formatted once: it has to cost less than what it measures.
 *
 *   resting   nothing under way; asks again when its pause is over and requests are left
 *   asking    the request is sent, the answer is being read
 *   dead      the connection failed or ended: each failure is counted, then it is opened again
 */
#include "base/flags.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096
#define MAX_ANSWER      ((size_t)64 * 1024)
#define MAX_SAMPLES     ((size_t)4 * 1024 * 1024)
#define GIVE_UP_US      (90 * INT64_C(1000000))

struct options {
    const char *path, *body;
    int port, connections, count, ms, pause_ms;
};

struct connection {
    int fd;
    bool is_asking;
    int64_t asked_us, due_us;
    size_t n;
    char answer[MAX_ANSWER + 1];
};

struct load {
    struct options o;
    struct buf request;
    int epoll_fd;
    struct connection *connections;
    uint32_t *samples_us;
    size_t n_samples, n_asked, n_failed, n_under_way;
    int64_t start_us, end_us;
    char first_failure[256];
};

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int open_connection(struct load *l, struct connection *c, struct err *e)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)l->o.port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    const int one = 1;

    c->is_asking = false;
    c->n = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        return err_sys(e, "connecting to port %d", l->o.port);
    return 0;
}

static bool is_over(const struct load *l, int64_t now)
{
    if (l->o.count > 0)
        return l->n_asked >= (size_t)l->o.count;
    return now >= l->start_us + l->o.ms * INT64_C(1000);
}

/* Whatever was under way has failed; the connection is replaced. */
static int fail(struct load *l, struct connection *c, const char *why, struct err *e)
{
    if (c->is_asking) {
        l->n_failed++;
        l->n_under_way--;
        if (l->first_failure[0] == '\0')
            snprintf(l->first_failure, sizeof(l->first_failure), "%s", why);
    }
    close(c->fd);
    return open_connection(l, c, e);
}

static int ask(struct load *l, struct connection *c, int64_t now, struct err *e)
{
    c->is_asking = true;
    c->asked_us = now;
    c->n = 0;
    l->n_asked++;
    l->n_under_way++;
    if (send(c->fd, l->request.p, l->request.n, MSG_NOSIGNAL) != (ssize_t)l->request.n)
        return fail(l, c, "the request could not be sent", e);
    return 0;
}

/* Length of the whole answer, 0 while its head is not here yet, SIZE_MAX when it has none. */
static size_t answer_length(const struct connection *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");

    if (end == NULL)
        return 0;
    if (length == NULL || length > end)
        return SIZE_MAX;
    return (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
}

static void finish(struct load *l, struct connection *c, int64_t now)
{
    char quoted[sizeof(l->first_failure)];

    c->is_asking = false;
    c->due_us = now + l->o.pause_ms * INT64_C(1000);
    l->n_under_way--;
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) == 0) {
        if (l->n_samples < MAX_SAMPLES)
            l->samples_us[l->n_samples++] = (uint32_t)(now - c->asked_us);
        return;
    }
    l->n_failed++;
    if (l->first_failure[0] != '\0')
        return;
    const char *body = strstr(c->answer, "\r\n\r\n") + 4;
    str_quote(span_str(body), sizeof(quoted) - 32, quoted);
    snprintf(l->first_failure, sizeof(l->first_failure), "%.12s: %.200s", c->answer, quoted);
}

static int take_answer(struct load *l, struct connection *c, struct err *e)
{
    const ssize_t n = recv(c->fd, c->answer + c->n, MAX_ANSWER - c->n, MSG_DONTWAIT);
    const int64_t now = now_us();

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return fail(l, c, n == 0 ? "the connection was closed" : strerror(errno), e);
    c->n += (size_t)n;
    c->answer[c->n] = '\0';
    const size_t length = answer_length(c);
    if (length > MAX_ANSWER || (length != 0 && c->n > length) || c->n == MAX_ANSWER)
        return fail(l, c, "not one whole answer", e);
    if (length == 0 || c->n < length)
        return 0;
    finish(l, c, now);
    return l->o.pause_ms == 0 && !is_over(l, now) ? ask(l, c, now, e) : 0;
}

/* Asks on connections whose pause is over. *out_ms: until the next one is due, at most a second. */
static int ask_due(struct load *l, int *out_ms, struct err *e)
{
    const int64_t now = now_us();
    int64_t next_us = now + 1000000;

    for (int i = 0; i < l->o.connections && !is_over(l, now); i++) {
        struct connection *c = &l->connections[i];
        if (c->is_asking)
            continue;
        if (c->due_us <= now && ask(l, c, now, e) != 0)
            return -1;
        if (!c->is_asking && c->due_us < next_us)
            next_us = c->due_us;
    }
    *out_ms = next_us <= now ? 0 : (int)((next_us - now + 999) / 1000);
    return 0;
}

static int work(struct load *l, struct err *e)
{
    struct epoll_event events[256];
    int wait_ms = 0;

    l->start_us = now_us();
    for (;;) {
        const int64_t now = now_us();
        if (is_over(l, now) && l->n_under_way == 0)
            break;
        if (now > l->start_us + l->o.ms * INT64_C(1000) + GIVE_UP_US)
            return err_set(e, ERR_TIMEOUT, "%zu answers are missing", l->n_under_way);
        if (l->n_under_way < (size_t)l->o.connections && ask_due(l, &wait_ms, e) != 0)
            return -1;
        const int n = epoll_wait(l->epoll_fd, events, ARRAY_LEN(events),
                                 l->n_under_way < (size_t)l->o.connections ? wait_ms : 1000);
        for (int i = 0; i < n; i++)
            if (take_answer(l, events[i].data.ptr, e) != 0)
                return -1;
    }
    l->end_us = now_us();
    return 0;
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t percentile(const struct load *l, size_t percent)
{
    return l->n_samples == 0 ? 0 : l->samples_us[(l->n_samples - 1) * percent / 100];
}

static void print_result(struct load *l)
{
    const double seconds = (double)(l->end_us - l->start_us) / 1e6;

    qsort(l->samples_us, l->n_samples, sizeof(l->samples_us[0]), compare);
    for (char *p = l->first_failure; *p != '\0'; p++)
        if (*p == '"' || *p == '\\')
            *p = '\'';
    printf("{\"count\":%zu,\"failures\":%zu,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,"
           "\"max_us\":%u,\"seconds\":%.6f,\"rps\":%.1f,\"first_failure\":\"%s\"}\n",
           l->n_samples, l->n_failed, percentile(l, 50), percentile(l, 90), percentile(l, 99),
           percentile(l, 100), seconds, (double)l->n_samples / seconds, l->first_failure);
}

static int prepare(struct load *l, struct err *e)
{
    const size_t n = strlen(l->o.body);

    if (l->o.connections < 1 || l->o.connections > MAX_CONNECTIONS || l->o.count < 0 ||
        l->o.ms < 0 || l->o.pause_ms < 0 || (l->o.count == 0) == (l->o.ms == 0))
        return err_set(e, ERR_ARG, "give 1 to %d connections, and either -count or -ms",
                       MAX_CONNECTIONS);
    if (buf_printf(&l->request, e, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", n > 0 ? "POST" : "GET",
                   l->o.path) != 0)
        return -1;
    if (n > 0 && buf_printf(&l->request, e,
                            "Content-Type: application/json\r\nContent-Length: %zu\r\n", n) != 0)
        return -1;
    if (buf_add_str(&l->request, "\r\n", e) != 0 || buf_add_str(&l->request, l->o.body, e) != 0)
        return -1;
    l->connections = calloc((size_t)l->o.connections, sizeof(l->connections[0]));
    l->samples_us = calloc(MAX_SAMPLES, sizeof(l->samples_us[0]));
    if (l->connections == NULL || l->samples_us == NULL)
        return err_nomem(e);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        return err_sys(e, "epoll");
    for (int i = 0; i < l->o.connections; i++)
        if (open_connection(l, &l->connections[i], e) != 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    static struct load l = { .o = {
                                 .path = "/status", .body = "", .port = 8080, .connections = 1 } };
    const struct flag table[] = {
        { "port", FLAG_INT, &l.o.port, "port on 127.0.0.1" },
        { "path", FLAG_STRING, &l.o.path, "path to ask for" },
        { "body", FLAG_STRING, &l.o.body, "body of a POST; empty: GET" },
        { "connections", FLAG_INT, &l.o.connections, "connections, each asks one at a time" },
        { "count", FLAG_INT, &l.o.count, "requests altogether" },
        { "ms", FLAG_INT, &l.o.ms, "or time in milliseconds" },
        { "pause_ms", FLAG_INT, &l.o.pause_ms, "pause of a connection between requests" },
        { 0 },
    };
    struct err e;
    int rest = 0;

    signal(SIGPIPE, SIG_IGN);
    if (flags_parse(table, argc, argv, &rest, &e) != FLAGS_OK || rest != argc) {
        flags_usage(table, argv[0], stderr);
        return 2;
    }
    if (prepare(&l, &e) != 0 || work(&l, &e) != 0) {
        fprintf(stderr, "load: %s\n", e.msg);
        return EXIT_FAILURE;
    }
    print_result(&l);
    return EXIT_SUCCESS;
}
