/* The simulated attestation service (MAA). */
#ifndef SIM_SIM_MAA_H
#define SIM_SIM_MAA_H

#include "sim/sim.h"

MUST_CHECK int sim_maa_new(struct sim *sim, struct sim_maa **out, struct err *e);
void sim_maa_free(struct sim_maa *x);
MUST_CHECK int sim_maa_reset(struct sim *sim, struct err *e);

const char *sim_maa_op(const struct sim_request *req);
MUST_CHECK int sim_maa_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                              struct err *e);

#endif
