#include "sim/control.h"

#include "base/log.h"
#include "base/str.h"
#include "sim/control_state.h"
#include "sim/faults.h"
#include "sim/journal.h"
#include "sim/services.h"

#include <string.h>

/* A handler that fails with ERR_PARSE or ERR_ARG means the request; anything else means us. */
typedef int (*control_handler)(struct sim *sim, const struct sim_request *req,
                               struct sim_reply *out, struct err *e);

static int reply_done(struct sim_reply *out, struct err *e)
{
    return sim_reply_json(out, 200, json_pack("{sb}", "done", 1), e);
}

/* Names of services and ops exist; without an op, all of the service are meant. */
static int check_names(const char *service, const char *op, struct err *e)
{
    const struct sim_service *s = services_by_name(service);

    if (s == NULL)
        return err_set(e, ERR_PARSE, "member \"service\": there is no service \"%.40s\"", service);
    for (const char *const *known = s->ops; op != NULL; known++) {
        if (*known == NULL)
            return err_set(e, ERR_PARSE, "member \"op\": the service %s has no op \"%.40s\"",
                           service, op);
        if (strcmp(*known, op) == 0)
            break;
    }
    return 0;
}

static int add_fault(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                     struct err *e)
{
    CLEANUP(json_freep) json_t *rule = NULL;
    const char *service = NULL, *op = NULL;

    if (sim_request_json(req, &rule, e) != 0 ||
        json_get_string(rule, "service", &service, e) != 0 ||
        json_get_string(rule, "op", &op, e) != 0)
        return -1;
    if (service == NULL)
        return err_set(e, ERR_PARSE, "member \"service\" is missing");
    if (check_names(service, op, e) != 0 || faults_add(sim->faults, rule, e) != 0)
        return -1;
    return reply_done(out, e);
}

static int list_faults(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                       struct err *e)
{
    json_t *list = NULL;

    (void)req;
    return faults_list(sim->faults, &list, e) != 0 ? -1 : sim_reply_json(out, 200, list, e);
}

static int clear_faults(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    (void)req;
    faults_clear(sim->faults);
    return reply_done(out, e);
}

static int list_journal(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    CLEANUP(str_freep) char *service = NULL;
    CLEANUP(str_freep) char *op = NULL;
    CLEANUP(str_freep) char *since = NULL;
    CLEANUP(buf_done) struct buf list = { 0 };
    uint64_t after = 0;
    size_t n = 0;

    if (sim_request_query(req, "service", &service, &n, e) != 0 ||
        sim_request_query(req, "op", &op, &n, e) != 0 ||
        sim_request_query(req, "since", &since, &n, e) != 0)
        return -1;
    if (since != NULL && str_to_u64(since, 10, INT64_MAX, &after, e) != 0)
        return err_wrap(e, "parameter \"since\"");
    if (journal_list(sim->journal, service, op, after, &list, e) != 0)
        return -1;
    return sim_reply_bytes(out, 200, "application/json; charset=utf-8", buf_span(&list), e);
}

static int clear_journal(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                         struct err *e)
{
    (void)req;
    journal_clear(sim->journal);
    return reply_done(out, e);
}

static int show_state(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                      struct err *e)
{
    json_t *state = NULL;

    (void)req;
    return control_state_format(sim, &state, e) != 0 ? -1 : sim_reply_json(out, 200, state, e);
}

static int change_state(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                        struct err *e)
{
    CLEANUP(json_freep) json_t *change = NULL;

    if (sim_request_json(req, &change, e) != 0 || control_state_change(sim, change, e) != 0)
        return -1;
    return show_state(sim, req, out, e);
}

static int reset(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                 struct err *e)
{
    (void)req;
    return sim_reset(sim, e) != 0 ? -1 : reply_done(out, e);
}

static const struct route {
    const char *method, *path;
    control_handler handle;
} ROUTES[] = {
    { "GET", "/faults", list_faults },       { "POST", "/faults", add_fault },
    { "DELETE", "/faults", clear_faults },   { "GET", "/journal", list_journal },
    { "DELETE", "/journal", clear_journal }, { "GET", "/state", show_state },
    { "POST", "/state", change_state },      { "POST", "/reset", reset },
};

static void refuse(struct sim_reply *out, int status, const char *why)
{
    struct err e;

    if (sim_reply_json(out, status, json_pack("{ss}", "error", why), &e) != 0)
        out->status = status;
}

void control_serve(struct sim *sim, const struct sim_request *req, struct sim_reply *out)
{
    const struct route *found = NULL;
    bool has_path = false;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
        if (strcmp(ROUTES[i].path, req->path) != 0)
            continue;
        has_path = true;
        if (strcmp(ROUTES[i].method, req->method) == 0)
            found = &ROUTES[i];
    }
    if (found == NULL) {
        refuse(out, has_path ? 405 : 404,
               has_path ? "method not allowed" : "use /faults, /journal, /state or /reset");
    } else if (found->handle(sim, req, out, &e) != 0) {
        const bool theirs = e.code == ERR_PARSE || e.code == ERR_ARG;
        if (!theirs)
            log_error("control request %s: %s", req->path, e.msg);
        refuse(out, theirs ? 400 : 500, e.msg);
    }
}
