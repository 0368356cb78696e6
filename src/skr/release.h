/* One key release, from the caller's words to the key. */
#ifndef SKR_RELEASE_H
#define SKR_RELEASE_H

#include "skr/service.h"

struct release_request { /* as the caller wrote them; borrowed */
    const char *maa_endpoint, *akv_endpoint, *kid;
    const char *access_token; /* NULL or "": ours */
};

/* out_jwk: the key as JWK text, members sorted; the caller's. */
MUST_CHECK int release_key(struct service *s, const struct release_request *req,
                           int64_t deadline_ms, char **out_jwk, struct failure *f);

#endif
