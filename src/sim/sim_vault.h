/* The simulated key vaults: AKV and Managed HSM. */
#ifndef SIM_SIM_VAULT_H
#define SIM_SIM_VAULT_H

#include "sim/sim.h"
#include "sim/vault_attack.h"

MUST_CHECK int sim_vault_new(struct sim *sim, struct sim_vault **out, struct err *e);
void sim_vault_free(struct sim_vault *x);
void sim_vault_reset(struct sim *sim);

/* Releases are answered in this way from now on, until a reset: POST /state
 * {"vault":{"attack":name}}. */
void sim_vault_set_attack(struct sim *sim, enum vault_attack attack);
enum vault_attack sim_vault_attack(struct sim *sim);

const char *sim_vault_op(const struct sim_request *req);
MUST_CHECK int sim_vault_handle(struct sim *sim, const struct sim_request *req,
                                struct sim_reply *out, struct err *e);

#endif
