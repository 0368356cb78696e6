/*
 * An attestation session: an ephemeral RSA key, and the attestation token that speaks for it.
 * A vault wraps released keys to it. Immutable and counted: the store and each release that uses
 * it hold a reference, and the last one wipes the key.
 */
#ifndef SKR_SESSION_H
#define SKR_SESSION_H

#include "crypto/wrapping_key.h"
#include "skr/service.h"

struct session {
    struct wrapping_key *key;
    char *kid;             /* RFC 7638 thumbprint, as in the runtime data */
    char *token;           /* of the attestation service */
    uint64_t reported_tcb; /* of the report that the service judged */
    int64_t issued_ms;     /* when the token arrived, on the clock of the service's env */
    int64_t took_ms;       /* from the first step to the token */
    int64_t token_life_ms; /* after issued_ms the token is good for this long; 0: not known */
    int64_t token_ends_s;  /* the same by the calendar, for a machine that slept */
    unsigned n_refs;       /* use the functions */
};

/* Takes a key, takes evidence for it, has it attested. One reference, the caller's. */
MUST_CHECK int session_new(struct service *service, const struct endpoint *maa, int64_t deadline_ms,
                           struct session **out, struct failure *f);
struct session *session_acquire(struct session *s);
void session_release(struct session *s); /* NULL is fine */
void session_releasep(struct session **s);

/*
 * For how many seconds from now_s a token may still be shown: a margin before its "exp". The
 * service's clock need not be ours: "iat", where it is there, tells the whole life, which began
 * no earlier than sent_s, when the token was asked for. 0 when it cannot be told.
 */
int64_t session_token_life_s(const char *token, int64_t sent_s, int64_t now_s);

#endif
