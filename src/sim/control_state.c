/* A change is read into copies of the present state by a table of members, and takes effect only
 * when all of it has been read. */
#include "sim/control_state.h"

#include "base/str.h"
#include "codec/hex.h"
#include "sim/psp.h"
#include "sim/sim_token.h"
#include "sim/sim_vault.h"

#include <stdio.h>
#include <string.h>

#define MAX_SKEW_S   (20LL * 365 * 86400)
#define MAX_LIFE_S   (366LL * 86400)
#define MAX_DELAY_MS (3600 * 1000)

struct change {
    struct sim_state state;
    struct psp_settings psp;
    bool revoke_tokens;
    bool has_federated_token;
    char *federated_token;
    enum vault_attack attack;
};

static void change_done(struct change *c)
{
    str_free(c->federated_token);
}

struct member {
    const char *name;
    int (*read)(struct change *c, const json_t *v, const char *path, struct err *e);
};

/* Reads an object by a table; path: of the object, "" for the outermost. */
static int read_members(const struct member *table, struct change *c, const json_t *object,
                        const char *path, struct err *e)
{
    const char *name = NULL;
    const json_t *value = NULL;
    char full[128];

    if (!json_is_object(object))
        return err_set(e, ERR_PARSE, "%s is not a JSON object", path[0] == '\0' ? "state" : path);
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        const struct member *m = table;
        snprintf(full, sizeof(full), "%s%s%s", path, path[0] == '\0' ? "" : ".", name);
        while (m->name != NULL && strcmp(m->name, name) != 0)
            m++;
        if (m->name == NULL)
            return err_set(e, ERR_PARSE, "unknown member \"%s\"", full);
        if (m->read(c, value, full, e) != 0)
            return -1;
    }
    return 0;
}

static int want_integer(const json_t *v, const char *path, int64_t min, int64_t max, int64_t *out,
                        struct err *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return err_set(e, ERR_PARSE, "member \"%s\" is not an integer from %lld to %lld", path,
                       (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

static int want_bool(const json_t *v, const char *path, bool *out, struct err *e)
{
    if (!json_is_boolean(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is neither true nor false", path);
    *out = json_is_true(v);
    return 0;
}

static int want_true(const json_t *v, const char *path, struct err *e)
{
    return json_is_true(v) ? 0 : err_set(e, ERR_PARSE, "member \"%s\" can only be true", path);
}

/* Parts of a TCB; only microcode uses all eight bits. */
static int read_tcb_parts(const json_t *v, const char *path, struct amd_tcb *tcb, struct err *e)
{
    const struct {
        const char *name;
        uint8_t *to;
        int max;
    } parts[] = {
        { "boot_loader", &tcb->boot_loader, 127 },
        { "tee", &tcb->tee, 127 },
        { "snp", &tcb->snp, 127 },
        { "microcode", &tcb->microcode, 255 },
    };
    const char *name = NULL;
    const json_t *value = NULL;
    char full[128];

    if (!json_is_object(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is not an object", path);
    json_object_foreach ((json_t *)(uintptr_t)v, name, value) {
        int64_t n = 0;
        size_t i = 0;
        snprintf(full, sizeof(full), "%s.%s", path, name);
        while (i < ARRAY_LEN(parts) && strcmp(parts[i].name, name) != 0)
            i++;
        if (i == ARRAY_LEN(parts))
            return err_set(e, ERR_PARSE, "unknown member \"%s\"", full);
        if (want_integer(value, full, 0, parts[i].max, &n, e) != 0)
            return -1;
        *parts[i].to = (uint8_t)n;
    }
    return 0;
}

static int read_tcb(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return read_tcb_parts(v, path, &c->psp.tcb, e);
}

static int read_thim_tcb(struct change *c, const json_t *v, const char *path, struct err *e)
{
    if (json_is_null(v)) {
        c->psp.thim_is_stale = false;
        return 0;
    }
    if (!c->psp.thim_is_stale)
        c->psp.thim_tcb = c->psp.tcb;
    c->psp.thim_is_stale = true;
    return read_tcb_parts(v, path, &c->psp.thim_tcb, e);
}

static int read_host_data(struct change *c, const json_t *v, const char *path, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    const char *hex = json_string_value(v);

    if (hex == NULL || hex_decode(span_str(hex), &bytes, e) != 0 || bytes.n != SNP_HOST_DATA_SIZE)
        return err_set(e, ERR_PARSE, "member \"%s\" is not %d hexadecimal digits", path,
                       2 * SNP_HOST_DATA_SIZE);
    memcpy(c->psp.host_data, bytes.p, bytes.n);
    return 0;
}

static int read_skew(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return want_integer(v, path, -MAX_SKEW_S, MAX_SKEW_S, &c->state.clock_skew_s, e);
}

static int read_life(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return want_integer(v, path, 0, MAX_LIFE_S, &c->state.token_life_s, e);
}

static int read_federated(struct change *c, const json_t *v, const char *path, struct err *e)
{
    c->has_federated_token = true;
    if (json_is_null(v))
        return 0;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return err_set(e, ERR_PARSE, "member \"%s\" is neither null nor a string", path);
    return str_dup(json_string_value(v), &c->federated_token, e);
}

static int read_revoke(struct change *c, const json_t *v, const char *path, struct err *e)
{
    c->revoke_tokens = true;
    return want_true(v, path, e);
}

static int read_rotate(struct change *c, const json_t *v, const char *path, struct err *e)
{
    c->state.maa_key_generation++;
    return want_true(v, path, e);
}

static int read_fail(struct change *c, const json_t *v, const char *path, struct err *e)
{
    if (json_is_null(v)) {
        c->psp.fault = PSP_NO_FAULT;
        return 0;
    }
    if (!json_is_string(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is neither null nor a string", path);
    if (psp_fault_parse(json_string_value(v), &c->psp.fault, e) != 0)
        return err_wrap(e, "member \"%s\"", path);
    return 0;
}

static int read_delay(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return want_integer(v, path, 0, MAX_DELAY_MS, &c->psp.delay_ms, e);
}

static int read_psp(struct change *c, const json_t *v, const char *path, struct err *e)
{
    static const struct member members[] = {
        { "fail", read_fail },
        { "delay_ms", read_delay },
        { 0 },
    };

    return read_members(members, c, v, path, e);
}

static int read_allow_read(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return want_bool(v, path, &c->state.allow_read, e);
}

static int read_allow_release(struct change *c, const json_t *v, const char *path, struct err *e)
{
    return want_bool(v, path, &c->state.allow_release, e);
}

static int read_attack(struct change *c, const json_t *v, const char *path, struct err *e)
{
    if (!json_is_string(v) && !json_is_null(v))
        return err_set(e, ERR_PARSE, "member \"%s\" is neither null nor a string", path);
    if (vault_attack_parse(json_string_value(v), &c->attack, e) != 0)
        return err_wrap(e, "member \"%s\"", path);
    return 0;
}

static int read_vault(struct change *c, const json_t *v, const char *path, struct err *e)
{
    static const struct member members[] = {
        { "allow_read", read_allow_read },
        { "allow_release", read_allow_release },
        { "attack", read_attack },
        { 0 },
    };

    return read_members(members, c, v, path, e);
}

static const struct member MEMBERS[] = {
    { "tcb", read_tcb },
    { "thim_tcb", read_thim_tcb },
    { "host_data", read_host_data },
    { "clock_skew_s", read_skew },
    { "token_life_s", read_life },
    { "federated_token", read_federated },
    { "revoke_tokens", read_revoke },
    { "rotate_maa_key", read_rotate },
    { "psp", read_psp },
    { "vault", read_vault },
    { 0 },
};

int control_state_change(struct sim *sim, const json_t *change, struct err *e)
{
    CLEANUP(change_done)
    struct change c = { .state = sim_state(sim),
                        .psp = psp_settings(sim->psp),
                        .attack = sim_vault_attack(sim) };

    if (read_members(MEMBERS, &c, change, "", e) != 0)
        return -1;
    pthread_mutex_lock(&sim->lock);
    sim->state = c.state;
    if (c.has_federated_token) {
        char *before = sim->federated_token;
        sim->federated_token = c.federated_token;
        c.federated_token = before;
    }
    pthread_mutex_unlock(&sim->lock);
    psp_configure(sim->psp, &c.psp);
    sim_vault_set_attack(sim, c.attack);
    if (c.revoke_tokens)
        sim_tokens_revoke_all(sim);
    return 0;
}

static json_t *tcb_json(struct amd_tcb tcb)
{
    return json_pack("{si si si si}", "boot_loader", tcb.boot_loader, "tee", tcb.tee, "snp",
                     tcb.snp, "microcode", tcb.microcode);
}

int control_state_format(struct sim *sim, json_t **out, struct err *e)
{
    const struct sim_state s = sim_state(sim);
    const struct psp_settings p = psp_settings(sim->psp);
    char host_data[2 * SNP_HOST_DATA_SIZE + 1];

    hex_format(p.host_data, SNP_HOST_DATA_SIZE, host_data);
    pthread_mutex_lock(&sim->lock);
    json_t *federated =
        sim->federated_token == NULL ? json_null() : json_string(sim->federated_token);
    pthread_mutex_unlock(&sim->lock);
    json_t *v =
        json_pack("{so so ss sI sI so si s{ss? sI} s{sb sb ss}}", "tcb", tcb_json(p.tcb),
                  "thim_tcb", p.thim_is_stale ? tcb_json(p.thim_tcb) : json_null(), "host_data",
                  host_data, "clock_skew_s", (json_int_t)s.clock_skew_s, "token_life_s",
                  (json_int_t)s.token_life_s, "federated_token", federated, "maa_key_generation",
                  (int)s.maa_key_generation, "psp", "fail", psp_fault_name(p.fault), "delay_ms",
                  (json_int_t)p.delay_ms, "vault", "allow_read", s.allow_read, "allow_release",
                  s.allow_release, "attack", vault_attack_name(sim_vault_attack(sim)));
    if (v == NULL)
        return err_nomem(e);
    *out = v;
    return 0;
}
