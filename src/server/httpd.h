/*
 * The HTTP server: a table of routes on loopback, served by libmicrohttpd.
 *
 * The event threads never wait. Routes that may wait run on workers, at most HTTPD_MAX_WORKERS;
 * up to HTTPD_MAX_QUEUED more requests queue until their deadline; beyond that they are refused as
 * overloaded. A request that does not arrive whole within its time is cut off, so that slow
 * senders cannot keep others out.
 */
#ifndef SERVER_HTTPD_H
#define SERVER_HTTPD_H

#include "base/clock.h"
#include "base/metrics.h"

#define HTTPD_MAX_BODY        ((size_t)1024 * 1024)
#define HTTPD_MAX_WORKERS     256
#define HTTPD_MAX_QUEUED      1024
#define HTTPD_REQUEST_ID_SIZE 33

struct httpd_request {
    const char *method, *path; /* path without query; borrowed */
    struct span body;
    char id[HTTPD_REQUEST_ID_SIZE]; /* unique, lower-case hexadecimal; the thread's log id too */
    int64_t deadline_ms;            /* on the clock of the configuration */
};

struct httpd_response {
    int status;
    const char *content_type; /* static */
    int retry_after_s;        /* -1: no such header */
    const char *allow;        /* static, for 405; NULL: no such header */
    struct buf body;          /* wiped after sending */
};

/* Fills the response; cannot fail, because failing is an answer too. */
typedef void (*httpd_handler)(void *ctx, const struct httpd_request *req,
                              struct httpd_response *out);

struct httpd_route {
    const char *method, *path; /* exact; a NULL path ends the table */
    httpd_handler handle;
    bool waits; /* runs on a worker */
};

/* What the server itself has to say no to; the body is the program's to word. */
enum httpd_fault {
    HTTPD_NOT_FOUND,
    HTTPD_METHOD_NOT_ALLOWED,
    HTTPD_TOO_LARGE,   /* body over HTTPD_MAX_BODY */
    HTTPD_BAD_FRAMING, /* two Content-Length, or one beside Transfer-Encoding, or the like */
    HTTPD_OVERLOADED,  /* all workers busy and the queue full, or its deadline passed there */
    HTTPD_SHUTTING_DOWN,
};
typedef void (*httpd_fault_handler)(void *ctx, enum httpd_fault fault,
                                    const struct httpd_request *req, struct httpd_response *out);

struct httpd_config {
    int port; /* on 127.0.0.1 and, where that family exists, ::1; 0: the same free one on both */
    const struct httpd_route *routes;
    httpd_fault_handler fault;
    void *ctx; /* for the handlers */
    const struct clock *clk;
    struct metrics *metrics; /* counts skr_requests_total{endpoint,status},
                                skr_request_seconds{endpoint,status}, skr_workers_busy,
                                skr_requests_queued, skr_connections */
    int64_t request_ms;      /* a request's time, from its last byte to its answer */
    int64_t receive_ms;      /* time for a request to arrive whole */
    int64_t idle_ms;         /* a connection's time between requests */
    size_t max_files;        /* open files that the process may have */
    bool insecure_dev;       /* adds "x-insecure-dev: true" to every answer */
};

struct httpd;

/*
 * Listens and serves. A port in use on either family is an error that names it; only a family
 * that this machine does not have is passed over. Fails: ERR_SYS, ERR_NOMEM.
 */
MUST_CHECK int httpd_start(const struct httpd_config *config, struct httpd **out, struct err *e);

/* The port that is listened on; of use where the configuration said 0, any free one. */
int httpd_port(const struct httpd *h);

/*
 * Stops listening at once, gives requests that are under way up to drain_ms, answers what is left
 * with HTTPD_SHUTTING_DOWN, and ends. *out_n_cut: requests that were cut off (0: a clean drain);
 * their handlers may still run, so what ctx points at must then stay to the end of the process.
 */
void httpd_stop(struct httpd *h, int64_t drain_ms, size_t *out_n_cut);

#endif
