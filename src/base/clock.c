#include "base/clock.h"

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
