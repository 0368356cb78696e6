/* OAuth access tokens, as the instance metadata service and Entra hand them out. */
#ifndef AZURE_ACCESS_TOKEN_H
#define AZURE_ACCESS_TOKEN_H

#include "base/buf.h"

#define ACCESS_TOKEN_MAX 65536

struct access_token {
    char *text;
    int64_t life_s; /* from now on; 0: the answer did not say */
};

/* Wipes; may be called twice. */
void access_token_done(struct access_token *t);

/* The characters of RFC 6750 "b64token", 1..ACCESS_TOKEN_MAX: such a text can neither break out of
 * a header nor out of a JSON string. */
bool access_token_is_sane(const char *text);

/*
 * Reads {"access_token", "expires_in", "expires_on"}: seconds as numbers (Entra) or strings (IMDS).
 * expires_in counts first, because it does not depend on this machine's clock.
 *
 * unix_s  now, for expires_on
 * Fails: ERR_PARSE: not JSON, no token, not a token's characters, or one that has ended already.
 */
MUST_CHECK int access_token_parse(struct span body, int64_t unix_s, struct access_token *out,
                                  struct err *e);

#endif
