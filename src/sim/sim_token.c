/* The registry remembers digests of the newest tokens; what has been pushed out of it is unknown,
 * as a token of another cloud would be. */
#include "sim/sim_token.h"

#include "base/random.h"
#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "crypto/jws_sign.h"
#include "sim/pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define N_TOKENS    8192
#define SIGNER_NAME "entra"
#define ISSUER      "https://sts.windows.net/" SIM_TOKEN_TENANT "/"
#define OBJECT_ID   "0b1ec700-0000-4000-8000-0000000000d1"
#define RESOURCE_ID                                                                                \
    "/subscriptions/" SIM_TOKEN_SUBSCRIPTION "/resourcegroups/cloudsim/providers/"                 \
    "Microsoft.ContainerInstance/containerGroups/cloudsim"

struct issued_token {
    uint8_t digest[SHA256_SIZE];
    char audience[SIM_TOKEN_AUDIENCE_SIZE];
    int64_t expires;
    bool is_revoked;
};

struct sim_tokens {
    pthread_mutex_t lock; /* of everything below */
    struct issued_token ring[N_TOKENS];
    size_t n_issued; /* the newest is at (n_issued - 1) % N_TOKENS */
};

int sim_tokens_new(struct sim_tokens **out, struct err *e)
{
    struct sim_tokens *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return err_nomem(e);
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

void sim_tokens_free(struct sim_tokens *t)
{
    if (t == NULL)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void sim_guid(char out[static SIM_GUID_SIZE])
{
    uint8_t r[16];
    char hex[33];

    random_fill(r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 4122 §4.4: version 4, its variant */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    hex_format(r, sizeof(r), hex);
    snprintf(out, SIM_GUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

static int remember(struct sim_tokens *t, struct span token, const char *audience, int64_t expires,
                    struct err *e)
{
    struct issued_token x = { .expires = expires };

    if (digest_sha256(token, x.digest, e) != 0)
        return -1;
    snprintf(x.audience, sizeof(x.audience), "%s", audience);
    pthread_mutex_lock(&t->lock);
    t->ring[t->n_issued++ % N_TOKENS] = x;
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static json_t *claims_of(const char *audience, const char *client_id, int64_t now, int64_t expires)
{
    char unique[SIM_GUID_SIZE];

    sim_guid(unique);
    return json_pack("{ss ss sI sI sI ss ss ss ss ss ss ss ss ss}", "aud", audience, "iss", ISSUER,
                     "iat", (json_int_t)now, "nbf", (json_int_t)now, "exp", (json_int_t)expires,
                     "appid", client_id, "appidacr", "2", "idp", ISSUER, "oid", OBJECT_ID, "sub",
                     OBJECT_ID, "tid", SIM_TOKEN_TENANT, "uti", unique, "ver", "1.0", "xms_az_rid",
                     RESOURCE_ID);
}

static int key_id(const struct pki_identity *id, struct buf *out, struct err *e)
{
    uint8_t digest[SHA256_SIZE];

    if (digest_sha256(x509_cert_der(id->cert), digest, e) != 0)
        return -1;
    return b64_encode(span_of(digest, sizeof(digest)), B64_URL, out, e);
}

static int sign_claims(struct sim *sim, const json_t *claims, struct buf *out, struct err *e)
{
    const struct pki_identity *id = NULL;
    CLEANUP(buf_done) struct buf kid = { 0 };
    CLEANUP(buf_done) struct buf header = { 0 };
    CLEANUP(buf_done) struct buf payload = { 0 };

    if (pki_identity(sim->pki, PKI_SELF, SIGNER_NAME, &id, e) != 0 || key_id(id, &kid, e) != 0)
        return -1;
    if (buf_printf(&header, e, "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"%.*s\"}", (int)kid.n,
                   (const char *)kid.p) != 0 ||
        json_format(claims, false, &payload, e) != 0)
        return -1;
    return jws_sign(id->key, buf_span(&header), buf_span(&payload), out, e);
}

int sim_token_issue(struct sim *sim, const char *audience, const char *client_id, char **out,
                    struct err *e)
{
    const int64_t now = sim_now_s(sim);
    const int64_t expires = now + sim_state(sim).token_life_s;
    CLEANUP(json_freep) json_t *claims = claims_of(audience, client_id, now, expires);
    CLEANUP(buf_done) struct buf token = { 0 };

    if (claims == NULL)
        return err_nomem(e);
    if (sign_claims(sim, claims, &token, e) != 0 ||
        remember(sim->tokens, buf_span(&token), audience, expires, e) != 0)
        return err_wrap(e, "issuing an access token");
    return str_from_span(buf_span(&token), out, e);
}

int sim_token_keys(struct sim *sim, json_t **out, struct err *e)
{
    const struct pki_identity *id = NULL;
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(buf_done) struct buf kid = { 0 };

    if (pki_identity(sim->pki, PKI_SELF, SIGNER_NAME, &id, e) != 0 || key_id(id, &kid, e) != 0 ||
        signer_public_jwk(id->key, &jwk, e) != 0)
        return -1;
    if (json_object_set_new(jwk, "use", json_string("sig")) != 0 ||
        json_object_set_new(jwk, "kid", json_stringn((const char *)kid.p, kid.n)) != 0)
        return err_nomem(e);
    *out = json_pack("{s[O]}", "keys", jwk);
    return *out == NULL ? err_nomem(e) : 0;
}

static size_t audience_size(const char *s)
{
    const size_t n = strlen(s);

    return n > 0 && s[n - 1] == '/' ? n - 1 : n;
}

static bool is_same_audience(const char *a, const char *b)
{
    return audience_size(a) == audience_size(b) && strncasecmp(a, b, audience_size(a)) == 0;
}

static const struct issued_token *find(const struct sim_tokens *t, const uint8_t *digest)
{
    const size_t n = t->n_issued < N_TOKENS ? t->n_issued : N_TOKENS;

    for (size_t i = 0; i < n; i++)
        if (digest_equal(span_of(t->ring[i].digest, SHA256_SIZE), span_of(digest, SHA256_SIZE)))
            return &t->ring[i];
    return NULL;
}

static enum sim_token_verdict judge(const struct issued_token *x, const char *audience, int64_t now)
{
    if (x == NULL)
        return SIM_TOKEN_UNKNOWN;
    if (x->is_revoked)
        return SIM_TOKEN_REVOKED;
    if (now >= x->expires)
        return SIM_TOKEN_EXPIRED;
    return is_same_audience(x->audience, audience) ? SIM_TOKEN_GOOD : SIM_TOKEN_WRONG_AUDIENCE;
}

enum sim_token_verdict sim_token_check(struct sim *sim, const char *token, const char *audience,
                                       char out_audience[static SIM_TOKEN_AUDIENCE_SIZE])
{
    const int64_t now = sim_now_s(sim);
    struct sim_tokens *t = sim->tokens;
    uint8_t digest[SHA256_SIZE];
    struct err e;

    out_audience[0] = '\0';
    if (digest_sha256(span_str(token), digest, &e) != 0)
        return SIM_TOKEN_UNKNOWN;
    pthread_mutex_lock(&t->lock);
    const struct issued_token *x = find(t, digest);
    const enum sim_token_verdict v = judge(x, audience, now);
    if (x != NULL)
        memcpy(out_audience, x->audience, SIM_TOKEN_AUDIENCE_SIZE);
    pthread_mutex_unlock(&t->lock);
    return v;
}

const char *sim_token_verdict_name(enum sim_token_verdict v)
{
    static const char *const names[] = {
        [SIM_TOKEN_GOOD] = "good",
        [SIM_TOKEN_UNKNOWN] = "unknown",
        [SIM_TOKEN_EXPIRED] = "expired",
        [SIM_TOKEN_REVOKED] = "revoked",
        [SIM_TOKEN_WRONG_AUDIENCE] = "wrong audience",
    };

    return names[v];
}

void sim_tokens_revoke_all(struct sim *sim)
{
    pthread_mutex_lock(&sim->tokens->lock);
    for (size_t i = 0; i < N_TOKENS; i++)
        sim->tokens->ring[i].is_revoked = true;
    pthread_mutex_unlock(&sim->tokens->lock);
}

void sim_tokens_clear(struct sim *sim)
{
    pthread_mutex_lock(&sim->tokens->lock);
    sim->tokens->n_issued = 0;
    pthread_mutex_unlock(&sim->tokens->lock);
}
