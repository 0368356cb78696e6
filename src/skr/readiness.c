/*
 * State          the thread                         leaves it by
 * no report      waits, probes the report source    a report (anybody's)
 * no match       fetches certificates               a chain whose TCB is the reported one; a chain
 *                                                  of another TCB: to "no report"
 * ready          sleeps                             a report with another TCB
 */
#include "skr/readiness.h"

#include "base/log.h"
#include "base/random.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PROBE_MS          90000 /* a report may take a minute on real hardware */
#define PROBE_INTERVAL_MS 1000

static bool has_match(struct readiness *r)
{
    CLEANUP(cert_chain_releasep) struct cert_chain *chain = cert_store_current(r->certs);

    return chain != NULL && (r->any_tcb || chain->tcb == r->reported_tcb);
}

static int probe_report(struct readiness *r, struct err *e)
{
    const uint8_t nothing[SNP_REPORT_DATA_SIZE] = { 0 };
    uint8_t bytes[SNP_REPORT_SIZE];
    struct snp_report report;

    if (device_thread_fetch(r->device, nothing, clock_now_ms(r->clk) + PROBE_MS, bytes, e) != 0 ||
        snp_report_parse(span_of(bytes, sizeof(bytes)), &report, e) != 0)
        return -1;
    readiness_note_tcb(r, report.reported_tcb);
    return 0;
}

static int fetch_certs(struct readiness *r, struct err *e)
{
    CLEANUP(cert_chain_releasep) struct cert_chain *seen = cert_store_current(r->certs);
    CLEANUP(cert_chain_releasep) struct cert_chain *now = NULL;

    return cert_store_refresh(r->certs, seen, clock_now_ms(r->clk) + PROBE_MS / 3, &now, e);
}

/* One attempt at what is missing. */
static int attempt(struct readiness *r, struct err *e)
{
    pthread_mutex_lock(&r->lock);
    const bool have_report = r->have_report;
    pthread_mutex_unlock(&r->lock);
    if (!have_report && probe_report(r, e) != 0)
        return -1;
    pthread_mutex_lock(&r->lock);
    const bool match = has_match(r);
    pthread_mutex_unlock(&r->lock);
    if (match)
        return 0;
    if (fetch_certs(r, e) != 0)
        return err_wrap(e, "fetching the processor's certificates");
    pthread_mutex_lock(&r->lock);
    const bool fits = has_match(r);
    const uint64_t tcb = r->reported_tcb;
    r->have_report = fits; /* the firmware may have gone back: the next attempt asks it again */
    pthread_mutex_unlock(&r->lock);
    if (!fits)
        return err_set(e, ERR_CHECK, "the certificates are for another TCB than %016" PRIx64, tcb);
    return 0;
}

/* Sleeps with the lock held until it is time, or there is something to do, or the end. */
static void rest(struct readiness *r, int64_t ms, bool until_wanted)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + ms;
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = until_ms % 1000 * 1000000 };

    while (!r->stopping && !r->wanted) {
        if (until_wanted)
            pthread_cond_wait(&r->wake, &r->lock);
        else if (pthread_cond_timedwait(&r->wake, &r->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void *run(void *arg)
{
    struct readiness *r = arg;
    int n_failed = 0;

    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        struct err e = { .code = ERR_NONE, .msg = "" };
        r->wanted = false;
        r->last_probe_ms = clock_now_ms(r->clk);
        pthread_mutex_unlock(&r->lock);
        const int rc = attempt(r, &e);
        pthread_mutex_lock(&r->lock);
        if (rc == 0)
            log_info("ready");
        else if (strcmp(e.msg, r->reason.msg) != 0) /* a lasting state is said once */
            log_warning("not ready: %s", e.msg);
        r->reason = e;
        n_failed = rc == 0 ? 0 : n_failed + 1;
        rest(r, retry_background_ms(n_failed, random_u32()), rc == 0);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

int readiness_init(struct readiness *r, struct device_thread *device, struct cert_store *certs,
                   const struct clock *clk, bool any_tcb, struct err *e)
{
    pthread_condattr_t attr;

    *r = (struct readiness){ .device = device, .certs = certs, .clk = clk, .any_tcb = any_tcb };
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&r->thread, NULL, run, r) != 0)
        return err_set(e, ERR_SYS, "starting a thread failed");
    r->running = true;
    return 0;
}

void readiness_done(struct readiness *r)
{
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->running)
        pthread_join(r->thread, NULL);
    r->running = false;
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
}

void readiness_note_tcb(struct readiness *r, uint64_t reported_tcb)
{
    pthread_mutex_lock(&r->lock);
    r->have_report = true;
    r->reported_tcb = reported_tcb;
    pthread_mutex_unlock(&r->lock);
}

bool readiness_has_tcb(struct readiness *r, uint64_t reported_tcb)
{
    pthread_mutex_lock(&r->lock);
    const bool has = !r->have_report || r->reported_tcb == reported_tcb;
    pthread_mutex_unlock(&r->lock);
    return has;
}

bool readiness_is_ready(struct readiness *r, struct err *reason)
{
    pthread_mutex_lock(&r->lock);
    const bool ready = r->have_report && has_match(r);
    if (!ready) {
        *reason = r->reason;
        if (r->reason.code == ERR_NONE)
            err_set(reason, ERR_CHECK, "%s",
                    r->have_report ? "no certificates for the reported TCB yet"
                                   : "no attestation report could be taken yet");
        if (clock_now_ms(r->clk) - r->last_probe_ms >= PROBE_INTERVAL_MS) {
            r->wanted = true;
            pthread_cond_signal(&r->wake);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return ready;
}
