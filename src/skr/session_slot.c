/*
 *   session                          a caller gets             and
 *   none, ended, of another TCB      the outcome of a flight   one caller attests, the others wait
 *   its renewal is not yet due       the session               nothing
 *   its renewal is due               the session               a thread makes the next one
 *
 * A session ends with its age, its uses or its token, whichever is first. Renewal is due a fifth of
 * its life before, or twice the time that attesting took if that is more; and when most of many
 * uses are gone. Few uses are not renewed ahead: who sets so low a limit counts attestations.
 */
#include "skr/session_slot.h"

#include "base/log.h"

#include <string.h>

#define MANY_USES      100
#define RENEW_MS       20000 /* limit of one renewal: session_slot_done() waits for it */
#define RENEW_AGAIN_MS 1000  /* after a failed one, when somebody still asks */
#define LINGER_MS      1000  /* an ended session stays for those who waited while it was made */
#define STACK_SIZE     262144

static const struct clock *clock_of(const struct session_slot *s)
{
    return s->service->parts.env->clk;
}

static struct metrics *metrics_of(const struct session_slot *s)
{
    return s->service->parts.env->metrics;
}

static void count(const struct session_slot *s, const char *result)
{
    metrics_add(metrics_of(s), "skr_sessions_total", 1, result, NULL, NULL);
}

int session_slot_init(struct session_slot *s, const struct config_session *limits,
                      struct service *service, struct err *e)
{
    *s = (struct session_slot){ .service = service, .limits = limits };
    if (flight_init(&s->flight, e) != 0)
        return -1;
    if (pthread_mutex_init(&s->lock, NULL) == 0)
        return 0;
    flight_done(&s->flight);
    return err_nomem(e);
}

/* ---- the live session; all with the lock held ---- */

/* cause NULL: its natural end. */
static void drop(struct session_slot *s, const char *cause)
{
    if (s->live == NULL)
        return;
    if (cause != NULL) {
        metrics_add(metrics_of(s), "skr_session_drops_total", 1, cause, NULL, NULL);
        log_info("the attestation session for %s is dropped: %s", s->maa.authority, cause);
    }
    session_releasep(&s->live);
}

static void check_tcb(struct session_slot *s)
{
    if (s->live != NULL && !service_has_tcb(s->service, s->live->reported_tcb))
        drop(s, "tcb_changed");
}

/* By the calendar too: the other clock stands still while the machine sleeps. */
static bool is_over(const struct session_slot *s)
{
    return clock_now_ms(clock_of(s)) >= s->ends_ms ||
           clock_unix_s(clock_of(s)) >= s->live->token_ends_s;
}

static bool is_renewal_due(const struct session_slot *s)
{
    const int64_t max = s->limits->max_uses;

    if (is_over(s))
        return false; /* callers make the next one */
    return clock_now_ms(clock_of(s)) >= s->renew_ms ||
           (max >= MANY_USES && s->n_uses >= max - max / 8);
}

static void install(struct session_slot *s, struct session *made)
{
    const int64_t max_ms = s->limits->max_age_ms;
    const int64_t life_ms = made->token_life_ms < max_ms ? made->token_life_ms : max_ms;
    int64_t ahead_ms = 2 * made->took_ms > life_ms / 5 ? 2 * made->took_ms : life_ms / 5;

    if (ahead_ms > life_ms / 2)
        ahead_ms = life_ms / 2;
    session_release(s->live);
    s->live = session_acquire(made);
    s->n_uses = 0;
    s->ends_ms = made->issued_ms + life_ms;
    s->renew_ms = s->ends_ms - ahead_ms;
    if (!s->keep_denied)
        s->denied.n = 0;
    s->keep_denied = false;
    metrics_set(metrics_of(s), "skr_session_issued_seconds", (double)clock_unix_s(clock_of(s)),
                s->maa.authority, NULL, NULL);
}

/* One use of the live session, or NULL. A session that came after the caller did is as fresh as
 * one that the caller would make: its age does not count. */
static struct session *use(struct session_slot *s, int64_t came_ms)
{
    check_tcb(s);
    if (s->live != NULL && s->live->issued_ms < came_ms && is_over(s))
        drop(s, NULL);
    if (s->live == NULL || s->n_uses >= s->limits->max_uses)
        return NULL;
    s->n_uses++;
    return session_acquire(s->live);
}

/* ---- making sessions ---- */

/* Attests while the flight is held, and puts the session in use; it counts as used n_uses times. */
static int make(struct session_slot *s, int64_t deadline_ms, int64_t n_uses, struct session **out,
                struct failure *f)
{
    struct session *made = NULL;
    const int rc = session_new(s->service, &s->maa, deadline_ms, &made, f);

    count(s, rc == 0 ? "made" : "failed");
    pthread_mutex_lock(&s->lock);
    if (rc == 0) {
        install(s, made);
        s->n_uses = n_uses;
    } else {
        s->failure = *f;
    }
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        *out = made;
    return rc;
}

/* flight.h counts on the system's clock, callers on that of env. */
static int64_t flight_deadline(const struct session_slot *s, int64_t deadline_ms)
{
    return clock_now_ms(clock_system()) + (deadline_ms - clock_now_ms(clock_of(s)));
}

/* What the leader of a background flight does; somebody may have made the next session already. */
static int renew(struct session_slot *s, int64_t deadline_ms, struct failure *f)
{
    CLEANUP(session_releasep) struct session *made = NULL;

    pthread_mutex_lock(&s->lock);
    const bool needed = s->live != NULL && is_renewal_due(s);
    pthread_mutex_unlock(&s->lock);
    if (!needed || make(s, deadline_ms, 0, &made, f) == 0)
        return 0;
    log_warning("renewing the attestation session for %s failed: %s", s->maa.authority, f->err.msg);
    pthread_mutex_lock(&s->lock);
    if (!f->retryable) /* it was judged and refused: so would be the old one */
        drop(s, "attestation_failed");
    s->renew_ms = clock_now_ms(clock_of(s)) + RENEW_AGAIN_MS;
    pthread_mutex_unlock(&s->lock);
    return -1;
}

static void *renewer_main(void *arg)
{
    struct session_slot *s = arg;
    struct failure f = { .stage = STAGE_ATTEST };
    const int64_t deadline_ms = clock_now_ms(clock_of(s)) + RENEW_MS;

    if (flight_join(&s->flight, flight_deadline(s, deadline_ms), &f.err) == FLIGHT_LEAD)
        flight_land(&s->flight, renew(s, deadline_ms, &f) == 0 ? NULL : &f.err);
    failure_done(&f);
    pthread_mutex_lock(&s->lock);
    s->renewing = false;
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* The thread of the last renewal is past its last use of the lock: this does not wait. */
static void join_renewer(struct session_slot *s)
{
    if (s->has_renewer)
        pthread_join(s->renewer, NULL);
    s->has_renewer = false;
}

static int start_renewer(struct session_slot *s)
{
    pthread_attr_t attr;

    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
        if (rc == 0)
            rc = pthread_create(&s->renewer, &attr, renewer_main, s);
        pthread_attr_destroy(&attr);
    }
    return rc;
}

/* With the lock held. A thread that cannot be started is no failure: the session is good, and the
 * next caller tries again. */
static void renew_when_due(struct session_slot *s)
{
    if (s->renewing || !is_renewal_due(s))
        return;
    join_renewer(s);
    const int rc = start_renewer(s);
    s->has_renewer = s->renewing = rc == 0;
    if (rc != 0)
        log_warning("no thread to renew an attestation session: %s", strerror(rc));
}

/* ---- callers ---- */

static struct session *take(struct session_slot *s, int64_t came_ms)
{
    pthread_mutex_lock(&s->lock);
    struct session *got = use(s, came_ms);
    if (got != NULL)
        renew_when_due(s);
    pthread_mutex_unlock(&s->lock);
    return got;
}

/* The work of a flight's leader; somebody may have landed between its look and its lead. */
static int lead(struct session_slot *s, int64_t came_ms, int64_t deadline_ms, struct session **out,
                struct failure *f)
{
    struct session *landed = take(s, came_ms);

    if (landed != NULL) {
        count(s, "waited");
        flight_land(&s->flight, NULL);
        *out = landed;
        return 0;
    }
    const int rc = make(s, deadline_ms, 1, out, f);
    flight_land(&s->flight, rc == 0 ? NULL : &f->err);
    return rc;
}

/* Why a flight gave nothing: the caller's own time was up, or its leader failed. */
static int fail_waiting(struct session_slot *s, struct failure *f)
{
    if (f->err.code == ERR_TIMEOUT) {
        err_wrap(&f->err, "attestation failed");
        return failure_at(f, STAGE_ATTEST);
    }
    pthread_mutex_lock(&s->lock);
    *f = s->failure;
    pthread_mutex_unlock(&s->lock);
    return -1;
}

int session_slot_get(struct session_slot *s, int64_t deadline_ms, struct session **out,
                     bool *out_reused, struct failure *f)
{
    const int64_t came_ms = clock_now_ms(clock_of(s));
    struct session *got = take(s, came_ms);

    *out_reused = got != NULL;
    if (got != NULL)
        count(s, "reused");
    while (got == NULL) {
        switch (flight_join(&s->flight, flight_deadline(s, deadline_ms), &f->err)) {
        case FLIGHT_LEAD:
            return lead(s, came_ms, deadline_ms, out, f);
        case FLIGHT_FAILED:
            return fail_waiting(s, f);
        case FLIGHT_LANDED: /* and perhaps used up already: then once more */
            got = take(s, came_ms);
            if (got != NULL)
                count(s, "waited");
            break;
        }
    }
    *out = got;
    return 0;
}

/* ---- the end of a session ---- */

void session_slot_drop(struct session_slot *s, const struct session *which, const char *cause)
{
    pthread_mutex_lock(&s->lock);
    if (which == NULL || s->live == which)
        drop(s, cause);
    pthread_mutex_unlock(&s->lock);
}

void session_slot_check_tcb(struct session_slot *s)
{
    pthread_mutex_lock(&s->lock);
    check_tcb(s);
    pthread_mutex_unlock(&s->lock);
}

int64_t session_slot_expire(struct session_slot *s)
{
    int64_t left_ms = INT64_MAX;

    pthread_mutex_lock(&s->lock);
    if (s->live != NULL) {
        left_ms = s->ends_ms + LINGER_MS - clock_now_ms(clock_of(s));
        if (left_ms <= 0) {
            drop(s, NULL);
            left_ms = INT64_MAX;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return left_ms;
}

bool session_slot_denied(struct session_slot *s, const struct session *which, bool reused,
                         const struct endpoint *vault, const struct key_ref *key, bool *out_again)
{
    pthread_mutex_lock(&s->lock);
    const bool is_ours = s->live == which;
    if (is_ours) {
        *out_again = denied_keys_add(&s->denied, vault, key) && reused;
        s->keep_denied = *out_again;
        if (*out_again)
            drop(s, "denied");
    }
    pthread_mutex_unlock(&s->lock);
    return is_ours;
}

void session_slot_assign(struct session_slot *s, const struct endpoint *maa)
{
    pthread_mutex_lock(&s->lock);
    drop(s, "displaced");
    join_renewer(s);
    s->denied.n = 0;
    s->keep_denied = false;
    s->maa = *maa;
    pthread_mutex_unlock(&s->lock);
}

bool session_slot_is_renewing(struct session_slot *s)
{
    pthread_mutex_lock(&s->lock);
    const bool renewing = s->renewing;
    pthread_mutex_unlock(&s->lock);
    return renewing;
}

void session_slot_done(struct session_slot *s)
{
    join_renewer(s);
    session_releasep(&s->live);
    pthread_mutex_destroy(&s->lock);
    flight_done(&s->flight);
}
