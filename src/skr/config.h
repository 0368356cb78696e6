/*
 * The configuration of skr: the JSON that -base64 carries (contract: names in any case, unknown
 * members are ignored with a warning, values of a wrong type end the start with their name).
 */
#ifndef SKR_CONFIG_H
#define SKR_CONFIG_H

#include "codec/json.h"

#include <stdint.h>

struct config_timeouts { /* milliseconds; seconds in the JSON */
    int64_t connect_ms, exchange_ms, request_ms, drain_ms;
};

struct config_session { /* attestation sessions; max_age_ms 0 or max_uses 1: none are shared */
    int64_t max_age_ms; /* seconds in the JSON */
    int64_t max_uses;
};

struct config {
    json_t *json;              /* owns what the pointers below borrow */
    const char *user_agent;    /* maaconfig.user_agent; NULL: not set */
    const char *client_id;     /* identity.client_id; NULL */
    const char *simulated_psp; /* URL; NULL */
    char *thim_url;
    const char **allow_maa, **allow_akv, **allow_kids; /* NULL-terminated; NULL: the default list */
    struct config_timeouts timeouts;
    struct config_session session;
};

void config_done(struct config *c);

/*
 * base64  either alphabet, of a JSON object; "" is the empty configuration
 * Fails: ERR_PARSE (not base64, not a JSON object), ERR_ARG (a member's value; the message names
 * it), ERR_UNSUPPORTED (asks for what this build does not have).
 */
MUST_CHECK int config_load(const char *base64, struct config *out, struct err *e);

#endif
