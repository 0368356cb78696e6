/* The order of a request's stations: route, faults (delay), service, faults (answer), journal. */
#include "sim/sim.h"

#include "base/log.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "sim/faults.h"
#include "sim/journal.h"
#include "sim/psp.h"
#include "sim/services.h"
#include "sim/sim_token.h"

#include <stdlib.h>

#define SLEEP_SLICE_MS 50

static const struct sim_state START = {
    .token_life_s = 86400,
    .allow_read = true,
    .allow_release = true,
};

static int open_parts(struct sim *sim, struct err *e)
{
    uint8_t host_data[SHA256_SIZE];

    if (digest_sha256(buf_span(&sim->config->policy), host_data, e) != 0 ||
        pki_open(sim->config->dir, names_certificate(sim->config->names), sim->config->extra_names,
                 clock_unix_s(sim->clk), &sim->pki, e) != 0 ||
        psp_open(sim->pki, host_data, &sim->psp, e) != 0 || faults_new(&sim->faults, e) != 0 ||
        journal_new(&sim->journal, e) != 0 || sim_tokens_new(&sim->tokens, e) != 0)
        return -1;
    return services_open(sim, e);
}

int sim_open(const struct sim_config *config, const struct clock *clk, struct sim **out,
             struct err *e)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    if (sim == NULL)
        return err_nomem(e);
    sim->config = config;
    sim->clk = clk;
    sim->state = START;
    sim->epoch_ms = clock_unix_s(clk) * 1000 - clock_now_ms(clk);
    pthread_mutex_init(&sim->lock, NULL);
    if (open_parts(sim, e) != 0) {
        sim_close(sim);
        return err_wrap(e, "opening the simulated cloud in %s", config->dir);
    }
    *out = sim;
    return 0;
}

void sim_close(struct sim *sim)
{
    if (sim == NULL)
        return;
    services_close(sim);
    sim_tokens_free(sim->tokens);
    journal_free(sim->journal);
    faults_free(sim->faults);
    psp_close(sim->psp);
    pki_close(sim->pki);
    str_free(sim->federated_token);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

void sim_closep(struct sim **sim)
{
    sim_close(*sim);
}

void sim_stop(struct sim *sim)
{
    atomic_store(&sim->is_stopping, true);
}

void sim_sleep(struct sim *sim, int64_t ms)
{
    const int64_t until = clock_now_ms(sim->clk) + ms;

    for (int64_t left = ms; left > 0 && !atomic_load(&sim->is_stopping);
         left = until - clock_now_ms(sim->clk))
        clock_sleep_ms(sim->clk, left < SLEEP_SLICE_MS ? left : SLEEP_SLICE_MS);
}

int sim_reset(struct sim *sim, struct err *e)
{
    pthread_mutex_lock(&sim->lock);
    sim->state = START;
    str_free(sim->federated_token);
    sim->federated_token = NULL;
    pthread_mutex_unlock(&sim->lock);
    faults_clear(sim->faults);
    journal_clear(sim->journal);
    sim_tokens_clear(sim);
    psp_reset(sim->psp);
    return services_reset(sim, e);
}

struct sim_state sim_state(struct sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    const struct sim_state copy = sim->state;
    pthread_mutex_unlock(&sim->lock);
    return copy;
}

int64_t sim_now_s(struct sim *sim)
{
    return clock_unix_s(sim->clk) + sim_state(sim).clock_skew_s;
}

static int answer(struct sim *sim, const struct sim_service *service, const struct sim_request *req,
                  struct sim_reply *out, struct err *e)
{
    CLEANUP(fault_effect_done) struct fault_effect effect = { 0 };

    if (faults_take(sim->faults, req->service, req->op, &effect, e) != 0)
        return -1;
    sim_sleep(sim, effect.delay_ms);
    if (effect.status == 0 && service->handle(sim, req, out, e) != 0)
        return -1;
    return fault_effect_apply(&effect, out, e);
}

/* The simulator's own failure must not look like a service's answer. */
static void answer_failure(struct sim_reply *out, const struct err *why)
{
    struct err e;

    log_error("answering a request: %s", why->msg);
    sim_reply_verdict(out, "simulator failed: %.200s", why->msg);
    if (sim_reply_json(out, 500, json_pack("{ss}", "simulator_error", why->msg), &e) != 0)
        out->status = 500;
}

void sim_serve(struct sim *sim, struct sim_request *req, struct sim_reply *out)
{
    struct err e;
    const int64_t t_ms = sim->epoch_ms + clock_now_ms(sim->clk);
    const struct sim_service *service = services_find(sim, req);

    req->service = service != NULL ? service->name : "none";
    req->op = service != NULL ? service->op(req) : "other";
    if (service == NULL) {
        sim_reply_verdict(out, "no service has this host and path");
        out->status = 404;
    } else if (answer(sim, service, req, out, &e) != 0) {
        answer_failure(out, &e);
    }
    if (journal_add(sim->journal, t_ms, req, out, &e) != 0)
        log_error("writing the journal: %s", e.msg);
    log_info("%s %s %s %s -> %d %s", req->service, req->op, req->method, req->path, out->status,
             out->verdict);
}
