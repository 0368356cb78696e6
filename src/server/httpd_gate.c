/*
 * Why we accept ourselves and the library does not: in 0.9.75 its way to stop accepting
 * (MHD_quiesce_daemon) and its event thread both take the listening socket out of the epoll set,
 * without a lock, and whoever comes second aborts the process; and only one who accepts can make
 * room first.
 *
 * States: open (accepting) -> shut (sockets closed, the rest goes on) -> closing (thread ends).
 * They only move forward, under the lock; the thread acknowledges "shut" by closing the sockets.
 */
#include "server/httpd_gate.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_SIZE      ((size_t)256 * 1024)
#define MAX_LEAVING     64
#define LEAVING_MS      2000
#define CHUNK           16384
#define LEAVING_BYTES   ((size_t)8 * 1024 * 1024)
#define FULL_PAUSE_MS   10 /* connections that were cut are closed within about that time */
#define SCARCE_PAUSE_MS 100
#define SETTLE_MS       100
#define SETTLE_TRIES    10
#define LIBRARY_EVENTS  128

enum gate_state { GATE_OPEN, GATE_SHUT, GATE_CLOSING };

struct leaving {
    int fd;
    size_t n_left;
    int64_t until_ms;
};

struct httpd_gate {
    struct httpd_gate_config config;
    pthread_t thread;
    bool is_open; /* there is a thread */
    int wake_fd;
    struct httpd_listen sockets; /* the thread's */
    pthread_mutex_t lock;        /* of all below */
    pthread_cond_t was_shut;
    enum gate_state state;
    bool has_shut;
    struct leaving leaving[MAX_LEAVING];
    size_t n_leaving;
};

static void wake(const struct httpd_gate *g)
{
    const uint64_t one = 1;
    const ssize_t n = write(g->wake_fd, &one, sizeof(one));

    (void)n; /* a full counter wakes as well */
}

static enum gate_state gate_state(struct httpd_gate *g)
{
    pthread_mutex_lock(&g->lock);
    const enum gate_state state = g->state;
    pthread_mutex_unlock(&g->lock);
    return state;
}

static void set_state(struct httpd_gate *g, enum gate_state state)
{
    pthread_mutex_lock(&g->lock);
    if (state > g->state)
        g->state = state;
    wake(g);
    while (!g->has_shut)
        pthread_cond_wait(&g->was_shut, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

/* A burst from one socket. Returns how long to pause before the next, in ms. */
static int accept_burst(struct httpd_gate *g, int listen_fd)
{
    for (int i = 0; i < HTTPD_PEERS_BURST; i++) {
        struct sockaddr_storage addr;
        socklen_t n = sizeof(addr);

        if (!httpd_peers_announce(g->config.peers))
            return FULL_PAUSE_MS;
        const int fd =
            accept4(listen_fd, (struct sockaddr *)&addr, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            const int reason = errno;
            httpd_peers_forget(g->config.peers);
            if (reason != EMFILE && reason != ENFILE && reason != ENOMEM && reason != ENOBUFS)
                return 0;
            log_warning("no resources to accept a connection (errno %d)", reason);
            return SCARCE_PAUSE_MS;
        }
        if (!g->config.admit(g->config.ctx, fd, (const struct sockaddr *)&addr, n))
            httpd_peers_forget(g->config.peers);
    }
    return 0;
}

/* One more connection for the event thread, which ends at once. */
static void nudge(struct httpd_gate *g)
{
    const struct sockaddr nobody = { .sa_family = AF_UNIX };
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    close(pair[1]);
    g->config.admit(g->config.ctx, pair[0], &nobody, sizeof(nobody.sa_family));
}

/*
 * Waits until the event thread has the new connections. When exactly 128 sockets have something to
 * say, 0.9.75 takes those events, asks whether there are more, and sleeps until there are, with all
 * of them and what it was told of new connections undone. There may also have been no memory for a
 * new one, of which nobody hears.
 */
static void settle(struct httpd_gate *g)
{
    for (int i = 0; i < SETTLE_TRIES; i++) {
        if (httpd_peers_settle(g->config.peers, SETTLE_MS))
            return;
        nudge(g);
    }
    httpd_peers_forget_all(g->config.peers);
}

/* Throws away what has come. False: the sender is done, or has had enough patience. */
static bool is_still_leaving(struct leaving *l)
{
    uint8_t scratch[CHUNK];

    for (;;) {
        const ssize_t n = recv(l->fd, scratch, CHUNK, MSG_DONTWAIT);
        mem_wipe(scratch, n > 0 ? (size_t)n : 0);
        if (n < 0)
            return errno == EAGAIN && clock_now_ms(clock_system()) < l->until_ms;
        if (n == 0 || (size_t)n > l->n_left)
            return false;
        l->n_left -= (size_t)n;
    }
}

static void see_off_all(struct httpd_gate *g, bool at_once)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n_leaving;) {
        if (!at_once && is_still_leaving(&g->leaving[i])) {
            i++;
            continue;
        }
        close(g->leaving[i].fd);
        g->leaving[i] = g->leaving[--g->n_leaving];
    }
    pthread_mutex_unlock(&g->lock);
}

void httpd_gate_see_off(struct httpd_gate *g, int fd)
{
    pthread_mutex_lock(&g->lock);
    if (g->n_leaving < MAX_LEAVING) {
        const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy >= 0) {
            g->leaving[g->n_leaving++] =
                (struct leaving){ copy, LEAVING_BYTES, clock_now_ms(clock_system()) + LEAVING_MS };
            wake(g);
        }
    }
    pthread_mutex_unlock(&g->lock);
}

/* Waits for something to do; out_ready tells which listening sockets have somebody. */
static void wait_for_work(struct httpd_gate *g, int64_t ms, bool accepting,
                          bool out_ready[HTTPD_LISTEN_MAX])
{
    struct pollfd fds[1 + HTTPD_LISTEN_MAX + MAX_LEAVING] = { { g->wake_fd, POLLIN, 0 } };
    nfds_t n = 1 + HTTPD_LISTEN_MAX;
    uint64_t count;

    for (size_t i = 0; i < HTTPD_LISTEN_MAX; i++)
        fds[1 + i] = (struct pollfd){ accepting ? g->sockets.fds[i] : -1, POLLIN, 0 };
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n_leaving; i++)
        fds[n++] = (struct pollfd){ g->leaving[i].fd, POLLIN, 0 };
    pthread_mutex_unlock(&g->lock);
    if (poll(fds, n, (int)ms) < 0)
        return;
    if (fds[0].revents != 0) {
        const ssize_t got = read(g->wake_fd, &count, sizeof(count));
        (void)got; /* non-blocking: nothing there is fine */
    }
    for (size_t i = 0; i < HTTPD_LISTEN_MAX; i++)
        out_ready[i] = fds[1 + i].revents != 0;
}

static void acknowledge_shut(struct httpd_gate *g)
{
    httpd_listen_close(&g->sockets);
    pthread_mutex_lock(&g->lock);
    g->has_shut = true;
    pthread_cond_broadcast(&g->was_shut);
    pthread_mutex_unlock(&g->lock);
}

static void *gate_main(void *arg)
{
    struct httpd_gate *g = arg;
    const struct clock *clk = clock_system();
    int64_t accept_at = 0, next_cut = 0, wanted = 0;

    for (enum gate_state state; (state = gate_state(g)) != GATE_CLOSING;) {
        bool ready[HTTPD_LISTEN_MAX] = { false };
        int64_t now = clock_now_ms(clk);
        int64_t ms = wanted < g->config.tick_ms ? wanted : g->config.tick_ms;
        if (state == GATE_OPEN && accept_at > now && accept_at - now < ms)
            ms = accept_at - now;
        if (state == GATE_SHUT)
            acknowledge_shut(g);
        wait_for_work(g, ms, state == GATE_OPEN && accept_at <= now, ready);
        now = clock_now_ms(clk);
        int pause = 0;
        for (size_t i = 0; i < HTTPD_LISTEN_MAX; i++) {
            if (!ready[i])
                continue;
            const int p = accept_burst(g, g->sockets.fds[i]);
            settle(g);
            pause = p > pause ? p : pause;
        }
        accept_at = pause > 0 ? now + pause : accept_at;
        see_off_all(g, false);
        if (now >= next_cut) {
            httpd_peers_cut_overdue(g->config.peers);
            if (httpd_peers_count(g->config.peers) >= LIBRARY_EVENTS - 1)
                nudge(g); /* see settle() */
            next_cut = now + g->config.tick_ms;
        }
        wanted = g->config.tick(g->config.ctx);
    }
    acknowledge_shut(g);
    see_off_all(g, true);
    return NULL;
}

/* Signals are the program's: the thread is born with all of them blocked. */
static int start_thread(struct httpd_gate *g)
{
    pthread_attr_t attr;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&g->thread, &attr, gate_main, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

int httpd_gate_new(const struct httpd_gate_config *config, struct httpd_gate **out, struct err *e)
{
    struct httpd_gate *g = calloc(1, sizeof(*g));

    if (g == NULL)
        return err_nomem(e);
    g->config = *config;
    g->sockets = (struct httpd_listen){ { -1, -1 }, 0 };
    g->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (g->wake_fd < 0) {
        free(g);
        return err_sys(e, "creating an event descriptor");
    }
    pthread_mutex_init(&g->lock, NULL); /* these cannot fail on Linux */
    pthread_cond_init(&g->was_shut, NULL);
    *out = g;
    return 0;
}

int httpd_gate_open(struct httpd_gate *g, struct httpd_listen *sockets, struct err *e)
{
    const struct httpd_listen none = { { -1, -1 }, 0 };

    g->sockets = *sockets;
    const int rc = start_thread(g);
    if (rc != 0) {
        g->sockets = none;
        errno = rc;
        return err_sys(e, "starting the thread that accepts");
    }
    g->is_open = true;
    *sockets = none;
    return 0;
}

void httpd_gate_shut(struct httpd_gate *g)
{
    set_state(g, GATE_SHUT);
}

void httpd_gate_free(struct httpd_gate *g)
{
    if (g == NULL)
        return;
    if (g->is_open) {
        set_state(g, GATE_CLOSING);
        pthread_join(g->thread, NULL);
    }
    close(g->wake_fd);
    pthread_cond_destroy(&g->was_shut);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
