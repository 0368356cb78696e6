/*
 * A rule is read from JSON by one table of members; everything that a rule may say is checked when
 * it is added, so that applying one can fail for lack of memory only.
 */
#include "sim/faults.h"

#include "base/random.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_RULES    256
#define MAX_DELAY_MS (3600 * 1000)
#define MAX_STREAM   (INT64_C(1) << 32)

struct rule {
    char *service, *op;  /* op NULL: any */
    int64_t times, used; /* times < 0: without end */
    double probability;
    struct fault_effect effect;
};

struct faults {
    pthread_mutex_t lock; /* of everything below */
    struct rule *rules[MAX_RULES];
    size_t n;
};

static void rule_free(struct rule *r)
{
    if (r == NULL)
        return;
    str_free(r->service);
    str_free(r->op);
    fault_effect_done(&r->effect);
    free(r);
}

static void rule_freep(struct rule **r)
{
    rule_free(*r);
}

int faults_new(struct faults **out, struct err *e)
{
    struct faults *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return err_nomem(e);
    pthread_mutex_init(&f->lock, NULL);
    *out = f;
    return 0;
}

void faults_clear(struct faults *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->n > 0)
        rule_free(f->rules[--f->n]);
    pthread_mutex_unlock(&f->lock);
}

void faults_free(struct faults *f)
{
    if (f == NULL)
        return;
    faults_clear(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static int want_integer(const json_t *v, const char *name, int64_t min, int64_t max, int64_t *out,
                        struct err *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return err_set(e, ERR_PARSE, "member \"%s\" is not an integer from %lld to %lld", name,
                       (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

static int want_true(const json_t *v, const char *name, struct err *e)
{
    if (!json_is_true(v))
        return err_set(e, ERR_PARSE, "member \"%s\" can only be true", name);
    return 0;
}

static int deliver(struct rule *r, int kind, const char *name, struct err *e)
{
    if (r->effect.delivery.kind != SIM_DELIVER_WHOLE)
        return err_set(e, ERR_PARSE,
                       "member \"%s\": only one of reset, truncate and stall can be given", name);
    r->effect.delivery.kind = kind;
    return 0;
}

static int read_service(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    if (!json_is_string(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is not a string", name);
    return str_dup(json_string_value(v), strcmp(name, "op") == 0 ? &r->op : &r->service, e);
}

static int read_times(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    return want_integer(v, name, 1, INT32_MAX, &r->times, e);
}

static int read_probability(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1)
        return err_set(e, ERR_PARSE, "member \"%s\" is not a number from 0 to 1", name);
    r->probability = json_number_value(v);
    return 0;
}

static int read_delay(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    return want_integer(v, name, 0, MAX_DELAY_MS, &r->effect.delay_ms, e);
}

static int read_status(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    int64_t status = 0;

    if (want_integer(v, name, 200, 599, &status, e) != 0)
        return -1;
    r->effect.status = (int)status;
    return 0;
}

static int read_body(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    (void)name;
    r->effect.has_body = true;
    r->effect.body_is_json = !json_is_string(v);
    if (r->effect.body_is_json)
        return json_format(v, false, &r->effect.body, e);
    return buf_add(&r->effect.body, json_string_value(v), json_string_length(v), e);
}

static bool is_header_text(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* The server writes these two itself; "content_length" and "stream" change what they say. */
static bool is_framing(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0;
}

static int read_headers(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    const char *key = NULL;
    const json_t *value = NULL;

    if (!json_is_object(v) || json_object_size(v) > SIM_MAX_HEADERS / 2)
        return err_set(e, ERR_PARSE, "member \"%s\" is not an object of at most %d strings", name,
                       SIM_MAX_HEADERS / 2);
    json_object_foreach ((json_t *)(uintptr_t)v, key, value)
        if (key[0] == '\0' || is_framing(key) || !is_header_text(key) ||
            strpbrk(key, " :") != NULL || !json_is_string(value) ||
            !is_header_text(json_string_value(value)))
            return err_set(e, ERR_PARSE,
                           "member \"%s\": \"%.80s\" is no header that can be given as a string",
                           name, key);
    r->effect.headers = json_deep_copy(v);
    return r->effect.headers == NULL ? err_nomem(e) : 0;
}

static int read_reset(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    const char *text = json_string_value(v);

    if (text != NULL && strcmp(text, "mid") == 0)
        return deliver(r, SIM_DELIVER_RESET_MID, name, e);
    if (!json_is_true(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is neither true nor \"mid\"", name);
    return deliver(r, SIM_DELIVER_RESET, name, e);
}

static int read_truncate(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    int64_t n = 0;

    if (want_integer(v, name, 0, INT32_MAX, &n, e) != 0)
        return -1;
    r->effect.delivery.cut_at = (size_t)n;
    return deliver(r, SIM_DELIVER_CUT, name, e);
}

static int read_stall(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    return want_true(v, name, e) != 0 ? -1 : deliver(r, SIM_DELIVER_STALL, name, e);
}

static int read_stream(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    int64_t n = 0;

    if (want_integer(v, name, 0, MAX_STREAM, &n, e) != 0)
        return -1;
    r->effect.delivery.n_stream = (uint64_t)n;
    return 0;
}

static int read_content_length(struct rule *r, const json_t *v, const char *name, struct err *e)
{
    int64_t n = 0;

    if (want_integer(v, name, 0, MAX_STREAM, &n, e) != 0)
        return -1;
    r->effect.delivery.has_length = true;
    r->effect.delivery.content_length = (uint64_t)n;
    return 0;
}

static const struct member {
    const char *name;
    int (*read)(struct rule *r, const json_t *v, const char *name, struct err *e);
} MEMBERS[] = {
    { "service", read_service },
    { "op", read_service },
    { "times", read_times },
    { "probability", read_probability },
    { "delay_ms", read_delay },
    { "status", read_status },
    { "body", read_body },
    { "headers", read_headers },
    { "reset", read_reset },
    { "truncate", read_truncate },
    { "stall", read_stall },
    { "stream", read_stream },
    { "content_length", read_content_length },
};

static const struct member *find_member(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++)
        if (strcmp(MEMBERS[i].name, name) == 0)
            return &MEMBERS[i];
    return NULL;
}

static int read_rule(struct rule *r, const json_t *json, struct err *e)
{
    const char *name = NULL;
    const json_t *value = NULL;

    if (!json_is_object(json))
        return err_set(e, ERR_PARSE, "a fault is a JSON object");
    r->times = -1;
    r->probability = 1;
    r->effect.applies = true;
    json_object_foreach ((json_t *)(uintptr_t)json, name, value) {
        const struct member *m = find_member(name);
        if (m == NULL)
            return err_set(e, ERR_PARSE, "unknown member \"%.80s\"", name);
        if (m->read(r, value, name, e) != 0)
            return -1;
    }
    if (r->service == NULL)
        return err_set(e, ERR_PARSE, "member \"service\" is missing");
    return 0;
}

int faults_add(struct faults *f, const json_t *rule, struct err *e)
{
    CLEANUP(rule_freep) struct rule *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return err_nomem(e);
    if (read_rule(r, rule, e) != 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    const bool room = f->n < MAX_RULES;
    if (room)
        f->rules[f->n++] = TAKE(r);
    pthread_mutex_unlock(&f->lock);
    return room ? 0 : err_set(e, ERR_PARSE, "more than %d faults", MAX_RULES);
}

static int list_locked(const struct faults *f, json_t *list, struct err *e)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct rule *r = f->rules[i];
        json_t *v = json_pack("{ss ss* sI}", "service", r->service, "op", r->op, "used",
                              (json_int_t)r->used);
        if (v != NULL && r->times >= 0)
            json_object_set_new(v, "left", json_integer(r->times - r->used));
        if (json_array_append_new(list, v) != 0)
            return err_nomem(e);
    }
    return 0;
}

int faults_list(struct faults *f, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *list = json_array();

    if (list == NULL)
        return err_nomem(e);
    pthread_mutex_lock(&f->lock);
    const int r = list_locked(f, list, e);
    pthread_mutex_unlock(&f->lock);
    if (r == 0)
        *out = TAKE(list);
    return r;
}

static int copy_effect(const struct fault_effect *from, struct fault_effect *out, struct err *e)
{
    struct fault_effect copy = *from;

    copy.body = (struct buf){ 0 };
    copy.headers = NULL;
    if (buf_add(&copy.body, from->body.p, from->body.n, e) != 0)
        return -1;
    if (from->headers != NULL && (copy.headers = json_deep_copy(from->headers)) == NULL) {
        buf_done(&copy.body);
        return err_nomem(e);
    }
    *out = copy;
    return 0;
}

static bool fits(const struct rule *r, const char *service, const char *op)
{
    return strcmp(r->service, service) == 0 && (r->op == NULL || strcmp(r->op, op) == 0) &&
           (r->times < 0 || r->used < r->times) &&
           (r->probability >= 1 || random_u32() < r->probability * UINT32_MAX);
}

int faults_take(struct faults *f, const char *service, const char *op, struct fault_effect *out,
                struct err *e)
{
    int result = 0;

    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        if (fits(f->rules[i], service, op)) {
            result = copy_effect(&f->rules[i]->effect, out, e);
            f->rules[i]->used += result == 0;
            break;
        }
    }
    pthread_mutex_unlock(&f->lock);
    return result;
}

int fault_effect_apply(const struct fault_effect *x, struct sim_reply *reply, struct err *e)
{
    const char *name = NULL;
    const json_t *value = NULL;

    if (!x->applies)
        return 0;
    if (x->status != 0 || x->has_body) {
        const int status = x->status != 0 ? x->status : reply->status;
        const char *type = x->body_is_json ? "application/json; charset=utf-8" : NULL;
        if (sim_reply_bytes(reply, status, type, buf_span(&x->body), e) != 0)
            return -1;
        sim_reply_verdict(reply, "fault: status %d", status);
    }
    json_object_foreach (x->headers, name, value)
        if (sim_reply_header(reply, name, json_string_value(value), e) != 0)
            return -1;
    reply->delivery = x->delivery;
    return 0;
}

void fault_effect_done(struct fault_effect *x)
{
    buf_done(&x->body);
    json_decref(x->headers);
    *x = (struct fault_effect){ 0 };
}
