/*
 * Faults on request: rules that change how a service answers. The first rule that fits a request
 * and has uses left is applied. Safe for many threads.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/exchange.h"

struct faults;

/* What one request suffers; {0}: nothing. */
struct fault_effect {
    bool applies;
    int64_t delay_ms;
    int status;      /* 0: the service answers itself, and the rest changes its answer */
    struct buf body; /* of an answer with that status, or, when has_body, in place of its own */
    bool has_body, body_is_json;
    json_t *headers; /* object of strings, added to the answer; or NULL */
    struct sim_delivery delivery;
};

MUST_CHECK int faults_new(struct faults **out, struct err *e);
void faults_free(struct faults *f);
void faults_clear(struct faults *f);

/*
 * Adds the rule of POST /faults:
 * {"service", "op"?, "times"?, "probability"?, "delay_ms"?, "status"?, "body"? (string or JSON),
 *  "headers"? {name: string}, "reset"? true|"mid", "truncate"? n, "stall"? true, "stream"? n,
 *  "content_length"? n}. Names of services and ops are the caller's to check.
 * Fails: ERR_PARSE; the message names the member.
 */
MUST_CHECK int faults_add(struct faults *f, const json_t *rule, struct err *e);

/* The rules with their uses so far, as JSON; the caller's. */
MUST_CHECK int faults_list(struct faults *f, json_t **out, struct err *e);

/* Finds and counts. *out: fault_effect_done(). Fails: ERR_NOMEM. */
MUST_CHECK int faults_take(struct faults *f, const char *service, const char *op,
                           struct fault_effect *out, struct err *e);

/* Changes a service's answer, or makes one when the effect has a status. Fails: ERR_NOMEM. */
MUST_CHECK int fault_effect_apply(const struct fault_effect *x, struct sim_reply *reply,
                                  struct err *e);
void fault_effect_done(struct fault_effect *x);

#endif
