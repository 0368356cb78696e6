/*
 * The User-Agent of attestation calls. Without a configured one it is "ConfidentialSkrContainer"
 * at once, and names the subscription (or the client) as soon as a vault token could be had,
 * which a thread of its own asks for once.
 */
#ifndef SKR_USER_AGENT_H
#define SKR_USER_AGENT_H

#include "azure/identity.h"
#include "codec/json.h"

#include <pthread.h>

#define USER_AGENT_SIZE 512

struct user_agent {
    pthread_mutex_t lock; /* guards text */
    char text[USER_AGENT_SIZE];
    struct identity *identity;
    const struct clock *clk;
    pthread_t thread;
    bool running;
};

/* configured: a fixed value, or NULL to find one with identity (borrowed). */
MUST_CHECK int user_agent_init(struct user_agent *u, const char *configured,
                               struct identity *identity, const struct clock *clk, struct err *e);
void user_agent_done(struct user_agent *u); /* waits for the thread */

void user_agent_copy(struct user_agent *u, char out[static USER_AGENT_SIZE]);

/* From a vault token's payload: xms_az_rid, else appid; false when it has neither. Pure. */
bool user_agent_from_claims(const json_t *claims, char out[static USER_AGENT_SIZE]);

#endif
