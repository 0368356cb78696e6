/* Puts the parts of skr together: the only place that picks implementations. */
#ifndef CMD_SKR_BUILD_H
#define CMD_SKR_BUILD_H

#include "cmd/skr_options.h"
#include "skr/service.h"

struct skr {
    struct config config;
    struct metrics *metrics;
    struct roots *roots;
    struct signer_cache *signers;
    struct stop_clock clock;
    struct http_env env;
    struct service *service;
};

/* Starts the background work; one start-up line in the log. *out must stay where it is until
 * skr_free(): its parts point into it. Fails with the step's reason. */
MUST_CHECK int skr_build(const struct skr_options *o, struct skr *out, struct err *e);
void skr_free(struct skr *s);

#endif
