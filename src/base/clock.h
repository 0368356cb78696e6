/* The seam to time. Tests give a clock that they move themselves. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct clock;

struct clock_ops {
    int64_t (*now_ms)(const struct clock *c); /* monotonic; only differences mean anything */
    int64_t (*unix_s)(const struct clock *c); /* seconds since 1970, UTC */
    void (*sleep_ms)(const struct clock *c, int64_t ms);
};

struct clock {
    const struct clock_ops *ops;
};

/* The machine's clocks; static, never freed. */
const struct clock *clock_system(void);

/* The machine's clocks, with sleeps that end when the program does. */
struct stop_clock {
    struct clock base;
    pthread_mutex_t lock; /* guards stopped */
    pthread_cond_t woken;
    bool stopped;
};

void stop_clock_init(struct stop_clock *c);
/* Wakes all sleepers; from now on nobody sleeps. */
void stop_clock_stop(struct stop_clock *c);
void stop_clock_done(struct stop_clock *c);

int64_t clock_now_ms(const struct clock *c);
int64_t clock_unix_s(const struct clock *c);
void clock_sleep_ms(const struct clock *c, int64_t ms);

#endif
