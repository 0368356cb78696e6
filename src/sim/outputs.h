/* What a running cloudsim leaves in its directory for clients: certificates, the security context,
 * env.sh and ports.json. */
#ifndef SIM_OUTPUTS_H
#define SIM_OUTPUTS_H

#include "sim/sim.h"

/* Where the first listener of each kind is. */
struct outputs_places {
    const char *plain_address, *control_address;
    int tls_port, plain_port, control_port;
};

/*
 * ca.pem, ark.pem, security-context/{security-policy-base64,host-amd-cert-base64}, then env.sh,
 * and last ports.json. dir must be absolute for env.sh to work everywhere.
 * Fails: ERR_SYS, ERR_NOMEM.
 */
MUST_CHECK int outputs_write(struct sim *sim, const char *dir, const struct outputs_places *places,
                             struct err *e);

/* The text of env.sh; appends. */
MUST_CHECK int outputs_format_env(const struct sim *sim, const char *dir,
                                  const struct outputs_places *places, struct buf *out,
                                  struct err *e);

/* "host:port" of a family, or "host" on port 443; the caller's. */
MUST_CHECK int outputs_endpoint(const struct sim *sim, enum names_family family, int port,
                                char **out, struct err *e);

#endif
