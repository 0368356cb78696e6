/*
 * An attestation session: an ephemeral RSA key, and the attestation token that speaks for it.
 * A vault wraps a released key to it. This build makes one for each release.
 */
#ifndef SKR_SESSION_H
#define SKR_SESSION_H

#include "crypto/jwk.h"
#include "skr/service.h"

struct session {
    struct rsa_key *key;
    char *kid;   /* RFC 7638 thumbprint, as in the runtime data */
    char *token; /* of the attestation service */
};

void session_free(struct session *s);
void session_freep(struct session **s);

/* Makes a key, takes evidence for it, has it attested. */
MUST_CHECK int session_new(struct service *service, const struct endpoint *maa, int64_t deadline_ms,
                           struct session **out, struct failure *f);

#endif
