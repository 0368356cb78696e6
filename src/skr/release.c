/*
 * Show the vault the token of an attestation session, verify and unwrap the answer. A denial that
 * may come from the session's age is tried once more with another one, and explained before it is
 * reported; a refused access token of our own is replaced once.
 */
#include "skr/release.h"

#include "azure/identity.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/jws.h"
#include "skr/explain.h"
#include "skr/key_blob.h"
#include "skr/session_store.h"

#include <pthread.h>

#define FETCH_STACK 262144

struct release {
    struct service *service;
    const struct release_request *req;
    struct endpoint maa, vault;
    struct key_ref key;
    int64_t deadline_ms;
    char *bearer; /* in use: the caller's or ours */
    struct session *session;
    bool reused; /* the session was there before */
};

static void release_done(struct release *r)
{
    str_freep(&r->bearer);
    session_releasep(&r->session);
}

static bool has_caller_token(const struct release *r)
{
    return !str_is_empty(r->req->access_token);
}

static int parse_request(struct release *r, struct failure *f)
{
    const struct endpoint_allow *allow = &r->service->allow;

    if (endpoint_parse(ENDPOINT_MAA, r->req->maa_endpoint, allow, &r->maa, &f->err) != 0)
        return err_wrap(&f->err, "maa_endpoint");
    if (endpoint_parse(ENDPOINT_AKV, r->req->akv_endpoint, allow, &r->vault, &f->err) != 0)
        return err_wrap(&f->err, "akv_endpoint");
    if (key_ref_parse(r->req->kid, &r->vault, allow, &r->key, &f->err) != 0)
        return err_wrap(&f->err, "kid");
    for (const char *c = r->req->access_token; c != NULL && *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(&f->err, ERR_ARG, "access_token has a character no token has");
    return 0;
}

static int get_bearer(struct release *r, struct failure *f)
{
    const int64_t start = clock_now_ms(r->service->parts.env->clk);

    if (has_caller_token(r)) {
        if (str_dup(r->req->access_token, &r->bearer, &f->err) != 0)
            return failure_at(f, STAGE_TOKEN);
        return 0;
    }
    if (identity_token(r->service->parts.identity, r->vault.resource, r->vault.login_host,
                       r->deadline_ms, &r->bearer, &f->err) != 0) {
        err_wrap(&f->err, "fetching an access token for %s failed", r->vault.resource);
        return failure_at(f, STAGE_TOKEN);
    }
    service_observe(r->service, STAGE_TOKEN, start);
    return 0;
}

/* ---- what the vault wants to see: a session, and an access token, asked for side by side ---- */

struct bearer_fetch {
    struct release *r;
    const char *request_id;
    pthread_t thread;
    bool running;
    int rc;
    struct failure f;
};

static void *fetch_bearer(void *arg)
{
    struct bearer_fetch *b = arg;

    log_set_request_id(b->request_id);
    b->rc = get_bearer(b->r, &b->f);
    return NULL;
}

/* Only a token that is not at hand is worth a thread; without one it is fetched later. */
static void start_bearer_fetch(struct bearer_fetch *b)
{
    struct release *r = b->r;
    pthread_attr_t attr;

    if (has_caller_token(r) ||
        !identity_has_to_ask(r->service->parts.identity, r->vault.resource) ||
        pthread_attr_init(&attr) != 0)
        return;
    b->running = pthread_attr_setstacksize(&attr, FETCH_STACK) == 0 &&
                 pthread_create(&b->thread, &attr, fetch_bearer, b) == 0;
    pthread_attr_destroy(&attr);
}

static int get_session(struct release *r, struct failure *f)
{
    return session_store_get(r->service->sessions, &r->maa, r->deadline_ms, &r->session, &r->reused,
                             f);
}

static int get_credentials(struct release *r, struct failure *f)
{
    struct bearer_fetch b = { .r = r, .request_id = log_request_id() };

    start_bearer_fetch(&b);
    const int rc = get_session(r, f);
    if (b.running)
        pthread_join(b.thread, NULL);
    if (rc != 0)
        return -1;
    if (!b.running)
        return get_bearer(r, f);
    if (b.rc != 0)
        *f = b.f;
    return b.rc;
}

static void log_line(void *arg, const char *text)
{
    (void)arg;
    log_warning("  %s", text);
}

/* Puts what is known about the denial into f; what could not be found out is no failure. */
static void explain(struct release *r, struct failure *f)
{
    CLEANUP(json_freep) json_t *claims = NULL;
    CLEANUP(json_freep) json_t *policy = NULL;
    CLEANUP(buf_done) struct buf phrase = { 0 };
    struct err why;

    if (jws_peek(span_str(r->session->token), NULL, &claims, &why) != 0) {
        log_warning("the denial cannot be explained: %s", why.msg);
        return;
    }
    if (akv_get_release_policy(r->service->parts.env, &r->vault, &r->key, r->bearer, r->deadline_ms,
                               &policy, &why) != 0) {
        log_info("the key's release policy could not be read: %s", why.msg);
        if (why.code == ERR_HTTP && (why.detail == 401 || why.detail == 403))
            f->hint = "to see which claim failed, allow this identity to read the key "
                      "(permission keys/get; Key Vault role \"Key Vault Crypto User\" or "
                      "Managed HSM role \"Managed HSM Crypto User\")";
        else
            f->hint = "the key's release policy could not be read, so the claims are listed only";
    }
    if (explain_denial(policy, claims, &f->explain, &why) != 0 &&
        explain_denial(NULL, claims, &f->explain, &why) != 0) {
        log_warning("the denial cannot be explained: %s", why.msg);
        return;
    }
    if (explain_phrase(f->explain, &phrase, &why) == 0 && phrase.n != 0)
        err_wrap(&f->err, "%.*s", (int)phrase.n, (const char *)phrase.p);
    log_warning("the vault denied the release of %s:", r->key.name);
    explain_table(f->explain, log_line, NULL);
}

static int ask(struct release *r, char **out_jws, enum akv_refusal *out_refusal, struct err *e)
{
    return akv_release(r->service->parts.env, &r->vault, &r->key, r->session->token, r->bearer,
                       r->deadline_ms, out_jws, out_refusal, e);
}

/* Asks the vault; a token of ours that it does not take is replaced, once. A failure that is
 * classified already has no refusal. */
static int ask_vault(struct release *r, char **out_jws, enum akv_refusal *out_refusal,
                     struct failure *f)
{
    struct service *s = r->service;
    const int64_t start = clock_now_ms(s->parts.env->clk);

    int rc = ask(r, out_jws, out_refusal, &f->err);
    if (rc != 0 && *out_refusal == AKV_TOKEN && !has_caller_token(r)) {
        log_info("the vault does not take the access token any more: asking for another one");
        identity_drop(s->parts.identity, r->vault.resource, r->bearer);
        str_freep(&r->bearer);
        *out_refusal = AKV_NOT_REFUSED;
        if (get_bearer(r, f) != 0)
            return -1;
        rc = ask(r, out_jws, out_refusal, &f->err);
    }
    if (rc == 0)
        service_observe(s, STAGE_RELEASE, start);
    else
        failure_refused(f, *out_refusal);
    return rc;
}

/* A denial because of an older attestation: with a new session the vault may say yes. */
static bool may_ask_again(struct release *r, enum akv_refusal refusal)
{
    return (refusal == AKV_POLICY || refusal == AKV_STATEMENT) &&
           session_store_denied(r->service->sessions, r->session, r->reused, &r->vault, &r->key);
}

static int ask_vault_for_key(struct release *r, char **out_jws, struct failure *f)
{
    enum akv_refusal refusal = AKV_NOT_REFUSED;

    if (ask_vault(r, out_jws, &refusal, f) == 0)
        return 0;
    if (may_ask_again(r, refusal)) {
        log_info("the vault denied %s for an attestation that served before: attesting again",
                 r->key.name);
        failure_done(f);
        *f = (struct failure){ .stage = STAGE_ATTEST };
        session_releasep(&r->session);
        if (get_session(r, f) != 0)
            return -1;
        if (ask_vault(r, out_jws, &refusal, f) == 0)
            return 0;
        if (refusal == AKV_POLICY || refusal == AKV_STATEMENT) /* it stands, for others as well */
            (void)session_store_denied(r->service->sessions, r->session, false, &r->vault, &r->key);
    }
    if (refusal == AKV_POLICY || refusal == AKV_STATEMENT || refusal == AKV_OTHER)
        explain(r, f);
    return -1;
}

/* Decrypts with a key of the session that is made for this, and gone after. */
static int unwrap(struct release *r, const struct key_blob *blob, json_t **out_jwk,
                  struct failure *f)
{
    CLEANUP(rsa_key_freep) struct rsa_key *key = NULL;

    if (wrapping_key_open(r->session->key, &key, &f->err) != 0)
        return failure_set(f, STAGE_UNWRAP, 500, "internal");
    if (key_blob_unwrap(blob, key, out_jwk, &f->err) == 0)
        return 0;
    session_store_drop(r->service->sessions, r->session, "unwrap_failed");
    return failure_at(f, STAGE_UNWRAP);
}

static int open_answer(struct release *r, const char *jws, char **out_jwk, struct failure *f)
{
    CLEANUP(json_freep) json_t *payload = NULL;
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(key_blob_done) struct key_blob blob = { .oaep = DIGEST_SHA1 };
    CLEANUP(buf_done) struct buf text = { 0 };
    const int64_t now = clock_unix_s(r->service->parts.env->clk);

    if (jws_open_x5c(span_str(jws), r->service->parts.signers, r->vault.host, now, &payload,
                     &f->err) != 0) {
        err_wrap(&f->err, "verifying the vault's signed answer failed");
        return failure_at(f, STAGE_RELEASE);
    }
    if (key_blob_parse(payload, &r->vault, &r->key, r->session->kid, &blob, &f->err) != 0) {
        err_wrap(&f->err, "reading the vault's signed answer failed");
        return failure_at(f, STAGE_RELEASE);
    }
    const int64_t start = clock_now_ms(r->service->parts.env->clk);
    if (unwrap(r, &blob, &jwk, f) != 0)
        return -1;
    if (json_format(jwk, true, &text, &f->err) != 0 ||
        str_from_span(buf_span(&text), out_jwk, &f->err) != 0)
        return failure_set(f, STAGE_UNWRAP, 500, "internal");
    service_observe(r->service, STAGE_UNWRAP, start);
    return 0;
}

static int run(struct release *r, char **out_jwk, struct failure *f)
{
    CLEANUP(str_freep) char *jws = NULL;

    if (get_credentials(r, f) != 0)
        return -1;
    if (ask_vault_for_key(r, &jws, f) != 0 || open_answer(r, jws, out_jwk, f) != 0)
        return err_wrap(&f->err, "releasing the key %s failed", r->key.name);
    return 0;
}

int release_key(struct service *s, const struct release_request *req, int64_t deadline_ms,
                char **out_jwk, struct failure *f)
{
    CLEANUP(release_done)
    struct release r = { .service = s, .req = req, .deadline_ms = deadline_ms };

    if (parse_request(&r, f) != 0)
        return failure_at(f, STAGE_REQUEST);
    if (run(&r, out_jwk, f) != 0)
        return err_wrap(&f->err, "secure key release failed");
    return 0;
}
