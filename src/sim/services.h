/* The table of simulated services; the first that matches answers. */
#ifndef SIM_SERVICES_H
#define SIM_SERVICES_H

#include "sim/sim.h"

struct sim_service {
    const char *name;       /* for faults and the journal; a NULL name ends the table */
    const char *const *ops; /* every name that op() can give; NULL-terminated */
    bool (*matches)(const struct sim *sim, const struct sim_request *req);
    const char *(*op)(const struct sim_request *req); /* static, never NULL */

    /* A refusal is an answer and a success here. Failing means that the simulator itself failed,
     * which is answered with 500. Runs on many threads at once. */
    int (*handle)(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                  struct err *e);
};

/* Static; ends with a NULL name. */
const struct sim_service *services_table(void);

/* NULL when nobody serves this host and path. */
const struct sim_service *services_find(const struct sim *sim, const struct sim_request *req);
const struct sim_service *services_by_name(const char *name);

/* What services keep of their own: sim->maa, sim->vault. */
MUST_CHECK int services_open(struct sim *sim, struct err *e);
MUST_CHECK int services_reset(struct sim *sim, struct err *e);
void services_close(struct sim *sim);

#endif
