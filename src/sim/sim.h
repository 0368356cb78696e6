/*
 * The local cloud as one object: what its services share. Each service is one file sim_NAME.c and
 * one line of the table in services.c.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/clock.h"
#include "sim/exchange.h"
#include "sim/names.h"

#include <pthread.h>
#include <stdatomic.h>

struct sim_config {
    const char *dir; /* state that outlives the process */
    enum names_kind names;
    const char *extra_names;  /* more names for the server certificate, comma separated, or NULL */
    bool amd_roots_builtin;   /* MAA takes AMD's own roots beside the synthetic one */
    struct buf accept_report; /* a report that MAA takes without judging it; empty: none */
    struct buf policy;        /* its SHA-256 is HOST_DATA */
};

/* What POST /state changes, beyond what psp.h and sim_token.h hold themselves. */
struct sim_state {
    int64_t clock_skew_s;           /* added to the time that the services believe in */
    int64_t token_life_s;           /* of access tokens */
    bool allow_read, allow_release; /* roles that the caller has at the vaults */
    unsigned maa_key_generation;    /* a new signing key for each number, counted from 0 */
};

struct sim {
    const struct sim_config *config; /* borrowed */
    const struct clock *clk;
    struct pki *pki;
    struct psp *psp;
    struct faults *faults;
    struct journal *journal;
    struct sim_tokens *tokens;
    struct sim_maa *maa;     /* of sim_maa.c; own lock inside */
    struct sim_vault *vault; /* of sim_vault.c; own lock inside */
    int64_t epoch_ms;        /* added to the monotonic clock: milliseconds since 1970 */
    atomic_bool is_stopping;

    pthread_mutex_t lock; /* of the two below */
    struct sim_state state;
    char *federated_token; /* the only assertion that Entra takes; NULL: any JWT */
};

/* config and clk are borrowed. Makes or reads the PKI of config->dir: seconds the first time.
 * Fails: ERR_SYS, ERR_PARSE (a damaged state directory), ERR_NOMEM. */
MUST_CHECK int sim_open(const struct sim_config *config, const struct clock *clk, struct sim **out,
                        struct err *e);
void sim_close(struct sim *sim);
void sim_closep(struct sim **sim);

/* Ends what sleeps, so that the server can be stopped; sim_close() comes after that. */
void sim_stop(struct sim *sim);
void sim_sleep(struct sim *sim, int64_t ms);

/* Everything as after the start but for the PKI: state, faults, journal, tokens, keys of vaults. */
MUST_CHECK int sim_reset(struct sim *sim, struct err *e);

struct sim_state sim_state(struct sim *sim); /* a consistent copy */
int64_t sim_now_s(struct sim *sim);          /* UTC with the skew */

/* Answers one request of the TLS or the plain listener: route, faults, service, journal. */
void sim_serve(struct sim *sim, struct sim_request *req, struct sim_reply *out);

#endif
