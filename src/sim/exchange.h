/*
 * One request as a simulated service sees it, and the answer it gives. Plain data: the HTTP
 * library stays in simhttpd.c, and tests build requests by hand.
 */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include "codec/json.h"

#define SIM_MAX_BODY     (4 * 1024 * 1024)
#define SIM_MAX_HEADERS  64
#define SIM_HOST_SIZE    256
#define SIM_VERDICT_SIZE 256

struct sim_header {
    const char *name, *value;
};

enum sim_listener { SIM_TLS, SIM_PLAIN, SIM_CONTROL };

/* Everything is borrowed from the server for the time of the call. */
struct sim_request {
    const char *service, *op; /* names of the table in services.h; set before the handler runs */
    enum sim_listener listener;
    const char *method;
    const char *authority;    /* the Host header as sent; "" without one */
    char host[SIM_HOST_SIZE]; /* the same in lower case, without port */
    const char *target;       /* path and query as sent */
    const char *path;         /* percent-decoded, without query; empty segments are kept */
    const struct sim_header *headers;
    size_t n_headers;
    struct span body;
    uint64_t connection; /* the same number for every request of one connection */
};

/* What happens to the answer on its way, beyond what HTTP says. {0}: nothing. */
struct sim_delivery {
    enum {
        SIM_DELIVER_WHOLE,
        SIM_DELIVER_RESET,
        SIM_DELIVER_RESET_MID,
        SIM_DELIVER_CUT,
        SIM_DELIVER_STALL
    } kind;
    size_t cut_at;     /* SIM_DELIVER_CUT: bytes of the body that are sent */
    uint64_t n_stream; /* filler that follows the body; the length is then not announced */
    bool has_length;   /* announce content_length instead of the true one */
    uint64_t content_length;
};

/* {0} and sim_reply_done(). A handler fills it through the functions below. */
struct sim_reply {
    int status;
    struct sim_owned_header {
        char *name, *value;
    } headers[SIM_MAX_HEADERS];
    size_t n_headers;
    struct buf body;
    char verdict[SIM_VERDICT_SIZE]; /* for the journal: why it was answered so */
    struct sim_delivery delivery;
};

/* Whatever the case of the name; NULL when absent. Borrowed. */
const char *sim_request_header(const struct sim_request *req, const char *name);

/*
 * A parameter of the query, or of a form (application/x-www-form-urlencoded): decoded, exact name.
 * *out: the caller's, NULL when it is absent. *out_n: how often it occurs; the first one counts.
 * Fails: ERR_PARSE (bad percent code, NUL), ERR_NOMEM.
 */
MUST_CHECK int sim_request_query(const struct sim_request *req, const char *name, char **out,
                                 size_t *out_n, struct err *e);
MUST_CHECK int sim_request_form(const struct sim_request *req, const char *name, char **out,
                                size_t *out_n, struct err *e);

/* Percent-decodes; '+' is a space when form is true. The caller's. Fails: ERR_PARSE, ERR_NOMEM. */
MUST_CHECK int sim_url_decode(struct span text, bool form, char **out, struct err *e);

/* Lower case and without port, of an authority such as "Name.Example:443"; cut to fit. */
void sim_host_of(const char *authority, char out[static SIM_HOST_SIZE]);

/* The body as a JSON object; the caller's. Fails: ERR_PARSE, ERR_NOMEM. */
MUST_CHECK int sim_request_json(const struct sim_request *req, json_t **out, struct err *e);

void sim_reply_done(struct sim_reply *r);

/* Adds a header, or replaces the one of that name. Fails: ERR_NOMEM, ERR_ARG (too many). */
MUST_CHECK int sim_reply_header(struct sim_reply *r, const char *name, const char *value,
                                struct err *e);

/* Sets status and body; Content-Type is "application/json; charset=utf-8".
 * value is taken over, also on failure; NULL (jansson ran out of memory) fails with ERR_NOMEM. */
MUST_CHECK int sim_reply_json(struct sim_reply *r, int status, json_t *value, struct err *e);

/* Sets status and body as they are; content_type NULL: no such header. */
MUST_CHECK int sim_reply_bytes(struct sim_reply *r, int status, const char *content_type,
                               struct span body, struct err *e);

/* One line for the journal and the log, never a secret; cut to fit. */
void sim_reply_verdict(struct sim_reply *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
