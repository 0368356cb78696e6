/* The simulated processor's HTTP face, for skr's development mode:
 * POST /psp/report {"report_data": 128 hex digits} -> {"report": hex}. */
#ifndef SIM_SIM_PSP_H
#define SIM_SIM_PSP_H

#include "sim/sim.h"

const char *sim_psp_op(const struct sim_request *req);
MUST_CHECK int sim_psp_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                              struct err *e);

#endif
