#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "crypto/signer.h"
#include "sim/vault_import.h"

#include <stdlib.h>

#define NOW 1700000000

/* {"version":"1.0.0","anyOf":[{"authority":"https://a/","allOf":[{"claim":"c","equals":"d"}]}]} in
 * standard base64, padded. */
#define POLICY                                                                                     \
    "eyJ2ZXJzaW9uIjoiMS4wLjAiLCJhbnlPZiI6W3siYXV0aG9yaXR5IjoiaHR0cHM6Ly9hLyIsImFsbE9mIjpbeyJjbGFp" \
    "bSI6ImMiLCJlcXVhbHMiOiJkIn1dfV19"
#define EXPORTABLE                                                                                 \
    ",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"" POLICY "\"}}"
#define OCT_KEY "\"key\":{\"kty\":\"oct-HSM\",\"k\":\"AAECAwQFBgcICQoLDA0ODw==\"}"

static struct vault_import as(enum vault_product product)
{
    return (struct vault_import){ .product = product, .knows_release = true, .now = NOW };
}

static json_t *json(const char *text)
{
    json_t *v = NULL;
    struct err e;

    assert_ok(json_parse(span_str(text), &v, &e));
    return v;
}

/* A JWK that jwcrypto made. */
static json_t *jwk(const char *name)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(str_freep) char *path = NULL;
    json_t *v = NULL;
    struct err e;

    assert_ok(str_printf(&path, &e, "%s/tests/data/sim/%s.jwk.json", getenv("SOURCE_ROOT"), name));
    assert_ok(file_read(path, 65536, &text, &e));
    assert_ok(json_parse(buf_span(&text), &v, &e));
    return v;
}

static struct vault_key *import(enum vault_product product, const char *body)
{
    CLEANUP(json_freep) json_t *v = json(body);
    const struct vault_import in = as(product);
    struct vault_key *k = NULL;
    struct err e;

    assert_ok(vault_import_key(&in, v, &k, &e));
    return k;
}

static void imports_an_oct_key_and_gives_its_bundle(void **state)
{
    CLEANUP(vault_key_freep)
    struct vault_key *k = import(VAULT_AKV, "{" OCT_KEY EXPORTABLE);
    CLEANUP(json_freep) json_t *bundle = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    static const uint8_t bytes[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    struct err e;

    assert_span_equal(buf_span(&k->material), span_of(bytes, sizeof(bytes)));
    assert_int_equal(strspn(k->version, "0123456789abcdef"), 32);
    memcpy(k->name, "name", 5);
    memcpy(k->version, "00112233445566778899aabbccddeeff", 33);
    assert_ok(vault_key_bundle(k, "v.vault.localhost:8443", &bundle, &e));
    assert_ok(json_format(bundle, false, &text, &e));
    assert_string_equal(
        buf_cstr(&text),
        "{\"key\":{\"kid\":\"https://v.vault.localhost:8443/keys/name/"
        "00112233445566778899aabbccddeeff\",\"kty\":\"oct-HSM\","
        "\"key_ops\":[\"encrypt\",\"decrypt\",\"wrapKey\",\"unwrapKey\"]},"
        "\"attributes\":{\"enabled\":true,\"created\":1700000000,\"updated\":1700000000,"
        "\"recoveryLevel\":\"CustomizedRecoverable+Purgeable\",\"recoverableDays\":7,"
        "\"exportable\":true},\"release_policy\":{\"contentType\":\"application/json; "
        "charset=utf-8\",\"data\":"
        "\"eyJ2ZXJzaW9uIjoiMS4wLjAiLCJhbnlPZiI6W3siYXV0aG9yaXR5IjoiaHR0cHM6Ly9hIiwiYWxsT2YiOlt7Im"
        "NsYWltIjoiYyIsImVxdWFscyI6ImQifV19XX0\"}}");
}

/* Leading zeros, padding and the standard alphabet, as clients send numbers. */
static void bend_base64(json_t *key, const char *name)
{
    CLEANUP(buf_done) struct buf raw = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    assert_ok(buf_add(&raw, "", 1, &e));
    assert_ok(b64_decode(span_str(json_string_value(json_object_get(key, name))), &raw, &e));
    assert_ok(b64_encode(buf_span(&raw), B64_STD, &text, &e));
    json_object_set_new(key, name, json_stringn((const char *)text.p, text.n));
}

static void imports_pairs_with_the_base64_habits_of_clients(void **state)
{
    static const struct {
        const char *file, *public_member;
        enum jwk_kty kty;
        bool bend;
    } cases[] = {
        { "rsa", "n", JWK_RSA, false },
        { "rsa", "n", JWK_RSA, true },
        { "ec_p256", "x", JWK_EC, false },
        { "ec_p384", "x", JWK_EC, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(vault_key_freep) struct vault_key *k = NULL;
        CLEANUP(signer_freep) struct signer *pair = NULL;
        json_t *key = jwk(cases[i].file);
        CLEANUP(json_freep) json_t *want = json_deep_copy(key);
        const struct vault_import in = as(VAULT_HSM);
        struct err e;

        if (cases[i].bend) {
            bend_base64(key, "n");
            bend_base64(key, "d");
            bend_base64(key, "qi");
        }
        CLEANUP(json_freep) json_t *body = json_pack("{s:o}", "key", key);
        assert_ok(vault_import_key(&in, body, &k, &e));
        assert_int_equal(k->kty, cases[i].kty);
        assert_true(k->in_hsm); /* a Managed HSM knows no other keys */
        assert_string_equal(json_string_value(json_object_get(k->peer, cases[i].public_member)),
                            json_string_value(json_object_get(want, cases[i].public_member)));
        assert_ok(signer_from_der(buf_span(&k->material), &pair, &e));
    }
}

static void creates_keys_of_every_type(void **state)
{
    static const struct {
        const char *body;
        enum jwk_kty kty;
        size_t n_ops;
    } cases[] = {
        { "{\"kty\":\"RSA-HSM\",\"key_size\":3072" EXPORTABLE, JWK_RSA, 6 },
        { "{\"kty\":\"EC-HSM\",\"crv\":\"P-384\"" EXPORTABLE, JWK_EC, 2 },
        { "{\"kty\":\"EC-HSM\"" EXPORTABLE, JWK_EC, 2 },
        { "{\"kty\":\"oct-HSM\",\"key_size\":192" EXPORTABLE, JWK_OCT, 4 },
        { "{\"kty\":\"RSA\",\"key_ops\":[\"sign\"]}", JWK_RSA, 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(vault_key_freep) struct vault_key *k = NULL;
        CLEANUP(json_freep) json_t *body = json(cases[i].body);
        const struct vault_import in = as(VAULT_AKV);
        struct err e;

        assert_ok(vault_create_key(&in, body, &k, &e));
        assert_int_equal(k->kty, cases[i].kty);
        assert_int_equal(json_array_size(k->key_ops), cases[i].n_ops);
        assert_true(k->material.n >= 24);
    }
}

static void says_why_a_key_is_refused(void **state)
{
    static const struct {
        enum vault_product product;
        const char *body, *needle;
    } cases[] = {
        { VAULT_AKV, "{}", "Property key is missing" },
        { VAULT_AKV, "{\"key\":7}", "Property key is not an object" },
        { VAULT_AKV, "{\"key\":{}}", "kty is missing" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"OKP\"}}", "kty is missing or not supported" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"oct\"}}", "k is missing" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"oct\",\"k\":\"!\"}}", "k is not base64" },
        { VAULT_HSM,
          "{\"key\":{\"kty\":\"oct\",\"k\":"
          "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}",
          "JSON Web Key: k property of oct key is too large, maximum size is 64" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"RSA\",\"n\":\"AQAB\"}}", "JSON Web Key: e is missing" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"EC\"}}", "JSON Web Key: crv is missing" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"oct\",\"k\":\"AAAA\",\"key_ops\":[\"release\"]}}",
          "key_ops has an unsupported value" },
        { VAULT_AKV, "{\"key\":{\"kty\":\"oct\",\"k\":\"AAAA\",\"key_ops\":\"sign\"}}",
          "key_ops is not an array" },
        { VAULT_AKV, "{" OCT_KEY ",\"attributes\":{\"exportable\":true}}",
          "AKV.SKR.1004: Exportable keys must have release policy." },
        { VAULT_AKV,
          "{" OCT_KEY ",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"\"}}",
          "AKV.SKR.1004" },
        { VAULT_HSM, "{" OCT_KEY ",\"release_policy\":{\"data\":\"" POLICY "\"}}",
          "AKV.SKR.1005: Non-exportable keys must not have release policy." },
        { VAULT_AKV, "{\"key\":{\"kty\":\"oct\",\"k\":\"AAAA\"}" EXPORTABLE, "AKV.SKR.1006" },
        { VAULT_AKV,
          "{" OCT_KEY
          ",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"e30\"}}",
          "Invalid release policy" },
        { VAULT_AKV, "{" OCT_KEY ",\"attributes\":{\"exportable\":\"yes\"}}",
          "exportable is not a boolean" },
        { VAULT_AKV, "{" OCT_KEY ",\"attributes\":{\"exp\":\"soon\"}}",
          "exp is not a number of seconds" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *body = json(cases[i].body);
        const struct vault_import in = as(cases[i].product);
        struct vault_key *k = NULL;
        struct err e;

        assert_int_equal(vault_import_key(&in, body, &k, &e), -1);
        assert_non_null(strstr(e.msg, cases[i].needle));
        assert_true(e.code == ERR_ARG || e.code == ERR_PARSE || e.code == ERR_CHECK);
        assert_null(k);
    }
}

static void refuses_numbers_that_do_not_belong_together(void **state)
{
    json_t *key = jwk("rsa");
    CLEANUP(json_freep) json_t *body = json_pack("{s:o}", "key", key);
    const struct vault_import in = as(VAULT_AKV);
    struct vault_key *k = NULL;
    struct err e;

    json_object_set(key, "dp", json_object_get(key, "dq"));
    assert_fails(ERR_CHECK, "JSON Web Key", vault_import_key(&in, body, &k, &e));
}

static void old_api_versions_know_no_exportable_keys(void **state)
{
    CLEANUP(json_freep) json_t *body = json("{" OCT_KEY EXPORTABLE);
    struct vault_import in = as(VAULT_AKV);
    struct vault_key *k = NULL;
    struct err e;

    in.knows_release = false;
    assert_fails(ERR_ARG, "AKV.SKR.1001", vault_import_key(&in, body, &k, &e));
}

static void finds_the_newest_version_of_a_name_at_its_host(void **state)
{
    static const struct {
        const char *host, *name, *version;
    } made[] = {
        { "a", "key", "01" },
        { "a", "key", "02" },
        { "b", "key", "03" },
        { "a", "other", "04" },
    };
    static const struct {
        const char *host, *name, *version, *found;
    } asked[] = {
        { "a", "key", NULL, "02" }, { "a", "KEY", "", "02" }, { "a", "key", "01", "01" },
        { "b", "key", NULL, "03" }, { "a", "key", "03", "" }, { "c", "key", NULL, "" },
        { "a", "none", NULL, "" },
    };
    CLEANUP(vault_keys_done) struct vault_keys s = { 0 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        struct vault_key *k = import(VAULT_AKV, "{" OCT_KEY EXPORTABLE);
        strncpy(k->host, made[i].host, sizeof(k->host) - 1);
        strncpy(k->name, made[i].name, sizeof(k->name) - 1);
        strncpy(k->version, made[i].version, sizeof(k->version) - 1);
        assert_ok(vault_keys_add(&s, &k, &e));
        assert_null(k);
    }
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const struct vault_key *k =
            vault_keys_find(&s, asked[i].host, asked[i].name, asked[i].version);
        assert_string_equal(k == NULL ? "" : k->version, asked[i].found);
    }
}

static void keeps_exportable_and_an_immutable_policy(void **state)
{
    static const char immutable[] =
        "{" OCT_KEY ",\"attributes\":{\"exportable\":true},"
        "\"release_policy\":{\"data\":\"" POLICY "\",\"immutable\":true}}";
    CLEANUP(vault_key_freep) struct vault_key *current = import(VAULT_AKV, immutable);
    CLEANUP(vault_key_freep) struct vault_key *same = import(VAULT_AKV, "{" OCT_KEY EXPORTABLE);
    CLEANUP(vault_key_freep) struct vault_key *plain = import(VAULT_AKV, "{" OCT_KEY "}");
    struct err e;

    assert_true(current->policy_immutable);
    assert_ok(vault_import_succeed(current, same, &e));
    assert_true(same->policy_immutable);
    assert_fails(ERR_ARG, "AKV.SKR.1003", vault_import_succeed(current, plain, &e));
    same->policy.n--;
    assert_fails(ERR_ARG, "AKV.SKR.1020", vault_import_succeed(current, same, &e));
}

#define NEW_POLICY "{\"release_policy\":{\"data\":\"" POLICY "\"}}"

static void updates_what_may_change(void **state)
{
    static const struct {
        enum vault_product product;
        bool with_version;
        const char *made, *body, *needle; /* needle NULL: accepted */
    } cases[] = {
        { VAULT_AKV, false, "{" OCT_KEY EXPORTABLE, NEW_POLICY, NULL },
        { VAULT_AKV, true, "{" OCT_KEY EXPORTABLE, NEW_POLICY, "AKV.SKR.1016" },
        { VAULT_HSM, true, "{" OCT_KEY EXPORTABLE, NEW_POLICY, NULL },
        { VAULT_AKV, true, "{" OCT_KEY EXPORTABLE, "{\"attributes\":{\"enabled\":false}}", NULL },
        { VAULT_AKV, true, "{" OCT_KEY EXPORTABLE, "{\"attributes\":{\"exportable\":false}}",
          "AKV.SKR.1003" },
        { VAULT_AKV, false, "{" OCT_KEY "}", NEW_POLICY, "AKV.SKR.1005" },
        { VAULT_AKV, false,
          "{" OCT_KEY ",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"" POLICY
          "\",\"immutable\":true}}",
          NEW_POLICY, "AKV.SKR.1020: Immutable Key Release Policy cannot be modified." },
        { VAULT_AKV, false, "{" OCT_KEY EXPORTABLE, "{\"key_ops\":[\"fly\"]}", "key_ops" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(vault_key_freep) struct vault_key *k = import(cases[i].product, cases[i].made);
        CLEANUP(json_freep) json_t *body = json(cases[i].body);
        struct vault_import in = as(cases[i].product);
        struct err e;

        in.now = NOW + 5;
        if (cases[i].needle == NULL) {
            assert_ok(vault_update_key(&in, body, cases[i].with_version, k, &e));
            assert_int_equal(k->updated, NOW + 5);
        } else {
            assert_fails(ERR_ARG, cases[i].needle,
                         vault_update_key(&in, body, cases[i].with_version, k, &e));
            assert_int_equal(k->updated, NOW);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_an_oct_key_and_gives_its_bundle),
        cmocka_unit_test(imports_pairs_with_the_base64_habits_of_clients),
        cmocka_unit_test(creates_keys_of_every_type),
        cmocka_unit_test(says_why_a_key_is_refused),
        cmocka_unit_test(refuses_numbers_that_do_not_belong_together),
        cmocka_unit_test(old_api_versions_know_no_exportable_keys),
        cmocka_unit_test(finds_the_newest_version_of_a_name_at_its_host),
        cmocka_unit_test(keeps_exportable_and_an_immutable_policy),
        cmocka_unit_test(updates_what_may_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
