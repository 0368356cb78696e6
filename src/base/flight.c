#include "base/flight.h"

#include <errno.h>

int flight_init(struct flight *f, struct err *e)
{
    pthread_condattr_t attr;

    *f = (struct flight){ 0 };
    if (pthread_mutex_init(&f->lock, NULL) != 0 || pthread_condattr_init(&attr) != 0)
        return err_nomem(e);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    const int rc = pthread_cond_init(&f->landed, &attr);
    pthread_condattr_destroy(&attr);
    return rc == 0 ? 0 : err_nomem(e);
}

void flight_done(struct flight *f)
{
    pthread_cond_destroy(&f->landed);
    pthread_mutex_destroy(&f->lock);
}

/* True: somebody landed; false: the deadline passed first. Called with the lock held. */
static bool wait_landing(struct flight *f, int64_t deadline_ms)
{
    const struct timespec until = { .tv_sec = deadline_ms / 1000,
                                    .tv_nsec = deadline_ms % 1000 * 1000000 };
    const unsigned before = f->n_landings;

    while (f->flying && f->n_landings == before)
        if (pthread_cond_timedwait(&f->landed, &f->lock, &until) == ETIMEDOUT)
            return f->n_landings != before;
    return true;
}

enum flight_role flight_join(struct flight *f, int64_t deadline_ms, struct err *e)
{
    enum flight_role role = FLIGHT_LEAD;

    pthread_mutex_lock(&f->lock);
    while (f->flying) {
        if (!wait_landing(f, deadline_ms)) {
            err_set(e, ERR_TIMEOUT, "deadline passed while waiting for another caller's attempt");
            role = FLIGHT_FAILED;
            break;
        }
        if (f->outcome.code == ERR_NONE) {
            role = FLIGHT_LANDED;
            break;
        }
        if (f->outcome.code != ERR_TIMEOUT) {
            *e = f->outcome;
            role = FLIGHT_FAILED;
            break;
        }
    }
    if (role == FLIGHT_LEAD)
        f->flying = true;
    pthread_mutex_unlock(&f->lock);
    return role;
}

void flight_land(struct flight *f, const struct err *outcome)
{
    pthread_mutex_lock(&f->lock);
    f->flying = false;
    f->n_landings++;
    if (outcome != NULL)
        f->outcome = *outcome;
    else
        f->outcome.code = ERR_NONE;
    pthread_cond_broadcast(&f->landed);
    pthread_mutex_unlock(&f->lock);
}
