/*
 * One request passes through answer(): called first with nothing, then with pieces of the body,
 * then once more without data, which is when the handler runs. The state in between is a struct
 * exchange, made when the request line is read.
 *
 * A bad delivery is a body that is read piece by piece from a callback, which can end early, send
 * filler, stop for good, or reset the connection.
 */
#include "sim/simhttpd.h"

#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define IDLE_S         120
#define STACK_SIZE     (512 * 1024)
#define MEMORY_LIMIT   (64 * 1024) /* of a connection: request line, headers */
#define PIECE_SIZE     (16 * 1024)
#define STALL_SLICE_MS 50
#define FILLER         ' '
#define TLS_PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1" /* as the real services */

struct simhttpd {
    struct MHD_Daemon *daemon;
    enum sim_listener listener;
    simhttpd_handler handle;
    void *ctx;
    int port;
    atomic_uint_fast64_t n_connections;
    atomic_bool is_stopping;
};

struct exchange {
    char *target;
    struct buf body;
    bool is_begun, is_body_too_long, has_too_many_headers;
    struct sim_header headers[SIM_MAX_HEADERS];
    size_t n_headers;
};

static void exchange_free(struct exchange *x)
{
    if (x == NULL)
        return;
    str_free(x->target);
    buf_done(&x->body);
    free(x);
}

/* The raw request line, before the library takes it apart; its result is the request's context. */
static void *begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof(*x));
    struct err e;

    (void)cls;
    (void)connection;
    if (x != NULL && str_dup(uri, &x->target, &e) != 0) {
        exchange_free(x);
        return NULL;
    }
    return x;
}

static void end(void *cls, struct MHD_Connection *connection, void **context,
                enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)connection;
    (void)why;
    exchange_free(*context);
    *context = NULL;
}

/* Numbers connections; the number lives on the heap for as long as its connection. */
static void notify_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                              enum MHD_ConnectionNotificationCode what)
{
    struct simhttpd *s = cls;

    (void)connection;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        uint64_t *number = malloc(sizeof(*number));
        if (number != NULL)
            *number = atomic_fetch_add(&s->n_connections, 1) + 1;
        *socket_context = number;
    } else {
        free(*socket_context);
        *socket_context = NULL;
    }
}

static uint64_t connection_number(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const uint64_t *number = info == NULL ? NULL : info->socket_context;

    return number == NULL ? 0 : *number;
}

/* Connecting to no address makes Linux reset a TCP connection at once, data in flight or not. */
static void reset_connection(struct MHD_Connection *c)
{
    const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info != NULL && connect(info->connect_fd, &nowhere, sizeof(nowhere)) != 0)
        log_debug("a connection could not be reset: errno %d", errno);
}

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct exchange *x = cls;

    (void)kind;
    if (x->n_headers == SIM_MAX_HEADERS) {
        x->has_too_many_headers = true;
        return MHD_NO;
    }
    x->headers[x->n_headers++] = (struct sim_header){ name, value == NULL ? "" : value };
    return MHD_YES;
}

/* A body on its way out; cls of the reader below. */
struct outgoing {
    struct simhttpd *server;
    struct MHD_Connection *connection;
    struct buf body;
    uint64_t n_total; /* with filler */
    uint64_t stop_at; /* where the delivery goes wrong; UINT64_MAX: nowhere */
    struct sim_delivery delivery;
};

static void outgoing_free(void *cls)
{
    struct outgoing *o = cls;

    buf_done(&o->body);
    free(o);
}

static void stall(const struct simhttpd *s)
{
    const struct timespec slice = { .tv_nsec = STALL_SLICE_MS * 1000000L };

    while (!atomic_load(&s->is_stopping))
        nanosleep(&slice, NULL);
}

static ssize_t go_wrong(struct outgoing *o)
{
    if (o->delivery.kind == SIM_DELIVER_STALL)
        stall(o->server);
    if (o->delivery.kind == SIM_DELIVER_RESET_MID)
        reset_connection(o->connection);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_piece(void *cls, uint64_t at, char *to, size_t max)
{
    struct outgoing *o = cls;
    const uint64_t end_at = o->stop_at < o->n_total ? o->stop_at : o->n_total;

    if (at >= o->stop_at)
        return go_wrong(o);
    if (at >= end_at)
        return MHD_CONTENT_READER_END_OF_STREAM;
    const size_t n = end_at - at < max ? (size_t)(end_at - at) : max;
    for (size_t i = 0; i < n; i++)
        to[i] = at + i < o->body.n ? (char)o->body.p[at + i] : FILLER;
    return (ssize_t)n;
}

static uint64_t announced_length(const struct outgoing *o)
{
    if (o->delivery.has_length)
        return o->delivery.content_length;
    if (o->delivery.n_stream > 0)
        return MHD_SIZE_UNKNOWN;
    /* an answer without a body cannot be late, so that a stalled one claims a byte */
    return o->n_total == 0 && o->stop_at == 0 ? 1 : o->n_total;
}

/* Takes the reply's body over. */
static struct MHD_Response *bad_response(struct simhttpd *s, struct MHD_Connection *c,
                                         struct sim_reply *r)
{
    struct outgoing *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    o->server = s;
    o->connection = c;
    o->body = r->body;
    r->body = (struct buf){ 0 };
    o->delivery = r->delivery;
    o->n_total = o->body.n + o->delivery.n_stream;
    o->stop_at = UINT64_MAX;
    if (o->delivery.kind == SIM_DELIVER_CUT)
        o->stop_at = o->delivery.cut_at;
    else if (o->delivery.kind != SIM_DELIVER_WHOLE)
        o->stop_at = o->n_total / 2;
    struct MHD_Response *m = MHD_create_response_from_callback(announced_length(o), PIECE_SIZE,
                                                               read_piece, o, outgoing_free);
    if (m == NULL)
        outgoing_free(o);
    return m;
}

static struct MHD_Response *make_response(struct simhttpd *s, struct MHD_Connection *c,
                                          struct sim_reply *r)
{
    const struct sim_delivery *d = &r->delivery;
    const bool is_plain = d->kind == SIM_DELIVER_WHOLE && d->n_stream == 0 && !d->has_length;
    struct MHD_Response *m =
        is_plain ? MHD_create_response_from_buffer(r->body.n, r->body.p, MHD_RESPMEM_MUST_COPY)
                 : bad_response(s, c, r);

    if (m == NULL)
        return NULL;
    for (size_t i = 0; i < r->n_headers; i++)
        if (MHD_add_response_header(m, r->headers[i].name, r->headers[i].value) != MHD_YES)
            log_debug("the header %s cannot be sent", r->headers[i].name);
    return m;
}

static enum MHD_Result deliver(struct simhttpd *s, struct MHD_Connection *c, struct sim_reply *r)
{
    if (r->delivery.kind == SIM_DELIVER_RESET) {
        reset_connection(c);
        return MHD_NO;
    }
    struct MHD_Response *m = make_response(s, c, r);
    if (m == NULL)
        return MHD_NO;
    const enum MHD_Result result = MHD_queue_response(c, (unsigned)r->status, m);
    MHD_destroy_response(m);
    return result;
}

static int fill_request(struct simhttpd *s, struct MHD_Connection *c, struct exchange *x,
                        const char *method, struct sim_request *req, char **out_path, struct err *e)
{
    const struct span target = span_str(x->target);
    const char *mark = strchr(x->target, '?');

    MHD_get_connection_values(c, MHD_HEADER_KIND, collect_header, x);
    req->listener = s->listener;
    req->method = method;
    req->target = x->target;
    req->headers = x->headers;
    req->n_headers = x->n_headers;
    req->body = buf_span(&x->body);
    req->connection = connection_number(c);
    const char *host = sim_request_header(req, "Host");
    req->authority = host == NULL ? "" : host;
    sim_host_of(req->authority, req->host);
    const size_t n = mark == NULL ? target.n : (size_t)(mark - x->target);
    if (sim_url_decode(span_of(target.p, n), false, out_path, e) != 0)
        return -1;
    req->path = *out_path;
    return 0;
}

static enum MHD_Result serve(struct simhttpd *s, struct MHD_Connection *c, struct exchange *x,
                             const char *method)
{
    CLEANUP(sim_reply_done) struct sim_reply reply = { 0 };
    CLEANUP(str_freep) char *path = NULL;
    struct sim_request req = { 0 };
    struct err e;

    if (x->is_body_too_long)
        reply.status = 413;
    else if (fill_request(s, c, x, method, &req, &path, &e) != 0)
        reply.status = 400;
    else if (x->has_too_many_headers)
        reply.status = 431;
    else
        s->handle(s->ctx, &req, &reply);
    return deliver(s, c, &reply);
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **context)
{
    struct exchange *x = *context;
    struct err e;

    (void)url;
    (void)version;
    if (x == NULL)
        return MHD_NO;
    if (!x->is_begun) {
        x->is_begun = true;
        return MHD_YES;
    }
    if (*data_size == 0)
        return serve(cls, connection, x, method);
    x->is_body_too_long = x->is_body_too_long || x->body.n + *data_size > SIM_MAX_BODY;
    if (!x->is_body_too_long && buf_add(&x->body, data, *data_size, &e) != 0)
        return MHD_NO;
    *data_size = 0;
    return MHD_YES;
}

static void log_library(void *cls, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void log_library(void *cls, const char *fmt, va_list ap)
{
    char line[512];

    (void)cls;
    vsnprintf(line, sizeof(line), fmt, ap);
    log_debug("http: %.*s", (int)strcspn(line, "\n"), line);
}

static struct MHD_Daemon *start_daemon(struct simhttpd *s, const struct simhttpd_config *config,
                                       const struct sockaddr_in *address)
{
    const bool tls = config->listener == SIM_TLS;
    const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                           MHD_USE_POLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    const struct MHD_OptionItem tls_options[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)config->cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->key },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
        { MHD_OPTION_END, 0, NULL },
    };
    const struct MHD_OptionItem no_options[] = { { MHD_OPTION_END, 0, NULL } };

    return MHD_start_daemon(
        flags, 0, NULL, NULL, answer, s, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT, SIMHTTPD_MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_LIMIT, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, SIMHTTPD_MAX_CONNECTIONS, MHD_OPTION_URI_LOG_CALLBACK,
        begin, s, MHD_OPTION_NOTIFY_COMPLETED, end, s, MHD_OPTION_NOTIFY_CONNECTION,
        notify_connection, s, MHD_OPTION_ARRAY, tls ? tls_options : no_options, MHD_OPTION_END);
}

int simhttpd_start(const struct simhttpd_config *config, struct simhttpd **out, struct err *e)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)config->port) };
    struct simhttpd *s = NULL;

    if (inet_pton(AF_INET, config->address, &address.sin_addr) != 1)
        return err_set(e, ERR_ARG, "no IPv4 address: \"%.80s\"", config->address);
    if ((s = calloc(1, sizeof(*s))) == NULL)
        return err_nomem(e);
    s->listener = config->listener;
    s->handle = config->handle;
    s->ctx = config->ctx;
    errno = 0;
    s->daemon = start_daemon(s, config, &address);
    if (s->daemon == NULL) {
        free(s);
        return err_sys(e, "listening on %s:%d", config->address, config->port);
    }
    s->port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    *out = s;
    return 0;
}

int simhttpd_port(const struct simhttpd *s)
{
    return s->port;
}

void simhttpd_stop(struct simhttpd *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->is_stopping, true);
    MHD_stop_daemon(s->daemon);
    free(s);
}
