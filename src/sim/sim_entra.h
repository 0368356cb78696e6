/* Entra ID: OpenID configuration and the exchange of federated assertions for access tokens. */
#ifndef SIM_SIM_ENTRA_H
#define SIM_SIM_ENTRA_H

#include "sim/sim.h"

const char *sim_entra_op(const struct sim_request *req);
MUST_CHECK int sim_entra_handle(struct sim *sim, const struct sim_request *req,
                                struct sim_reply *out, struct err *e);

#endif
