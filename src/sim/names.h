/* The host names of the simulated cloud: families such as "*.vault.localhost". */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

#include "base/buf.h"

enum names_kind { NAMES_LOCALHOST, NAMES_AZURE };

enum names_family { NAMES_MAA, NAMES_AKV, NAMES_HSM, NAMES_LOGIN, NAMES_N_FAMILIES };

/* "localhost" or "azure". Fails: ERR_ARG. */
MUST_CHECK int names_kind_parse(const char *text, enum names_kind *out, struct err *e);

/* host (lower case, no port) belongs to the family: one or more labels before its suffix, or, for
 * NAMES_LOGIN, the very name. */
bool names_match(enum names_kind kind, enum names_family family, const char *host);

/* A member of the family that clients are told to use; static. */
const char *names_default_host(enum names_kind kind, enum names_family family);

/* Names for the server certificate: wildcards and exact names; static, NULL-terminated. */
const char *const *names_certificate(enum names_kind kind);

#endif
