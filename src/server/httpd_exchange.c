/*
 * States of an exchange, and who may touch it:
 *
 *   receiving  step() collects the body                         event thread
 *   refused    it will be answered with a fault; what still     event thread
 *              comes is thrown away
 *   settling   whole, has a route that waits; see complete()    event thread
 *   waiting    connection suspended, ticket PENDING             the pool, through the ticket only
 *   answered   response queued                                  event thread
 *
 * A refusal that needs no more than the head is answered at once ("early"); the library then
 * closes the connection, because it has not read the body.
 */
#include "server/httpd_exchange.h"

#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "codec/hex.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* A sender whose body is refused may finish it up to here, so that it gets to read why. */
#define MAX_UNWANTED ((size_t)8 * 1024 * 1024)
/* All bodies together: what is sent slowly by many must not fill the memory. */
#define MAX_BODIES ((size_t)64 * 1024 * 1024)

#define ALLOW_SIZE 64

struct httpd_exchange {
    struct httpd_exchange_env *env;
    struct MHD_Connection *connection;
    struct httpd_peer *peer;
    struct httpd_request req;
    struct buf body;
    size_t n_received, n_accounted;
    const char *endpoint; /* label of the metrics */
    int64_t complete_ms;
    const struct httpd_route *route; /* settling or waiting: the route */
    bool is_refused, is_early, is_waiting;
    enum httpd_fault fault; /* of a refused one */
    struct httpd_ticket ticket;
};

/* What the head says about the body. */
struct framing {
    size_t n_lengths, n_encodings;
    bool is_chunked, is_crooked;
    uint64_t length;
};

static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct framing *f = cls;
    struct err e;

    /* The library takes "Content-Length : 5" for another header; others do not. */
    if (strpbrk(name, " \t") != NULL)
        f->is_crooked = true;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->n_lengths++;
        if (value == NULL || str_to_u64(value, 10, UINT64_MAX, &f->length, &e) != 0)
            f->is_crooked = true;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->n_encodings++;
        f->is_chunked = value != NULL && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

/* Whether there is only one way to tell where this request ends. */
static bool framing_is_sound(const struct framing *f, const char *version)
{
    if (f->is_crooked || f->n_lengths + f->n_encodings > 1)
        return false;
    return f->n_encodings == 0 || (f->is_chunked && strcmp(version, MHD_HTTP_VERSION_1_0) != 0);
}

/* The path of a target; clients that believe to speak to a proxy send it behind a whole
 * "http://host", which RFC 9112 3.2.2 has every server accept. */
static const char *path_of(const char *target)
{
    static const char scheme[] = "http://";

    if (strncasecmp(target, scheme, sizeof(scheme) - 1) != 0)
        return target;
    const char *path = strchr(target + sizeof(scheme) - 1, '/');
    return path != NULL ? path : "/";
}

static const char *endpoint_of(const struct httpd_config *config, const char *path)
{
    for (const struct httpd_route *r = config->routes; r->path != NULL; r++)
        if (strcmp(r->path, path) == 0)
            return r->path;
    return NULL;
}

static const struct httpd_route *find_route(const struct httpd_config *config, const char *method,
                                            const char *path)
{
    for (const struct httpd_route *r = config->routes; r->path != NULL; r++)
        if (strcmp(r->path, path) == 0 && strcmp(r->method, method) == 0)
            return r;
    return NULL;
}

static void list_methods(const struct httpd_config *config, const char *path,
                         char out[static ALLOW_SIZE])
{
    size_t n = 0;

    out[0] = '\0';
    for (const struct httpd_route *r = config->routes; r->path != NULL && n < ALLOW_SIZE; r++)
        if (strcmp(r->path, path) == 0)
            n += (size_t)snprintf(out + n, ALLOW_SIZE - n, "%s%s", n > 0 ? ", " : "", r->method);
}

static void free_body(void *cls)
{
    struct buf *body = cls;

    buf_done(body);
    free(body);
}

/* Takes over the bytes of *body. NULL when out of memory. */
static struct MHD_Response *new_response(struct buf *body)
{
    struct buf *kept = malloc(sizeof(*kept));

    if (kept == NULL)
        return NULL;
    *kept = *body;
    *body = (struct buf){ 0 };
    struct MHD_Response *r =
        MHD_create_response_from_buffer_with_free_callback_cls(kept->n, kept->p, free_body, kept);
    if (r == NULL)
        free_body(kept);
    return r;
}

static bool add_headers(const struct httpd_exchange *ex, const struct httpd_response *out,
                        const char *allow, struct MHD_Response *r)
{
    char seconds[16];
    /* Keys, tokens and the state of the moment: nothing here is for a cache to keep. */
    bool ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");

    if (ok && out->content_type != NULL)
        ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, out->content_type);
    if (ok && out->retry_after_s >= 0) {
        snprintf(seconds, sizeof(seconds), "%d", out->retry_after_s);
        ok = MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (ok && allow != NULL)
        ok = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
    if (ok && ex->env->config->insecure_dev)
        ok = MHD_add_response_header(r, "x-insecure-dev", "true");
    if (ok && atomic_load(&ex->env->closing))
        ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    return ok;
}

static void count(const struct httpd_exchange *ex, int status)
{
    const struct httpd_config *config = ex->env->config;
    char text[16];

    snprintf(text, sizeof(text), "%d", status);
    metrics_add(config->metrics, "skr_requests_total", 1, ex->endpoint, text, NULL);
    metrics_observe(config->metrics, "skr_request_seconds",
                    (double)(clock_now_ms(config->clk) - ex->complete_ms) / 1000, ex->endpoint,
                    text, NULL);
}

/* Sends *out, whose body it takes over. */
static bool answer(struct httpd_exchange *ex, struct httpd_response *out, const char *allow)
{
    struct MHD_Response *r = new_response(&out->body);

    httpd_peers_move(ex->env->peers, ex->peer, HTTPD_PHASE_ANSWERING);
    count(ex, out->status);
    const bool queued = r != NULL && add_headers(ex, out, allow, r) &&
                        MHD_queue_response(ex->connection, (unsigned)out->status, r) == MHD_YES;
    if (r != NULL)
        MHD_destroy_response(r);
    buf_done(&out->body);
    if (!queued)
        log_warning("request %s: the answer could not be sent for lack of memory", ex->req.id);
    return queued;
}

static bool answer_fault(struct httpd_exchange *ex, enum httpd_fault fault)
{
    const struct httpd_config *config = ex->env->config;
    struct httpd_response out = { .retry_after_s = -1 };
    char allow[ALLOW_SIZE];

    log_set_request_id(ex->req.id);
    config->fault(config->ctx, fault, &ex->req, &out);
    log_set_request_id("");
    if (fault == HTTPD_METHOD_NOT_ALLOWED && out.allow == NULL) {
        list_methods(config, ex->req.path, allow);
        return answer(ex, &out, allow);
    }
    return answer(ex, &out, out.allow);
}

static void refuse(struct httpd_exchange *ex, enum httpd_fault fault)
{
    ex->is_refused = true;
    ex->fault = fault;
    buf_done(&ex->body);
    ex->env->body_bytes -= ex->n_accounted;
    ex->n_accounted = 0;
}

_Static_assert(HTTPD_REQUEST_ID_SIZE == 2 * HTTPD_ID_SIZE + 1, "hexadecimal");

static void make_id(struct httpd_exchange_env *env, char out[static HTTPD_REQUEST_ID_SIZE])
{
    if (env->n_ids == 0) {
        random_fill(env->ids, sizeof(env->ids));
        env->n_ids = HTTPD_IDS_STOCK;
    }
    hex_format(env->ids[--env->n_ids], HTTPD_ID_SIZE, out);
}

static bool begin(struct httpd_exchange_env *env, struct httpd_exchange **out,
                  const struct httpd_exchange_call *call)
{
    struct httpd_exchange *ex = calloc(1, sizeof(*ex));
    struct framing framing = { 0 };
    const char *path = path_of(call->path);

    if (ex == NULL || call->peer == NULL) {
        free(ex);
        return false;
    }
    *out = ex;
    *ex = (struct httpd_exchange){
        .env = env,
        .connection = call->connection,
        .peer = call->peer,
        .req = { .method = call->method, .path = path },
        .endpoint = endpoint_of(env->config, path),
        .complete_ms = clock_now_ms(env->config->clk),
    };
    if (ex->endpoint == NULL)
        ex->endpoint = "other";
    make_id(env, ex->req.id);
    MHD_get_connection_values(call->connection, MHD_HEADER_KIND, note_header, &framing);
    if (!framing_is_sound(&framing, call->version))
        refuse(ex, HTTPD_BAD_FRAMING);
    else if (framing.length > HTTPD_MAX_BODY)
        refuse(ex, HTTPD_TOO_LARGE);
    if (!ex->is_refused)
        return true;
    ex->is_early = true;
    return answer_fault(ex, ex->fault);
}

static bool take_body(struct httpd_exchange *ex, struct span data)
{
    struct err e;
    uint8_t *lent;

    ex->n_received += data.n;
    if (!ex->is_refused) {
        if (ex->n_received > HTTPD_MAX_BODY) {
            refuse(ex, HTTPD_TOO_LARGE);
        } else if (ex->env->body_bytes + data.n > MAX_BODIES ||
                   buf_add(&ex->body, data.p, data.n, &e) != 0) {
            refuse(ex, HTTPD_OVERLOADED); /* no memory for it, by our bound or the system's */
        } else {
            ex->n_accounted += data.n;
            ex->env->body_bytes += data.n;
        }
    }
    /* Bodies hold bearer tokens, and the library frees its buffer as it is. It is the library's
     * to write to, and these bytes are done with: const only says that it lends them. */
    memcpy(&lent, &data.p, sizeof(lent));
    mem_wipe(lent, data.n);
    return ex->n_received <= MAX_UNWANTED;
}

static bool answer_directly(struct httpd_exchange *ex, const struct httpd_route *route)
{
    struct httpd_response out = { .retry_after_s = -1 };

    ex->req.body = buf_span(&ex->body);
    log_set_request_id(ex->req.id);
    route->handle(ex->env->config->ctx, &ex->req, &out);
    log_set_request_id("");
    return answer(ex, &out, out.allow);
}

/* The answer of a request that waited. */
static bool deliver(struct httpd_exchange *ex)
{
    struct httpd_job *job = ex->ticket.job;

    switch (ex->ticket.outcome) {
    case HTTPD_ANSWERED:
        return answer(ex, &job->out, job->out.allow);
    case HTTPD_OVERDUE:
        return answer_fault(ex, HTTPD_OVERLOADED);
    default:
        return answer_fault(ex, HTTPD_SHUTTING_DOWN);
    }
}

/* Hands the request to the workers. The connection has to be suspended before: a worker may be
 * done at once, and resuming what is not suspended yet is lost. */
static bool submit(struct httpd_exchange *ex)
{
    struct httpd_job *job;
    struct err e;

    if (httpd_job_new(&job, &e) != 0)
        return answer_fault(ex, HTTPD_OVERLOADED);
    job->req = ex->req;
    job->req.method = ex->route->method; /* the connection's may be gone before a cut job is */
    job->req.path = ex->route->path;
    job->body = ex->body;
    ex->body = (struct buf){ 0 };
    job->req.body = buf_span(&job->body);
    job->out.retry_after_s = -1;
    job->handle = ex->route->handle;
    job->ctx = ex->env->config->ctx;
    ex->ticket.job = job;
    ex->is_waiting = true;
    MHD_suspend_connection(ex->connection);
    const enum httpd_submitted s = httpd_workers_submit(ex->env->workers, &ex->ticket);
    if (s != HTTPD_SUBMITTED) {
        ex->ticket.outcome = s == HTTPD_WORKERS_FULL ? HTTPD_OVERDUE : HTTPD_CUT;
        MHD_resume_connection(ex->connection);
    }
    return true;
}

/*
 * The request is here, whole. One that has to wait is taken up in the library's next round, which
 * follows at once. Suspended in this one, the connection would still count as reading: when it is
 * resumed the library reads first, and drops a caller who has closed his sending side, which is
 * his right, without the answer.
 */
static bool complete(struct httpd_exchange *ex)
{
    const struct httpd_config *config = ex->env->config;
    const struct httpd_route *route = find_route(config, ex->req.method, ex->req.path);

    ex->complete_ms = clock_now_ms(config->clk);
    ex->req.deadline_ms = ex->complete_ms + config->request_ms;
    if (ex->is_refused)
        return answer_fault(ex, ex->fault);
    if (route == NULL)
        return answer_fault(ex, endpoint_of(config, ex->req.path) != NULL ? HTTPD_METHOD_NOT_ALLOWED
                                                                          : HTTPD_NOT_FOUND);
    if (!route->waits)
        return answer_directly(ex, route);
    ex->route = route;
    httpd_peers_move(ex->env->peers, ex->peer, HTTPD_PHASE_WAITING);
    return true;
}

bool httpd_exchange_step(struct httpd_exchange_env *env, struct httpd_exchange **ex,
                         const struct httpd_exchange_call *call)
{
    if (*ex == NULL)
        return begin(env, ex, call);
    if (call->data.n > 0)
        return take_body(*ex, call->data);
    if ((*ex)->is_waiting)
        return deliver(*ex);
    return (*ex)->route != NULL ? submit(*ex) : complete(*ex);
}

/* The library reads once and may so miss, on its edge-triggered descriptor, that the caller has
 * closed his side together with the request. He would wait for our end until the idle time is over.
 */
static void part_with_finished(int fd)
{
    char next;

    if (recv(fd, &next, sizeof(next), MSG_PEEK | MSG_DONTWAIT) == 0)
        shutdown(fd, SHUT_RDWR); /* the answer is with the kernel and still arrives */
}

void httpd_exchange_end(struct httpd_exchange_env *env, struct httpd_exchange *ex,
                        struct MHD_Connection *connection, struct httpd_peer *peer)
{
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    if (peer != NULL)
        httpd_peers_move(env->peers, peer, HTTPD_PHASE_IDLE);
    if (ex == NULL || ex->is_early)
        httpd_gate_see_off(env->gate, fd);
    else
        part_with_finished(fd);
    if (ex == NULL)
        return;
    env->body_bytes -= ex->n_accounted;
    httpd_job_free(ex->ticket.job);
    buf_done(&ex->body);
    free(ex);
}

void httpd_exchange_resume(struct httpd_ticket *ticket)
{
    MHD_resume_connection(CONTAINER_OF(ticket, struct httpd_exchange, ticket)->connection);
}
