#include "support/asserts.h"

#include "base/str.h"
#include "codec/b64.h"
#include "crypto/keywrap.h"
#include "skr/key_blob.h"

#include <stdio.h>

static struct rsa_key *wrapping, *other;
static struct endpoint vault;
static struct key_ref key;

static int make_keys(void **state)
{
    const struct endpoint_allow allow = { .maa = NULL };
    struct err e;

    (void)state;
    assert_ok(rsa_generate(RSA_WRAP_BITS, &wrapping, &e));
    assert_ok(rsa_generate(RSA_WRAP_BITS, &other, &e));
    assert_ok(endpoint_parse(ENDPOINT_AKV, "v.vault.azure.net", &allow, &vault, &e));
    assert_ok(key_ref_parse("key1", &vault, &allow, &key, &e));
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    rsa_key_free(wrapping);
    rsa_key_free(other);
    return 0;
}

struct forge { /* how the answer is made; zero: an honest one */
    const char *kid, *kty, *enc, *inner_enc, *inner_kid, *key_hsm;
    bool use_hash; /* else that of enc */
    enum digest_alg hash;
    const struct rsa_key *to;
    size_t cut;
    bool flip;
};

static void b64(struct span in, struct buf *out)
{
    struct err e;

    assert_ok(b64_encode(in, B64_URL, out, &e));
}

static json_t *forge(const struct forge *f, struct span material)
{
    static const uint8_t kek[32] = { 1, 2, 3 };
    CLEANUP(buf_done) struct buf ct = { 0 }, ct64 = { 0 }, hsm = { 0 }, hsm64 = { 0 };
    const char *enc = f->enc ? f->enc : "RSA_AES_KEY_WRAP_256";
    struct err e;

    assert_ok(rsa_oaep_encrypt(f->to ? f->to : wrapping, f->use_hash ? f->hash : DIGEST_SHA256,
                               span_of(kek, sizeof(kek)), &ct, &e));
    assert_ok(keywrap_wrap(span_of(kek, sizeof(kek)), material, &ct, &e));
    if (f->flip)
        ct.p[ct.n - 1] ^= 1;
    if (f->cut != 0)
        ct.n = f->cut;
    b64(buf_span(&ct), &ct64);
    assert_ok(buf_printf(&hsm, &e,
                         "{\"schema_version\":\"1.0\",\"header\":{\"kid\":\"%s\",\"alg\":\"dir\","
                         "\"enc\":\"%s\"},\"ciphertext\":\"%.*s\"}",
                         f->inner_kid ? f->inner_kid : "thumb", f->inner_enc ? f->inner_enc : enc,
                         (int)ct64.n, (const char *)ct64.p));
    b64(buf_span(&hsm), &hsm64);
    json_t *payload = json_pack(
        "{s:{s:s},s:{s:{s:{s:s,s:s,s:s,s:[s]}}}}", "request", "enc", enc, "response", "key", "key",
        "kid",
        f->kid ? f->kid : "https://v.vault.azure.net/keys/key1/0123456789abcdef0123456789abcdef",
        "kty", f->kty ? f->kty : "oct-HSM", "key_hsm", f->key_hsm ? f->key_hsm : buf_cstr(&hsm64),
        "key_ops", "encrypt");
    assert_non_null(payload);
    return payload;
}

static int open_blob(const json_t *payload, json_t **out, struct err *e)
{
    CLEANUP(key_blob_done) struct key_blob blob = { .oaep = DIGEST_SHA1 };

    if (key_blob_parse(payload, &vault, &key, "thumb", &blob, e) != 0)
        return -1;
    return key_blob_unwrap(&blob, wrapping, out, e);
}

static void unwraps_an_honest_answer_in_all_three_wrappings(void **state)
{
    static const struct {
        const char *enc;
        enum digest_alg hash;
    } encs[] = { { "CKM_RSA_AES_KEY_WRAP", DIGEST_SHA1 },
                 { "RSA_AES_KEY_WRAP_256", DIGEST_SHA256 },
                 { "RSA_AES_KEY_WRAP_384", DIGEST_SHA384 } };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(encs); i++) {
        const struct forge f = { .enc = encs[i].enc, .use_hash = true, .hash = encs[i].hash };
        CLEANUP(json_freep) json_t *payload = forge(&f, span_str("0123456789abcdef"));
        CLEANUP(json_freep) json_t *jwk = NULL;
        CLEANUP(buf_done) struct buf text = { 0 };
        assert_ok(open_blob(payload, &jwk, &e));
        assert_ok(json_format(jwk, true, &text, &e));
        assert_string_equal(
            buf_cstr(&text),
            "{\"k\":\"MDEyMzQ1Njc4OWFiY2RlZg\",\"key_ops\":[\"encrypt\"],\"kty\":\"oct\"}");
    }
}

static void refuses_every_way_an_answer_can_lie(void **state)
{
    const struct {
        struct forge f;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { { .kid = "https://v.vault.azure.net/keys/key2/0123456789abcdef0123456789abcdef" },
          ERR_CHECK,
          "another key" },
        { { .kid = "https://w.vault.azure.net/keys/key1/0" }, ERR_CHECK, "another key" },
        { { .kid = "key1" }, ERR_CHECK, "another key" },
        { { .kty = "OKP" }, ERR_PARSE, "kty" },
        { { .kty = "RSA" }, ERR_PARSE, "" },
        { { .enc = "RSA_AES_KEY_WRAP_512" }, ERR_PARSE, "enc" },
        { { .inner_enc = "CKM_RSA_AES_KEY_WRAP" }, ERR_CHECK, "disagree" },
        { { .inner_kid = "other" }, ERR_CHECK, "another key than the attested" },
        { { .key_hsm = "%%%" }, ERR_PARSE, "key_hsm" },
        { { .key_hsm = "e30" }, ERR_PARSE, "ciphertext" },
        { { .use_hash = true, .hash = DIGEST_SHA384 }, ERR_CHECK, "key encryption key" },
        { { .to = other }, ERR_CHECK, "key encryption key" },
        { { .flip = true }, ERR_CHECK, "unwrapping the key" },
        { { .cut = 256 }, ERR_CHECK, "too short" },
        { { .cut = 10 }, ERR_CHECK, "too short" },
        { { .cut = 260 }, ERR_CHECK, "unwrapping the key" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *payload = forge(&cases[i].f, span_str("0123456789abcdef"));
        json_t *jwk = NULL;
        struct err e = { .code = ERR_NONE };
        if (open_blob(payload, &jwk, &e) != -1 || strstr(e.msg, cases[i].needle) == NULL)
            fail_msg("case %zu: \"%s\"", i, e.msg);
        if (cases[i].code != ERR_PARSE)
            assert_int_equal(e.code, cases[i].code);
        assert_null(jwk);
    }
}

static void refuses_payloads_without_their_members(void **state)
{
    static const char *const payloads[] = {
        "{}",
        "{\"response\":{\"key\":{\"key\":5}}}",
        "{\"response\":{\"key\":{\"key\":{}}}}",
        "{\"request\":{\"enc\":\"RSA_AES_KEY_WRAP_256\"},\"response\":{\"key\":{\"key\":"
        "{\"kid\":\"https://v.vault.azure.net/keys/key1/0\",\"kty\":\"oct\"}}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        CLEANUP(json_freep) json_t *payload = NULL;
        json_t *jwk = NULL;
        struct err e;
        assert_ok(json_parse(span_str(payloads[i]), &payload, &e));
        assert_int_equal(open_blob(payload, &jwk, &e), -1);
        assert_null(jwk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwraps_an_honest_answer_in_all_three_wrappings),
        cmocka_unit_test(refuses_every_way_an_answer_can_lie),
        cmocka_unit_test(refuses_payloads_without_their_members),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
