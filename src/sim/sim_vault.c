/*
 * The key vaults: which key an URL names, who may call, and one function for each operation.
 * One lock around all keys: readers share it for the time of their request, so that what they
 * found stays as it is; keys are parsed and made before it is taken for writing.
 */
#include "sim/sim_vault.h"

#include "base/str.h"
#include "sim/sim_token.h"
#include "sim/vault_import.h"
#include "sim/vault_release.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BEARER "Bearer "

struct sim_vault {
    struct vault_signers *signers;
    pthread_rwlock_t lock; /* of the two below */
    struct vault_keys keys;
    enum vault_attack attack;
};

int sim_vault_new(struct sim *sim, struct sim_vault **out, struct err *e)
{
    struct sim_vault *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return err_nomem(e);
    if (vault_signers_new(sim->pki, &x->signers, e) != 0) {
        free(x);
        return -1;
    }
    if (pthread_rwlock_init(&x->lock, NULL) != 0) {
        vault_signers_free(x->signers);
        free(x);
        return err_nomem(e);
    }
    *out = x;
    return 0;
}

void sim_vault_free(struct sim_vault *x)
{
    if (x == NULL)
        return;
    pthread_rwlock_destroy(&x->lock);
    vault_signers_free(x->signers);
    vault_keys_done(&x->keys);
    free(x);
}

void sim_vault_reset(struct sim *sim)
{
    pthread_rwlock_wrlock(&sim->vault->lock);
    vault_keys_done(&sim->vault->keys);
    sim->vault->attack = ATTACK_NONE;
    pthread_rwlock_unlock(&sim->vault->lock);
}

void sim_vault_set_attack(struct sim *sim, enum vault_attack attack)
{
    pthread_rwlock_wrlock(&sim->vault->lock);
    sim->vault->attack = attack;
    pthread_rwlock_unlock(&sim->vault->lock);
}

enum vault_attack sim_vault_attack(struct sim *sim)
{
    pthread_rwlock_rdlock(&sim->vault->lock);
    const enum vault_attack attack = sim->vault->attack;
    pthread_rwlock_unlock(&sim->vault->lock);
    return attack;
}

/* -- paths ------------------------------------------------------------------------------------ */

/* "/keys/name/version/verb" in pieces; empty pieces count as absent, as they do in the cloud. */
struct path {
    struct span name, version, verb;
};

static struct span next_piece(const char **p)
{
    const size_t n = strcspn(*p, "/");
    const struct span piece = span_of(*p, n);

    *p += n + ((*p)[n] == '/');
    return piece;
}

static bool is_piece(struct span piece, const char *text)
{
    return piece.n == strlen(text) && strncasecmp((const char *)piece.p, text, piece.n) == 0;
}

static bool is_verb(struct span piece)
{
    return is_piece(piece, "release") || is_piece(piece, "create") || is_piece(piece, "versions");
}

/* False: not below /keys/, or more pieces than any operation has. */
static bool path_parse(const char *text, struct path *out)
{
    if (strncasecmp(text, "/keys/", 6) != 0)
        return false;
    text += 6;
    out->name = next_piece(&text);
    out->version = next_piece(&text);
    out->verb = next_piece(&text);
    if (out->verb.n == 0 && is_verb(out->version)) {
        out->verb = out->version;
        out->version = span_of(NULL, 0);
    }
    return *text == '\0';
}

static bool is_key_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum(name.p[i]) && name.p[i] != '-')
            return false;
    return name.n > 0 && name.n < VAULT_NAME_SIZE;
}

/* -- operations ------------------------------------------------------------------------------- */

static struct vault_import import_of(const struct vault_call *c)
{
    return (struct vault_import){ .product = c->product,
                                  .knows_release = c->knows_release,
                                  .now = sim_now_s(c->sim) };
}

/* Under the lock. *k is taken over on success. */
static int store(struct vault_call *c, struct vault_key **k, json_t **out_bundle, struct err *e)
{
    struct vault_keys *keys = &c->sim->vault->keys;
    const struct vault_key *current = vault_keys_find(keys, c->req->host, c->name, NULL);

    if (current != NULL && vault_import_succeed(current, *k, e) != 0)
        return -1;
    if (vault_key_bundle(*k, c->req->authority, out_bundle, e) != 0)
        return -1;
    return vault_keys_add(keys, k, e);
}

static int make_key(struct vault_call *c,
                    int (*read)(const struct vault_import *, const json_t *, struct vault_key **,
                                struct err *),
                    struct err *e)
{
    CLEANUP(vault_key_freep) struct vault_key *k = NULL;
    CLEANUP(json_freep) json_t *body = NULL;
    CLEANUP(json_freep) json_t *bundle = NULL;
    const struct vault_import in = import_of(c);

    if (sim_request_json(c->req, &body, e) != 0 || read(&in, body, &k, e) != 0)
        return vault_reply_bad_parameter(c, e);
    memcpy(k->host, c->req->host, sizeof(k->host));
    memcpy(k->name, c->name, sizeof(k->name));
    pthread_rwlock_wrlock(&c->sim->vault->lock);
    const int rc = store(c, &k, &bundle, e);
    pthread_rwlock_unlock(&c->sim->vault->lock);
    return rc != 0 ? vault_reply_bad_parameter(c, e) : vault_reply_ok(c, TAKE(bundle), e);
}

static int op_import(struct vault_call *c, struct err *e)
{
    return make_key(c, vault_import_key, e);
}

static int op_create(struct vault_call *c, struct err *e)
{
    return make_key(c, vault_create_key, e);
}

/* The key of the URL; NULL when there is none. Under the lock. */
static struct vault_key *find(const struct vault_call *c)
{
    return vault_keys_find(&c->sim->vault->keys, c->req->host, c->name, c->version);
}

static int update_locked(struct vault_call *c, const json_t *body, struct err *e)
{
    const struct vault_import in = import_of(c);
    struct vault_key *k = find(c);
    json_t *bundle = NULL;

    if (k == NULL)
        return vault_reply_not_found(c, e);
    if (vault_update_key(&in, body, !str_is_empty(c->version), k, e) != 0)
        return vault_reply_bad_parameter(c, e);
    return vault_key_bundle(k, c->req->authority, &bundle, e) != 0 ? -1
                                                                   : vault_reply_ok(c, bundle, e);
}

static int op_update(struct vault_call *c, struct err *e)
{
    CLEANUP(json_freep) json_t *body = NULL;

    if (sim_request_json(c->req, &body, e) != 0)
        return vault_reply_bad_parameter(c, e);
    pthread_rwlock_wrlock(&c->sim->vault->lock);
    const int rc = update_locked(c, body, e);
    pthread_rwlock_unlock(&c->sim->vault->lock);
    return rc;
}

static int get_locked(struct vault_call *c, struct err *e)
{
    const struct vault_key *k = find(c);
    json_t *bundle = NULL;

    if (k == NULL)
        return vault_reply_not_found(c, e);
    return vault_key_bundle(k, c->req->authority, &bundle, e) != 0 ? -1
                                                                   : vault_reply_ok(c, bundle, e);
}

static int op_get(struct vault_call *c, struct err *e)
{
    if (!sim_state(c->sim).allow_read)
        return vault_reply_forbidden(c, "read", e);
    pthread_rwlock_rdlock(&c->sim->vault->lock);
    const int rc = get_locked(c, e);
    pthread_rwlock_unlock(&c->sim->vault->lock);
    return rc;
}

static int list_version(const struct vault_call *c, const struct vault_key *k, json_t *list,
                        struct err *e)
{
    CLEANUP(str_freep) char *url = NULL;
    json_t *attributes = NULL;

    if (vault_key_url(k, c->req->authority, &url, e) != 0 ||
        vault_key_attributes(k, &attributes, e) != 0)
        return -1;
    json_t *item = json_pack("{s:s, s:o}", "kid", url, "attributes", attributes);
    return json_array_append_new(list, item) == 0 ? 0 : err_nomem(e);
}

static int list_locked(struct vault_call *c, struct err *e)
{
    CLEANUP(json_freep) json_t *list = json_array();
    const struct vault_keys *keys = &c->sim->vault->keys;

    for (size_t i = 0; i < keys->n; i++) {
        const struct vault_key *k = keys->keys[i];
        if (strcmp(k->host, c->req->host) != 0 || strcasecmp(k->name, c->name) != 0)
            continue;
        if (list_version(c, k, list, e) != 0)
            return -1;
    }
    return vault_reply_ok(c, json_pack("{s:O, s:n}", "value", list, "nextLink"), e);
}

static int op_versions(struct vault_call *c, struct err *e)
{
    if (!sim_state(c->sim).allow_read)
        return vault_reply_forbidden(c, "read", e);
    pthread_rwlock_rdlock(&c->sim->vault->lock);
    const int rc = list_locked(c, e);
    pthread_rwlock_unlock(&c->sim->vault->lock);
    return rc;
}

static int release_locked(struct vault_call *c, struct err *e)
{
    struct sim_vault *x = c->sim->vault;
    const struct vault_key *k = find(c);

    return k == NULL ? vault_reply_not_found(c, e) : vault_release(c, k, x->signers, x->attack, e);
}

static int op_release(struct vault_call *c, struct err *e)
{
    if (!sim_state(c->sim).allow_release)
        return vault_reply_forbidden(c, "release/action", e);
    pthread_rwlock_rdlock(&c->sim->vault->lock);
    const int rc = release_locked(c, e);
    pthread_rwlock_unlock(&c->sim->vault->lock);
    return rc;
}

static const struct operation {
    const char *method, *verb, *name;
    bool takes_version;
    int (*run)(struct vault_call *c, struct err *e);
} OPERATIONS[] = {
    { "PUT", "", "import", false, op_import },
    { "POST", "create", "create", false, op_create },
    { "PATCH", "", "update", true, op_update },
    { "GET", "versions", "versions", false, op_versions },
    { "GET", "", "get", true, op_get },
    { "POST", "release", "release", true, op_release },
};

static const struct operation *operation_of(const struct sim_request *req, const struct path *path)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        const struct operation *o = &OPERATIONS[i];
        if (strcmp(o->method, req->method) == 0 && is_piece(path->verb, o->verb) &&
            (o->takes_version || path->version.n == 0))
            return o;
    }
    return NULL;
}

const char *sim_vault_op(const struct sim_request *req)
{
    struct path path;
    const struct operation *o = path_parse(req->path, &path) ? operation_of(req, &path) : NULL;

    return o == NULL ? "other" : o->name;
}

/* -- who calls -------------------------------------------------------------------------------- */

static int read_api_version(struct vault_call *c, bool *out_known, struct err *e)
{
    static const struct {
        const char *name;
        bool knows_release;
    } versions[] = {
        { "7.0", false },          { "7.1", false }, { "7.2", false },
        { "7.3-preview", true },   { "7.3", true },  { "7.4-preview.1", true },
        { "7.4", true },           { "7.5", true },  { "7.5-preview.1", true },
        { "7.6-preview.2", true }, { "7.6", true },  { "2025-07-01", true },
    };
    size_t n = 0;

    if (sim_request_query(c->req, "api-version", &c->api_version, &n, e) != 0)
        return -1;
    for (size_t i = 0; c->api_version != NULL && i < ARRAY_LEN(versions); i++) {
        if (strcmp(versions[i].name, c->api_version) == 0) {
            c->knows_release = versions[i].knows_release;
            *out_known = true;
        }
    }
    return 0;
}

static int refuse_token(struct vault_call *c, enum sim_token_verdict verdict, const char *audience,
                        struct err *e)
{
    CLEANUP(str_freep) char *message = NULL;

    if (verdict == SIM_TOKEN_WRONG_AUDIENCE
            ? str_printf(&message, e, "AKV10022: Invalid audience. Expected %s, found: %s.",
                         vault_audience(c->product), audience) != 0
            : str_printf(&message, e, "Error validating token: the token is %s.",
                         sim_token_verdict_name(verdict)) != 0)
        return -1;
    return vault_reply_challenge(c, message, e);
}

/* *out_answered: the caller is not let in and has been told so. */
static int authenticate(struct vault_call *c, bool *out_answered, struct err *e)
{
    const char *authorization = sim_request_header(c->req, "Authorization");
    char audience[SIM_TOKEN_AUDIENCE_SIZE] = "";

    *out_answered = true;
    if (authorization == NULL || strncasecmp(authorization, BEARER, strlen(BEARER)) != 0)
        return vault_reply_challenge(c, "AKV10000: Request is missing a Bearer or PoP token.", e);
    const enum sim_token_verdict verdict = sim_token_check(c->sim, authorization + strlen(BEARER),
                                                           vault_audience(c->product), audience);
    if (verdict != SIM_TOKEN_GOOD)
        return refuse_token(c, verdict, audience, e);
    *out_answered = false;
    return 0;
}

/* Finds the operation and runs it. version has room for any that a path may hold. */
static int run(struct vault_call *c, struct err *e)
{
    CLEANUP(str_freep) char *version = NULL;
    struct path path;

    if (!path_parse(c->req->path, &path))
        return vault_reply_refuse(c, 404, "NotFound", NULL, "Resource not found.", e);
    if (!is_key_name(path.name))
        return vault_reply_refuse(c, 400, "BadParameter", NULL,
                                  "The request URI contains an invalid name.", e);
    const struct operation *o = operation_of(c->req, &path);
    if (o == NULL)
        return vault_reply_refuse(c, 405, "MethodNotAllowed", NULL,
                                  "The method is not allowed on this resource.", e);
    if (str_from_span(path.version, &version, e) != 0)
        return -1;
    memcpy(c->name, path.name.p, path.name.n);
    c->version = version;
    const int rc = o->run(c, e);
    c->version = NULL;
    return rc;
}

static int serve(struct vault_call *c, struct err *e)
{
    bool answered = false, known = false;

    if (vault_reply_begin(c, e) != 0 || authenticate(c, &answered, e) != 0)
        return -1;
    if (answered)
        return 0;
    if (read_api_version(c, &known, e) != 0)
        return vault_reply_bad_parameter(c, e);
    if (c->api_version == NULL)
        return vault_reply_refuse(c, 400, "BadParameter", NULL,
                                  "The api-version query parameter is required.", e);
    if (!known)
        return vault_reply_refuse(c, 400, "BadParameter", NULL,
                                  "The specified api-version is not recognized. Consider using the "
                                  "latest supported version (2025-07-01).",
                                  e);
    return run(c, e);
}

int sim_vault_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                     struct err *e)
{
    struct vault_call c = {
        .sim = sim,
        .req = req,
        .reply = out,
        .product = names_match(sim->config->names, NAMES_HSM, req->host) ? VAULT_HSM : VAULT_AKV,
    };
    const int rc = serve(&c, e);

    str_free(c.api_version);
    return rc;
}
