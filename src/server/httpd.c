/*
 * Puts the server together: the sockets (httpd_listen) belong to the gate (httpd_gate), which
 * accepts and hands connections to libmicrohttpd's one event thread; there each request is an
 * exchange (httpd_exchange), which may wait for the workers (httpd_workers). httpd_peers knows
 * what each connection is doing.
 *
 * The order in httpd_stop() matters: libmicrohttpd aborts the process when it is stopped with a
 * suspended connection, and must not be gone while somebody is resuming one.
 */
#include "server/httpd_exchange.h"

#include "base/log.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVED_FILES  256 /* for everything that is not a caller's connection */
#define MIN_CONNECTIONS 64
#define CONNECTION_BYTES                                                                           \
    ((size_t)8 * 1024) /* bounds a request's head; the answer's is made there too */
#define EVENT_STACK_SIZE ((size_t)512 * 1024)
#define MAX_TICK_MS      1000
#define MIN_TICK_MS      10
#define SEND_MS          1000 /* for the last answers, when stopping */

struct httpd {
    struct httpd_config config;
    struct httpd_exchange_env env;
    struct MHD_Daemon *daemon;
    int port;
};

static struct httpd_peer *peer_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **ex)
{
    struct httpd *h = cls;
    const struct httpd_exchange_call call = { c,   peer_of(c), method,
                                              url, version,    span_of(data, *data_size) };
    struct httpd_exchange *exchange = *ex;
    const bool ok = httpd_exchange_step(&h->env, &exchange, &call);

    *data_size = 0;
    *ex = exchange;
    return ok ? MHD_YES : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **ex,
                         enum MHD_RequestTerminationCode why)
{
    struct httpd *h = cls;

    httpd_exchange_end(&h->env, *ex, c, peer_of(c));
    *ex = NULL;
}

/* Called when a request line is here, before anything is decoded. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *c)
{
    struct httpd *h = cls;

    if (peer_of(c) != NULL)
        httpd_peers_move(h->env.peers, peer_of(c), HTTPD_PHASE_RECEIVING);
    return NULL;
}

static void on_connection(void *cls, struct MHD_Connection *c, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct httpd *h = cls;
    const int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *socket_context = httpd_peers_enter(h->env.peers, fd);
    else if (*socket_context != NULL)
        httpd_peers_leave(h->env.peers, *socket_context);
}

/* Paths are compared as they were sent. */
static size_t leave_escaped(void *cls, struct MHD_Connection *c, char *s)
{
    return strlen(s);
}

static PRINTF_LIKE(2, 0) void on_library_log(void *cls, const char *fmt, va_list ap)
{
    char text[512];

    if (!log_is_enabled(LOG_DEBUG))
        return;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("libmicrohttpd: %s", text);
}

static bool admit(void *ctx, int fd, const struct sockaddr *addr, socklen_t addr_size)
{
    struct httpd *h = ctx;

    return MHD_add_connection(h->daemon, fd, addr, addr_size) == MHD_YES;
}

static int64_t tick(void *ctx)
{
    struct httpd *h = ctx;
    const int64_t ms = httpd_workers_expire(h->env.workers);

    return ms < MIN_TICK_MS ? MIN_TICK_MS : ms;
}

static size_t max_connections(const struct httpd_config *config)
{
    return config->max_files < RESERVED_FILES + MIN_CONNECTIONS
               ? MIN_CONNECTIONS
               : config->max_files - RESERVED_FILES;
}

/* The event thread, and through it the workers, are born with all signals blocked. */
static int start_daemon(struct httpd *h, struct err *e)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                           MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    /* The gate keeps the limit; the library's only has to be beyond it. */
    const unsigned limit = (unsigned)max_connections(&h->config) + HTTPD_PEERS_BURST;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, h,
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_THREAD_STACK_SIZE, EVENT_STACK_SIZE, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK,
        on_request_line, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, h,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h->daemon != NULL ? 0 : err_set(e, ERR_SYS, "starting the event thread failed");
}

static struct httpd_gate_config gate_config(struct httpd *h)
{
    const int64_t times[] = { h->config.receive_ms, h->config.idle_ms, h->config.request_ms };
    int64_t tick_ms = MAX_TICK_MS;

    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        tick_ms = times[i] / 4 < tick_ms ? times[i] / 4 : tick_ms;
    return (struct httpd_gate_config){
        .peers = h->env.peers,
        .tick_ms = tick_ms < MIN_TICK_MS ? MIN_TICK_MS : tick_ms,
        .admit = admit,
        .tick = tick,
        .ctx = h,
    };
}

static void httpd_free(struct httpd *h)
{
    httpd_gate_free(h->env.gate);
    httpd_workers_free(h->env.workers);
    httpd_peers_free(h->env.peers);
    free(h);
}

static int start(struct httpd *h, struct err *e)
{
    CLEANUP(httpd_listen_close) struct httpd_listen sockets = { { -1, -1 }, 0 };
    const struct httpd_config *c = &h->config;
    const struct httpd_peers_config peers = { c->clk, c->metrics, c->receive_ms, c->idle_ms,
                                              max_connections(c) };
    const struct httpd_workers_config workers = { c->clk, c->metrics, httpd_exchange_resume };

    h->env.config = c;
    if (httpd_listen_open(c->port, &sockets, e) != 0 ||
        httpd_peers_new(&peers, &h->env.peers, e) != 0 ||
        httpd_workers_new(&workers, &h->env.workers, e) != 0)
        return -1;
    const struct httpd_gate_config gate = gate_config(h);
    h->port = sockets.port;
    if (httpd_gate_new(&gate, &h->env.gate, e) != 0 || start_daemon(h, e) != 0)
        return -1;
    if (httpd_gate_open(h->env.gate, &sockets, e) == 0)
        return 0;
    MHD_stop_daemon(h->daemon);
    return -1;
}

int httpd_start(const struct httpd_config *config, struct httpd **out, struct err *e)
{
    struct httpd *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return err_nomem(e);
    h->config = *config;
    if (start(h, e) != 0) {
        httpd_free(h);
        return err_wrap(e, "starting the HTTP server");
    }
    *out = h;
    return 0;
}

int httpd_port(const struct httpd *h)
{
    return h->port;
}

void httpd_stop(struct httpd *h, int64_t drain_ms, size_t *out_n_cut)
{
    atomic_store(&h->env.closing, true);
    httpd_gate_shut(h->env.gate);
    *out_n_cut = httpd_workers_drain(h->env.workers, drain_ms);
    httpd_peers_wait_answered(h->env.peers, SEND_MS); /* from here on nothing is suspended */
    MHD_stop_daemon(h->daemon);
    httpd_free(h);
}
