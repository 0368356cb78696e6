/*
 * Starts a program and measures how long it takes from fork() until it answers: /status with 200,
 * and, with -body, a POST of it to -path with 200. The program is ended afterwards.
 *
 *   startup -port P [-cpu N] [-path /key/release -body JSON] [-rss] -- program argument...
 *
 * Prints {"serving_us":…,"first_key_us":…,"rss_kib":…}; what was not asked for is 0. The program
 * gets a processor that this does not run on: polling must not take its time.
 */
#include "base/flags.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEADERS    "Host: 127.0.0.1\r\nConnection: close\r\n"
#define POLL_US    100
#define GIVE_UP_US (20 * INT64_C(1000000))
#define SETTLE_US  (700 * 1000)

struct options {
    const char *path, *body;
    int port, cpu;
    bool rss;
};

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Whether one request on a connection of its own is answered with 200. */
static bool answers(int port, const struct buf *request)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static const char ok[] = "HTTP/1.1 200 ";
    char head[sizeof(ok)] = "";
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    const bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
                          send(fd, request->p, request->n, MSG_NOSIGNAL) == (ssize_t)request->n &&
                          recv(fd, head, sizeof(ok) - 1, MSG_WAITALL) == (ssize_t)sizeof(ok) - 1 &&
                          strcmp(head, ok) == 0;
    if (fd >= 0)
        close(fd);
    return answered;
}

static int wait_until(pid_t pid, int port, const struct buf *request, int64_t start_us,
                      int64_t *out_us, struct err *e)
{
    while (!answers(port, request)) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return err_set(e, ERR_CHECK, "the program ended");
        if (now_us() - start_us > GIVE_UP_US)
            return err_set(e, ERR_TIMEOUT, "no answer");
        usleep(POLL_US);
    }
    *out_us = now_us() - start_us;
    return 0;
}

static void run_program(char **argv, int cpu)
{
    cpu_set_t set;
    const int null = open("/dev/null", O_WRONLY);

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        _exit(126);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execv(argv[0], argv);
    _exit(127);
}

static int read_rss_kib(pid_t pid, long *out, struct err *e)
{
    char path[64], line[128];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return err_sys(e, "opening %s", path);
    while (fgets(line, sizeof(line), f) != NULL)
        if (str_starts_with(line, "VmRSS:"))
            *out = strtol(line + 6, NULL, 10);
    fclose(f);
    return 0;
}

static int measure(const struct options *o, pid_t pid, int64_t start_us, struct err *e)
{
    CLEANUP(buf_done) struct buf status = { 0 };
    CLEANUP(buf_done) struct buf release = { 0 };
    int64_t serving_us = 0, key_us = 0;
    long rss_kib = 0;

    if (buf_add_str(&status, "GET /status HTTP/1.1\r\n" HEADERS "\r\n", e) != 0 ||
        buf_printf(&release, e,
                   "POST %s HTTP/1.1\r\n" HEADERS "Content-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   o->path, strlen(o->body), o->body) != 0)
        return -1;
    if (wait_until(pid, o->port, &status, start_us, &serving_us, e) != 0)
        return err_wrap(e, "/status");
    if (o->body[0] != '\0' && wait_until(pid, o->port, &release, start_us, &key_us, e) != 0)
        return err_wrap(e, "%s", o->path);
    if (o->rss) {
        usleep(SETTLE_US);
        if (read_rss_kib(pid, &rss_kib, e) != 0)
            return -1;
    }
    printf("{\"serving_us\":%lld,\"first_key_us\":%lld,\"rss_kib\":%ld}\n", (long long)serving_us,
           (long long)key_us, rss_kib);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = { .path = "/key/release", .body = "", .port = 8080 };
    const struct flag table[] = {
        { "port", FLAG_INT, &o.port, "port on 127.0.0.1 that the program will serve" },
        { "cpu", FLAG_INT, &o.cpu, "processor that the program gets" },
        { "path", FLAG_STRING, &o.path, "path of the request that gives the first key" },
        { "body", FLAG_STRING, &o.body, "its body; empty: do not ask" },
        { "rss", FLAG_BOOL, &o.rss, "read the resident memory a moment later" },
        { 0 },
    };
    struct err e;
    int rest = 0;

    if (flags_parse(table, argc, argv, &rest, &e) != FLAGS_OK || rest >= argc || o.cpu < 0 ||
        o.cpu >= CPU_SETSIZE) {
        flags_usage(table, argv[0], stderr);
        return 2;
    }
    const int64_t start_us = now_us();
    const pid_t pid = fork();
    if (pid == 0)
        run_program(argv + rest, o.cpu);
    const int rc = pid < 0 ? err_sys(&e, "fork") : measure(&o, pid, start_us, &e);
    if (rc != 0)
        fprintf(stderr, "startup: %s\n", e.msg);
    if (pid > 0) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
