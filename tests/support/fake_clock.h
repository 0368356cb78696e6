/* A clock that stands still until it is told; sleeping moves it. */
#ifndef SUPPORT_FAKE_CLOCK_H
#define SUPPORT_FAKE_CLOCK_H

#include "base/clock.h"

struct fake_clock {
    struct clock base;
    int64_t ms;     /* monotonic */
    int64_t unix_s; /* moves along */
    int64_t slept_ms;
};

void fake_clock_init(struct fake_clock *c, int64_t unix_s);
void fake_clock_advance(struct fake_clock *c, int64_t ms);

#endif
