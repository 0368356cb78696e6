/*
 * The attestation session of one endpoint: made by one caller at a time, shared until it is old,
 * used up or no longer true, and renewed ahead while it is in use. Safe for many threads.
 */
#ifndef SKR_SESSION_SLOT_H
#define SKR_SESSION_SLOT_H

#include "base/flight.h"
#include "skr/denied_keys.h"
#include "skr/session.h"

struct session_slot {
    struct flight flight; /* one attestation at a time, foreground or background */
    pthread_mutex_t lock; /* held for moments only; nobody joins a flight while holding it */
    /* guarded by lock: */
    struct session *live; /* a reference, or NULL */
    int64_t n_uses;       /* of live */
    int64_t ends_ms;      /* of live, on the clock of env, as is renew_ms */
    int64_t renew_ms;
    struct failure failure; /* of the last flight that failed */
    struct denied_keys denied;
    bool keep_denied; /* the next session replaces one that a vault denied */
    bool renewing;    /* the thread is at work */
    bool has_renewer; /* it was started and not yet joined */
    pthread_t renewer;
    /* set by init and assign: */
    struct endpoint maa;
    struct service *service;
    const struct config_session *limits;
};

/* Borrows both. Fails: ERR_NOMEM. */
MUST_CHECK int session_slot_init(struct session_slot *s, const struct config_session *limits,
                                 struct service *service, struct err *e);
/* Waits for a renewal under way. Only when nobody uses the slot any more. */
void session_slot_done(struct session_slot *s);

/* Another endpoint from now on. Only when nobody is inside session_slot_get(), and no renewal is
 * under way. */
void session_slot_assign(struct session_slot *s, const struct endpoint *maa);
bool session_slot_is_renewing(struct session_slot *s);

/* As session_store_get(). */
MUST_CHECK int session_slot_get(struct session_slot *s, int64_t deadline_ms, struct session **out,
                                bool *out_reused, struct failure *f);

/* Drops the session if it is this one; NULL: whichever it is. */
void session_slot_drop(struct session_slot *s, const struct session *which, const char *cause);

/* Drops the session if it was attested under another TCB than the one in force now. */
void session_slot_check_tcb(struct session_slot *s);

/* Wipes a session whose time has come. How long until the next one's has: INT64_MAX for none. */
int64_t session_slot_expire(struct session_slot *s);

/* As session_store_denied(), if the session is this slot's; false: it is not. */
bool session_slot_denied(struct session_slot *s, const struct session *which, bool reused,
                         const struct endpoint *vault, const struct key_ref *key, bool *out_again);

#endif
