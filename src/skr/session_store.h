/*
 * The attestation sessions in use: one for each attestation endpoint, shared by all releases that
 * name it.
 *
 * Counts skr_sessions_total{result} (made, reused, waited, failed) and
 * skr_session_drops_total{cause} (sessions that ended early), and sets
 * skr_session_issued_seconds{endpoint}, the Unix time at which the last token came.
 */
#ifndef SKR_SESSION_STORE_H
#define SKR_SESSION_STORE_H

#include "skr/session.h"

struct session_store;

/* limits: max_age_ms 0, or max_uses 1, gives each release a session of its own. Borrows both.
 * Fails: ERR_NOMEM, ERR_SYS. */
MUST_CHECK int session_store_new(const struct config_session *limits, struct service *service,
                                 struct session_store **out, struct err *e);
/* Waits for renewals under way, which end soon once the HTTP client was stopped; NULL is fine. */
void session_store_free(struct session_store *st);

/*
 * A session for one use, which is counted; session_release(). Made when there is none, by one
 * caller at a time: those who come meanwhile wait for the same one.
 * out_reused  it was there before this call
 * Fails: as service_attest_at(), with the same failure for all who waited.
 */
MUST_CHECK int session_store_get(struct session_store *st, const struct endpoint *maa,
                                 int64_t deadline_ms, struct session **out, bool *out_reused,
                                 struct failure *f);

/* Nobody gets this session any more. cause: static, for the metric. */
void session_store_drop(struct session_store *st, const struct session *session, const char *cause);
/* The same for the session of an endpoint, if there is one. */
void session_store_drop_endpoint(struct session_store *st, const struct endpoint *maa,
                                 const char *cause);
/* A report or certificates were taken: drops what was attested under another TCB. */
void session_store_check_tcb(struct session_store *st);

/*
 * A vault denied a key because of the attestation. True: the caller may try once more with another
 * session. That is so for the first denial of this key on a session that was there before; any
 * later one stands, so that a key that is always denied costs one attestation.
 */
bool session_store_denied(struct session_store *st, const struct session *session, bool reused,
                          const struct endpoint *vault, const struct key_ref *key);

#endif
