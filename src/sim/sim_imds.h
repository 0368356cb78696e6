/* The node's metadata service (tokens of managed identities) and its certificate cache (THIM). */
#ifndef SIM_SIM_IMDS_H
#define SIM_SIM_IMDS_H

#include "sim/sim.h"

const char *sim_imds_op(const struct sim_request *req);
MUST_CHECK int sim_imds_handle(struct sim *sim, const struct sim_request *req,
                               struct sim_reply *out, struct err *e);

const char *sim_thim_op(const struct sim_request *req);
MUST_CHECK int sim_thim_handle(struct sim *sim, const struct sim_request *req,
                               struct sim_reply *out, struct err *e);

#endif
