/*
 * Decides whether a key leaves the vault, in this order: the request is well formed, the key may be
 * released at all, the attestation token is sound, and its claims meet the policy of the key. The
 * journal hears the true reason; the caller reads only what the products say.
 */
#include "sim/vault_release.h"

#include "azure/release_policy.h"
#include "base/str.h"
#include "sim/vault_target.h"

#include <string.h>

#define UNKNOWN_ENC "RSA_AES_KEY_WRAP_512"

struct request {
    const char *target, *nonce;
    const struct vault_enc *enc;
};

/* Borrowed from body. */
static int read_request(const json_t *body, struct request *out, struct err *e)
{
    const char *enc = NULL;

    if (json_get_string(body, "target", &out->target, e) != 0 ||
        json_get_string(body, "nonce", &out->nonce, e) != 0 ||
        json_get_string(body, "enc", &enc, e) != 0)
        return -1;
    if (str_is_empty(out->target))
        return err_set(e, ERR_ARG, "Property target is missing or empty.");
    out->enc = vault_enc_find(enc);
    if (out->enc == NULL)
        return err_set(e, ERR_ARG, "Property enc has an unsupported value.");
    return 0;
}

/* What the token's owner reads when it cannot be verified. */
static int refuse_target(struct vault_call *c, struct err *e)
{
    const bool unreachable = e->code == ERR_NET;

    if (!unreachable && e->code != ERR_PARSE && e->code != ERR_CHECK)
        return -1;
    sim_reply_verdict(c->reply, "attestation token: %s", e->msg);
    if (unreachable)
        return vault_reply_refuse(
            c, 400, "BadParameter", NULL,
            "AKV.SKR.1012: The specified attestation service *** cannot be reached.", e);
    return vault_reply_refuse(c, 403, "Forbidden", "AccessDenied",
                              "Target environment attestation statement cannot be verified.", e);
}

static int refuse_policy(struct vault_call *c, const json_t *failed, struct err *e)
{
    const char *claim = json_string_value(json_object_get(json_array_get(failed, 0), "claim"));

    sim_reply_verdict(c->reply, "release policy: %zu conditions failed, the first on claim %s",
                      json_array_size(failed), claim != NULL ? claim : "?");
    return vault_reply_refuse(
        c, 403, "Forbidden", "AccessDenied",
        "Target environment attestation does not meet key release policy requirements.", e);
}

/* A failure of the stored policy is the simulator's own: it was checked when it was stored. */
static int judge_policy(const struct vault_key *key, const json_t *claims, bool *out_satisfied,
                        json_t **out_failed, struct err *e)
{
    CLEANUP(json_freep) json_t *policy = NULL;
    const char *authority = NULL;

    if (json_parse(buf_span(&key->policy), &policy, e) != 0 ||
        release_policy_evaluate(policy, claims, out_satisfied, out_failed, &authority, e) != 0)
        return err_wrap(e, "evaluating the stored policy");
    return 0;
}

/* The type in the answer: AKV repeats the bundle's, a Managed HSM says the plain one. */
static const char *answered_type(const struct vault_call *c, const struct vault_key *key,
                                 enum vault_attack attack)
{
    const enum jwk_kty lie = key->kty == JWK_RSA ? JWK_EC : JWK_RSA;

    return vault_key_type(attack == ATTACK_OTHER_KTY ? lie : key->kty,
                          c->product == VAULT_AKV && key->in_hsm);
}

static int format_payload(const struct vault_call *c, const struct vault_key *key,
                          const struct request *r, const struct vault_target *t,
                          enum vault_attack attack, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf ciphertext = { 0 };
    CLEANUP(str_freep) char *path = NULL;
    struct vault_key named = *key; /* borrows everything */

    if (vault_wrap(t->wrap_key, r->enc, key->kty, buf_span(&key->material), attack, &ciphertext,
                   e) != 0)
        return -1;
    if (attack == ATTACK_OTHER_KEY_NAME)
        memcpy(named.name, "another-key", sizeof("another-key"));
    if (str_printf(&path, e, "%s%s%s", attack == ATTACK_OTHER_KEY_NAME ? named.name : c->name,
                   str_is_empty(c->version) ? "" : "/",
                   str_is_empty(c->version) ? "" : c->version) != 0)
        return -1;
    const struct vault_payload payload = {
        .product = c->product,
        .key = &named,
        .authority = c->req->authority,
        .url_path = path,
        .api_version = c->api_version,
        .enc = attack == ATTACK_UNKNOWN_ENC ? UNKNOWN_ENC : r->enc->name,
        .nonce = r->nonce,
        .kty = answered_type(c, key, attack),
        .wrap_kid = t->wrap_kid,
        .ciphertext = buf_span(&ciphertext),
    };
    return vault_payload_format(&payload, out, e);
}

static int answer(struct vault_call *c, const struct vault_key *key, const struct request *r,
                  const struct vault_target *t, struct vault_signers *signers,
                  enum vault_attack attack, struct err *e)
{
    CLEANUP(buf_done) struct buf payload = { 0 };
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct vault_signer signer;

    if (format_payload(c, key, r, t, attack, &payload, e) != 0 ||
        vault_signers_get(signers, c->product, c->req->host, attack, clock_unix_s(c->sim->clk),
                          &signer, e) != 0 ||
        vault_signer_sign(&signer, c->product, attack, buf_span(&payload), &jws, e) != 0)
        return -1;
    if (vault_reply_ok(c, json_pack("{s:s%}", "value", (const char *)jws.p, jws.n), e) != 0)
        return -1;
    if (attack != ATTACK_NONE)
        sim_reply_verdict(c->reply, "released, attack %s", vault_attack_name(attack));
    return 0;
}

int vault_release(struct vault_call *c, const struct vault_key *key, struct vault_signers *signers,
                  enum vault_attack attack, struct err *e)
{
    CLEANUP(vault_target_done) struct vault_target target = { 0 };
    CLEANUP(json_freep) json_t *body = NULL;
    CLEANUP(json_freep) json_t *failed = NULL;
    struct request r = { 0 };
    bool satisfied = false;

    if (sim_request_json(c->req, &body, e) != 0 || read_request(body, &r, e) != 0)
        return vault_reply_bad_parameter(c, e);
    if (!key->enabled)
        return vault_reply_refuse(c, 403, "Forbidden", "KeyDisabled",
                                  "Operation release is not allowed on a disabled key.", e);
    if (!key->exportable)
        return vault_reply_refuse(c, 400, "BadParameter", NULL,
                                  "Operation release is not allowed on a non-exportable key.", e);
    if (vault_target_verify(c->sim, r.target, &target, e) != 0)
        return refuse_target(c, e);
    if (judge_policy(key, target.claims, &satisfied, &failed, e) != 0)
        return -1;
    if (!satisfied)
        return refuse_policy(c, failed, e);
    return answer(c, key, &r, &target, signers, attack, e);
}
