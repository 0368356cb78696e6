/* The payload of a release, pure: both products say the same in their own order and spelling. */
#include "sim/vault_release.h"

#include "base/str.h"
#include "codec/b64.h"

#include <string.h>

/* Takes value over, also on failure. */
static int put(json_t *object, const char *name, json_t *value, struct err *e)
{
    return json_object_set_new(object, name, value) == 0 ? 0 : err_nomem(e);
}

static int encode(struct span in, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (b64_encode(in, B64_URL, &text, e) != 0)
        return -1;
    *out = json_stringn((const char *)text.p, text.n);
    return *out != NULL ? 0 : err_nomem(e);
}

static int format_key_hsm(const struct vault_payload *p, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    json_t *ciphertext = NULL;

    if (encode(p->ciphertext, &ciphertext, e) != 0)
        return -1;
    CLEANUP(json_freep)
    json_t *blob =
        json_pack("{s:s, s:{s:s, s:s, s:s}, s:o}", "schema_version", "1.0", "header", "kid",
                  p->wrap_kid, "alg", "dir", "enc", p->enc, "ciphertext", ciphertext);
    if (blob == NULL)
        return err_nomem(e);
    return json_format(blob, p->product == VAULT_HSM, &text, e) != 0
               ? -1
               : encode(buf_span(&text), out, e);
}

/* AKV pads the public exponent to four bytes. */
static int pad_exponent(json_t *key, struct err *e)
{
    CLEANUP(buf_done) struct buf padded = { 0 };
    CLEANUP(buf_done) struct buf raw = { 0 };
    const char *text = NULL;
    json_t *value = NULL;

    if (json_get_string(key, "e", &text, e) != 0)
        return -1;
    if (text == NULL)
        return 0;
    if (b64_decode(span_str(text), &raw, e) != 0)
        return -1;
    for (size_t i = raw.n; i < 4; i++)
        if (buf_add(&padded, "", 1, e) != 0)
            return -1;
    if (buf_add(&padded, raw.p, raw.n, e) != 0 || encode(buf_span(&padded), &value, e) != 0)
        return -1;
    return put(key, "e", value, e);
}

static int format_key(const struct vault_payload *p, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *key = json_object();
    CLEANUP(json_freep) json_t *peer = json_deep_copy(p->key->peer);
    CLEANUP(str_freep) char *url = NULL;
    json_t *key_hsm = NULL;

    if (vault_key_url(p->key, p->authority, &url, e) != 0 ||
        put(key, "kid", json_string(url), e) != 0 || put(key, "kty", json_string(p->kty), e) != 0 ||
        put(key, "key_ops", json_deep_copy(p->key->key_ops), e) != 0)
        return -1;
    if (json_object_update(key, peer) != 0)
        return err_nomem(e);
    if ((p->product == VAULT_AKV && pad_exponent(key, e) != 0) ||
        format_key_hsm(p, &key_hsm, e) != 0 || put(key, "key_hsm", key_hsm, e) != 0)
        return -1;
    *out = TAKE(key);
    return 0;
}

static int format_request(const struct vault_payload *p, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *request = json_object();
    CLEANUP(str_freep) char *kid = NULL;

    if (str_printf(&kid, e, "https://%s/keys/%s", p->authority, p->url_path) != 0 ||
        put(request, "api-version", json_string(p->api_version), e) != 0 ||
        put(request, "enc", json_string(p->enc), e) != 0 ||
        put(request, "kid", json_string(kid), e) != 0)
        return -1;
    if (p->nonce != NULL && put(request, "nonce", json_string(p->nonce), e) != 0)
        return -1;
    *out = TAKE(request);
    return 0;
}

int vault_payload_format(const struct vault_payload *p, struct buf *out, struct err *e)
{
    CLEANUP(json_freep) json_t *bundle = json_object();
    CLEANUP(json_freep) json_t *request = NULL;
    json_t *key = NULL, *attributes = NULL, *policy = NULL;

    if (format_request(p, &request, e) != 0 || format_key(p, &key, e) != 0 ||
        put(bundle, "key", key, e) != 0 || vault_key_attributes(p->key, &attributes, e) != 0 ||
        put(bundle, "attributes", attributes, e) != 0 ||
        vault_key_policy(p->key, p->product == VAULT_HSM, &policy, e) != 0 ||
        put(bundle, "release_policy", policy, e) != 0)
        return -1;
    CLEANUP(json_freep)
    json_t *payload = json_pack("{s:O, s:{s:O}}", "request", request, "response", "key", bundle);
    return payload == NULL ? err_nomem(e) : json_format(payload, p->product == VAULT_HSM, out, e);
}
