/* The simulated key vaults: AKV and Managed HSM. */
#ifndef SIM_SIM_VAULT_H
#define SIM_SIM_VAULT_H

#include "sim/sim.h"

MUST_CHECK int sim_vault_new(struct sim *sim, struct sim_vault **out, struct err *e);
void sim_vault_free(struct sim_vault *x);
MUST_CHECK int sim_vault_reset(struct sim *sim, struct err *e);

/*
 * Releases are answered crookedly from now on, in one way: POST /state {"vault":{"attack":name}}.
 * "" or "none" ends it, as a reset does. The name is static; "none" when answers are honest.
 * Fails: ERR_ARG for an unknown name.
 */
MUST_CHECK int sim_vault_set_attack(struct sim *sim, const char *name, struct err *e);
const char *sim_vault_attack(struct sim *sim);

const char *sim_vault_op(const struct sim_request *req);
MUST_CHECK int sim_vault_handle(struct sim *sim, const struct sim_request *req,
                                struct sim_reply *out, struct err *e);

#endif
