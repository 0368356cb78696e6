/*
 * The state of the simulated cloud as JSON:
 *
 * {"tcb": {"boot_loader","tee","snp","microcode"},     of the processor; given parts change
 *  "thim_tcb": the same or null,                       what THIM has; null: that of the processor
 *  "host_data": hex, "clock_skew_s", "token_life_s", "federated_token": string or null,
 *  "psp": {"fail": null|"status"|"wrong_report_data"|"short"|"bad_signature", "delay_ms"},
 *  "vault": {"allow_read","allow_release","attack": name of vault_attack.h}}
 *
 * and, when changing it only: "revoke_tokens": true, "rotate_maa_key": true.
 */
#ifndef SIM_CONTROL_STATE_H
#define SIM_CONTROL_STATE_H

#include "sim/sim.h"

/* The caller's. Fails: ERR_NOMEM. */
MUST_CHECK int control_state_format(struct sim *sim, json_t **out, struct err *e);

/* Changes all that is given, or nothing. Fails: ERR_PARSE (the message names the member),
 * ERR_NOMEM. */
MUST_CHECK int control_state_change(struct sim *sim, const json_t *change, struct err *e);

#endif
