#include "support/fake_clock.h"

#include "base/attrs.h"

static int64_t now_ms(const struct clock *c)
{
    return CONTAINER_OF(c, const struct fake_clock, base)->ms;
}

static int64_t unix_s(const struct clock *c)
{
    const struct fake_clock *f = CONTAINER_OF(c, const struct fake_clock, base);

    return f->unix_s + f->ms / 1000;
}

static void sleep_ms(const struct clock *c, int64_t ms)
{
    struct fake_clock *f = (struct fake_clock *)(uintptr_t)c;

    f->ms += ms;
    f->slept_ms += ms;
}

void fake_clock_init(struct fake_clock *c, int64_t start_unix_s)
{
    static const struct clock_ops ops = { now_ms, unix_s, sleep_ms };

    *c = (struct fake_clock){ .base = { &ops }, .ms = 1000, .unix_s = start_unix_s };
}

void fake_clock_advance(struct fake_clock *c, int64_t ms)
{
    c->ms += ms;
}
