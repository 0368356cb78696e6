#include "base/retry.h"

#define MAX_ATTEMPTS            4
#define MAX_TIMEOUTS            2
#define FIRST_PAUSE_MS          100
#define METADATA_FIRST_PAUSE_MS 1000
#define MAX_PAUSE_MS            5000
#define BACKGROUND_MAX_PAUSE_MS 60000

static bool is_timeout(const struct err *e)
{
    return e->code == ERR_TIMEOUT || (e->code == ERR_HTTP && e->detail == 408);
}

static bool is_transient(enum retry_kind kind, const struct err *e)
{
    if (e->code == ERR_NET || is_timeout(e))
        return true;
    if (e->code != ERR_HTTP)
        return false;
    if (kind == RETRY_METADATA && (e->detail == 404 || e->detail == 410))
        return true;
    return e->detail == 429 || e->detail >= 500;
}

static int64_t backoff_ms(int64_t first, int n_failed, int64_t max)
{
    int64_t ms = first;

    for (int i = 1; i < n_failed && ms < max; i++)
        ms *= 2;
    return ms < max ? ms : max;
}

bool retry_again(struct retry *r, const struct err *e, int64_t left_ms, uint32_t random,
                 int64_t *out_pause_ms)
{
    r->n_failed++;
    r->n_timeouts += is_timeout(e);
    if (!is_transient(r->kind, e) || r->n_failed >= MAX_ATTEMPTS || r->n_timeouts >= MAX_TIMEOUTS)
        return false;

    const int64_t first = r->kind == RETRY_METADATA ? METADATA_FIRST_PAUSE_MS : FIRST_PAUSE_MS;
    int64_t pause = backoff_ms(first, r->n_failed, MAX_PAUSE_MS);
    pause += (int64_t)(random % 256) * pause / 1024; /* up to a quarter more, never less */
    if (e->code == ERR_HTTP && e->retry_after_s >= 0 && pause < e->retry_after_s * 1000LL)
        pause = e->retry_after_s * 1000LL;
    if (pause >= left_ms)
        return false;
    *out_pause_ms = pause;
    return true;
}

int64_t retry_background_ms(int n_failed, uint32_t random)
{
    const int64_t pause = backoff_ms(METADATA_FIRST_PAUSE_MS, n_failed, BACKGROUND_MAX_PAUSE_MS);

    return pause + (int64_t)(random % 256) * pause / 1024;
}
