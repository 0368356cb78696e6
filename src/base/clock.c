#include "base/clock.h"

#include "base/attrs.h"

#include <errno.h>
#include <time.h>

static int64_t system_now_ms(const struct clock *c)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_unix_s(const struct clock *c)
{
    (void)c;
    return (int64_t)time(NULL);
}

static void system_sleep_ms(const struct clock *c, int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)c;
    while (ms > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
        ;
}

const struct clock *clock_system(void)
{
    static const struct clock_ops ops = { system_now_ms, system_unix_s, system_sleep_ms };
    static const struct clock clock = { &ops };

    return &clock;
}

static void stoppable_sleep_ms(const struct clock *clk, int64_t ms)
{
    struct stop_clock *c = CONTAINER_OF(clk, struct stop_clock, base);
    const int64_t until_ms = system_now_ms(clk) + ms;
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = until_ms % 1000 * 1000000 };

    pthread_mutex_lock(&c->lock);
    while (!c->stopped && pthread_cond_timedwait(&c->woken, &c->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&c->lock);
}

void stop_clock_init(struct stop_clock *c)
{
    static const struct clock_ops ops = { system_now_ms, system_unix_s, stoppable_sleep_ms };
    pthread_condattr_t attr;

    *c = (struct stop_clock){ .base = { &ops } };
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->woken, &attr);
    pthread_condattr_destroy(&attr);
}

void stop_clock_stop(struct stop_clock *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopped = true;
    pthread_cond_broadcast(&c->woken);
    pthread_mutex_unlock(&c->lock);
}

void stop_clock_done(struct stop_clock *c)
{
    pthread_cond_destroy(&c->woken);
    pthread_mutex_destroy(&c->lock);
}

int64_t clock_now_ms(const struct clock *c)
{
    return c->ops->now_ms(c);
}

int64_t clock_unix_s(const struct clock *c)
{
    return c->ops->unix_s(c);
}

void clock_sleep_ms(const struct clock *c, int64_t ms)
{
    c->ops->sleep_ms(c, ms);
}
