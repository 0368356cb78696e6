/* What the simulated services received and answered, for tests. Safe for many threads. */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "sim/exchange.h"

#define JOURNAL_MAX_ENTRIES 20000              /* the oldest make room */
#define JOURNAL_MAX_SIZE    (64 * 1024 * 1024) /* of all entries' text; likewise */
#define JOURNAL_MAX_BODY    (64 * 1024)        /* more of a body is not kept */

struct journal;

MUST_CHECK int journal_new(struct journal **out, struct err *e);
void journal_free(struct journal *j);
void journal_clear(struct journal *j); /* numbers go on */

/* t_ms: when the request was received, in milliseconds since 1970. Fails: ERR_NOMEM. */
MUST_CHECK int journal_add(struct journal *j, int64_t t_ms, const struct sim_request *req,
                           const struct sim_reply *reply, struct err *e);

/*
 * Appends a JSON array of {n, t, service, op, method, authority, target, headers, body, status,
 * verdict, connection}, oldest first. service, op: NULL for all; since: only n > since. Header
 * names are in lower case. t is in seconds, with milliseconds. Requests are numbered in the order
 * of their answers.
 */
MUST_CHECK int journal_list(struct journal *j, const char *service, const char *op, uint64_t since,
                            struct buf *out, struct err *e);

#endif
