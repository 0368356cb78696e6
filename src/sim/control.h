/*
 * The control port, for tests and people:
 *
 *   POST /faults    adds a fault (faults.h)      GET /faults   lists them    DELETE /faults
 *   GET /journal?service=&op=&since=             DELETE /journal
 *   GET /state, POST /state                      (control_state.h)
 *   POST /reset     everything as after the start
 *
 * Answers are JSON. A request that says something wrong gets 400 {"error": …}, which names the
 * member, and changes nothing.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "sim/sim.h"

void control_serve(struct sim *sim, const struct sim_request *req, struct sim_reply *out);

#endif
