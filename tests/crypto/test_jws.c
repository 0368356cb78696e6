/* The answers of tests/data/jws/, made by Python's cryptography and jwcrypto: see generate.py. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "crypto/jws.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#define HOST "vault.azure.net"
#define NOW  1790000000 /* 2026-09-21; the certificates live from 2024 to 2043 */
#define MAX  2000000

static struct roots *roots;
static struct signer_cache *signers;

static const char *data_path(const char *file)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/tests/data/jws/%s", getenv("SOURCE_ROOT"), file);
    return path;
}

static void read_case(const char *name, struct buf *out)
{
    struct err e;
    char file[128];

    snprintf(file, sizeof(file), "%s.jws", name);
    assert_ok(file_read(data_path(file), MAX, out, &e));
}

static int make_roots(void **state)
{
    struct err e;

    (void)state;
    if (roots_new(data_path("roots.pem"), "/nonexistent", &roots, &e) != 0)
        return -1;
    return signer_cache_new(roots, &signers, &e);
}

static int free_roots(void **state)
{
    (void)state;
    signer_cache_free(signers);
    roots_free(roots);
    return 0;
}

static const char *const good[] = {
    "good_rs256", "good_rs384", "good_rs512",        "good_ps256",       "good_ps384",
    "good_ps512", "good_akv",   "good_without_root", "good_without_eku", "good_without_thumbprint",
};

static void opens_answers_of_vaults(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(buf_done) struct buf jws = { 0 };
        CLEANUP(json_freep) json_t *payload = NULL;

        read_case(good[i], &jws);
        if (jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &payload, &e) != 0)
            fail_msg("%s: %s", good[i], e.msg);
        assert_string_equal(json_string_value(json_path(payload, "request.enc")),
                            "CKM_RSA_AES_KEY_WRAP");
    }
}

static const struct refusal {
    const char *name;
    enum err_code code;
    const char *needle;
} refusals[] = {
    { "chain_other_root_same_name", ERR_CHECK, "is not trusted for vault.azure.net" },
    { "chain_other_root", ERR_CHECK, "self-signed certificate in certificate chain" },
    { "chain_self_signed", ERR_CHECK, "self-signed certificate" },
    { "chain_without_issuing", ERR_CHECK, "unable to get local issuer" },
    { "chain_wrong_order", ERR_CHECK, "is not trusted" },
    { "chain_issued_by_leaf", ERR_CHECK, "invalid CA certificate" },
    { "chain_path_too_long", ERR_CHECK, "path length constraint exceeded" },
    { "leaf_other_host", ERR_CHECK, "hostname mismatch" },
    { "leaf_common_name_only", ERR_CHECK, "hostname mismatch" },
    { "leaf_partial_wildcard", ERR_CHECK, "hostname mismatch" },
    { "leaf_expired", ERR_CHECK, "certificate has expired" },
    { "leaf_not_yet_valid", ERR_CHECK, "not yet valid" },
    { "leaf_code_signing", ERR_CHECK, "certificate purpose" },
    { "leaf_sha1", ERR_CHECK, "digest algorithm too weak" },
    { "leaf_rsa_1024", ERR_CHECK, "1024 bits" },
    { "leaf_ec_under_rs256", ERR_CHECK, "no RSA key" },

    { "signature_wrong", ERR_CHECK, "signature is not" },
    { "signature_empty", ERR_CHECK, "signature is not" },
    { "signature_short", ERR_CHECK, "signature is not" },
    { "signature_of_another_payload", ERR_CHECK, "signature is not" },
    { "signature_by_another_key", ERR_CHECK, "signature is not" },
    { "signature_by_x5c_2", ERR_CHECK, "signature is not" },
    { "signature_pss_under_rs256", ERR_CHECK, "signature is not" },
    { "signature_pkcs1_under_ps256", ERR_CHECK, "signature is not" },
    { "signature_sha384_under_rs256", ERR_CHECK, "signature is not" },
    { "signature_pss_salt_20", ERR_CHECK, "signature is not" },

    { "alg_none", ERR_CHECK, "\"none\" is not allowed" },
    { "alg_hs256_with_public_key", ERR_CHECK, "\"HS256\" is not allowed" },
    { "alg_es256", ERR_CHECK, "\"ES256\" is not allowed" },
    { "alg_rs1", ERR_CHECK, "\"RS1\" is not allowed" },
    { "alg_lower_case", ERR_CHECK, "\"rs256\" is not allowed" },
    { "alg_missing", ERR_PARSE, "no \"alg\"" },
    { "alg_number", ERR_PARSE, "alg" },

    { "header_alg_twice", ERR_PARSE, "the JWS header" },
    { "header_x5c_twice", ERR_PARSE, "the JWS header" },
    { "header_crit", ERR_CHECK, "\"crit\"" },
    { "header_crit_empty", ERR_CHECK, "\"crit\"" },
    { "header_b64", ERR_CHECK, "\"b64\"" },
    { "header_array", ERR_PARSE, "no JSON object" },
    { "header_text", ERR_PARSE, "the JWS header" },
    { "thumbprint_of_another", ERR_CHECK, "x5t#S256" },
    { "thumbprint_padded", ERR_CHECK, "x5t#S256" },
    { "thumbprint_number", ERR_PARSE, "x5t#S256" },

    { "x5c_missing", ERR_PARSE, "\"x5c\" of 1 to 8" },
    { "x5c_empty", ERR_PARSE, "\"x5c\" of 1 to 8" },
    { "x5c_text", ERR_PARSE, "\"x5c\" of 1 to 8" },
    { "x5c_object", ERR_PARSE, "\"x5c\" of 1 to 8" },
    { "x5c_nine", ERR_PARSE, "\"x5c\" of 1 to 8" },
    { "x5c_number", ERR_PARSE, "certificate 1 of \"x5c\": not a string" },
    { "x5c_null", ERR_PARSE, "certificate 1 of \"x5c\": not a string" },
    { "x5c_urlsafe", ERR_PARSE, "certificate 1 of \"x5c\": not standard base64" },
    { "x5c_lines", ERR_PARSE, "certificate 1 of \"x5c\": not standard base64" },
    { "x5c_unpadded_or_odd", ERR_PARSE, "certificate 1 of \"x5c\"" },
    { "x5c_garbage", ERR_PARSE, "certificate 1 of \"x5c\": not a certificate" },
    { "x5c_garbage_behind_leaf", ERR_PARSE, "certificate 2 of \"x5c\": not a certificate" },
    { "x5c_empty_text", ERR_PARSE, "certificate 1 of \"x5c\"" },
    { "x5c_bytes_behind", ERR_PARSE, "bytes behind a certificate" },
    { "x5c_pem", ERR_PARSE, "certificate 1 of \"x5c\"" },

    { "form_two_parts", ERR_PARSE, "three parts" },
    { "form_four_parts", ERR_PARSE, "three parts" },
    { "form_five_parts", ERR_PARSE, "three parts" },
    { "form_padded_signature", ERR_PARSE, "the JWS signature" },
    { "form_padded_header", ERR_PARSE, "the JWS header" },
    { "form_newline", ERR_PARSE, "the JWS signature" },
    { "form_blank", ERR_PARSE, "the JWS header" },
    { "form_standard_alphabet", ERR_PARSE, "the JWS signature" },
    { "form_loose_bits", ERR_PARSE, "the JWS signature" },
    { "form_json", ERR_PARSE, "three parts" },
    { "form_empty", ERR_PARSE, "0 bytes" },

    { "payload_array", ERR_PARSE, "the JWS payload" },
    { "payload_text", ERR_PARSE, "the JWS payload" },
    { "payload_empty", ERR_PARSE, "the JWS payload" },
    { "payload_member_twice", ERR_PARSE, "the JWS payload" },
};

static void refuses_answers_that_lie(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        CLEANUP(buf_done) struct buf jws = { 0 };
        json_t *payload = NULL;

        read_case(refusals[i].name, &jws);
        if (jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &payload, &e) == 0)
            fail_msg("%s was accepted", refusals[i].name);
        if (e.code != refusals[i].code || strstr(e.msg, refusals[i].needle) == NULL)
            fail_msg("%s: %s", refusals[i].name, e.msg);
        assert_null(payload);
    }
}

static void covers_every_recorded_answer(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(glob(data_path("*.jws"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, ARRAY_LEN(good) + ARRAY_LEN(refusals));
    globfree(&found);
}

static void asks_for_the_host_and_the_time_that_it_was_given(void **state)
{
    static const struct {
        const char *host;
        int64_t now;
        const char *needle; /* NULL: accepted */
    } cases[] = {
        { HOST, NOW, NULL },
        { "my.vault.azure.net", NOW, NULL },
        { "MY.VAULT.azure.net", NOW, NULL },
        { "a.b.vault.azure.net", NOW, "hostname mismatch" },
        { "azure.net", NOW, "hostname mismatch" },
        { "vault.azure.net.evil.example", NOW, "hostname mismatch" },
        { "evilvault.azure.net", NOW, "hostname mismatch" },
        { "*.vault.azure.net", NOW, "host name" },
        { "my.vault.azure.net:443", NOW, "hostname mismatch" },
        { "127.0.0.1", NOW, "IP address mismatch" },
        { "", NOW, "host name" },
        { ".vault.azure.net", NOW, "host name" },
        { HOST, 1704067200 - 1, "not yet valid" },
        { HOST, 1704067200, NULL },
        { HOST, 2335219200 + 1, "expired" },
        { HOST, 0, "not yet valid" },
    };
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct err e;

    (void)state;
    read_case("good_rs256", &jws);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *payload = NULL;
        const int result =
            jws_open_x5c(buf_span(&jws), signers, cases[i].host, cases[i].now, &payload, &e);

        if (cases[i].needle == NULL && result != 0)
            fail_msg("%s: %s", cases[i].host, e.msg);
        if (cases[i].needle != NULL && (result == 0 || strstr(e.msg, cases[i].needle) == NULL))
            fail_msg("%s at %lld: %s", cases[i].host, (long long)cases[i].now,
                     result == 0 ? "accepted" : e.msg);
    }
}

static void trusts_only_the_roots_that_it_was_given(void **state)
{
    CLEANUP(buf_done) struct buf ours = { 0 }, theirs = { 0 };
    CLEANUP(json_freep) json_t *payload = NULL;
    struct signer_cache *they;
    struct roots *others;
    struct err e;

    (void)state;
    read_case("good_rs256", &ours);
    read_case("chain_other_root", &theirs);
    assert_ok(roots_new(data_path("other_root.pem"), "/nonexistent", &others, &e));
    assert_ok(signer_cache_new(others, &they, &e));
    json_t *none = NULL;
    assert_fails(ERR_CHECK, "self-signed certificate in certificate chain",
                 jws_open_x5c(buf_span(&ours), they, HOST, NOW, &none, &e));
    assert_ok(jws_open_x5c(buf_span(&theirs), they, HOST, NOW, &payload, &e));
    signer_cache_free(they);
    roots_free(others);

    assert_ok(roots_new("/nonexistent/roots.pem", NULL, &others, &e));
    assert_ok(signer_cache_new(others, &they, &e));
    assert_fails(ERR_SYS, "/nonexistent/roots.pem",
                 jws_open_x5c(buf_span(&ours), they, HOST, NOW, &none, &e));
    signer_cache_free(they);
    roots_free(others);
}

/* The same header each time; the signature and the rest are looked at each time. */
static void a_signer_that_is_known_still_has_to_sign(void **state)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    json_t *none = NULL;
    struct err e;

    (void)state;
    read_case("good_rs256", &jws);
    for (int i = 0; i < 3; i++) {
        CLEANUP(json_freep) json_t *payload = NULL;
        assert_ok(jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &payload, &e));
    }
    const char *text = buf_cstr(&jws);
    uint8_t *in_payload = jws.p + (strchr(text, '.') - text) + 20;
    *in_payload = *in_payload == 'A' ? 'B' : 'A';
    assert_fails(ERR_CHECK, "is not of the signer's key",
                 jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &none, &e));
    assert_null(none);
}

static void peeks_without_trusting(void **state)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    CLEANUP(json_freep) json_t *header = NULL;
    CLEANUP(json_freep) json_t *payload = NULL;
    struct err e;

    (void)state;
    read_case("signature_wrong", &jws);
    assert_ok(jws_peek(buf_span(&jws), &header, &payload, &e));
    assert_string_equal(json_string_value(json_object_get(header, "alg")), "RS256");
    assert_non_null(json_object_get(payload, "response"));
    assert_ok(jws_peek(buf_span(&jws), NULL, NULL, &e));

    /* RFC 7515 §A.1 and RFC 7519 §6.1, the latter without a signature */
    assert_ok(
        jws_peek(span_str("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJle"
                          "HAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
                          "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                 NULL, NULL, &e));
    assert_ok(jws_peek(span_str("eyJhbGciOiJub25lIn0.e30."), NULL, NULL, &e));
}

static void peeks_only_at_what_has_the_form(void **state)
{
    static const char *const cases[] = {
        "",           ".",          "..",          "e30.e30",   "e30.e30.e30.", "e30.W10.",
        "W10.e30.",   "e30=.e30.",  "e30.e30.A",   "e30.e30.=", "e31.e30.",     "e30. e30.",
        "e30.e30.A+", "eyJh.e30.A", "bm8.e30.AAA", ".e30.AAA",  "e30..AAA",
    };
    json_t *header = NULL, *payload = NULL;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (jws_peek(span_str(cases[i]), &header, &payload, &e) == 0)
            fail_msg("\"%s\" was accepted", cases[i]);
        assert_int_equal(e.code, ERR_PARSE);
        assert_null(header);
        assert_null(payload);
    }
}

static void bounds_the_size_before_anything_else(void **state)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct err e;
    json_t *payload = NULL;

    (void)state;
    assert_ok(buf_add_str(&jws, "e30.", &e));
    uint8_t *to;
    assert_ok(buf_reserve(&jws, 1048576, &to, &e));
    memset(to, 'A', 1048576);
    jws.n += 1048576 - 4;
    assert_fails(ERR_PARSE, "three parts",
                 jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &payload, &e));
    jws.n += 1;
    assert_fails(ERR_PARSE, "1048577 bytes",
                 jws_open_x5c(buf_span(&jws), signers, HOST, NOW, &payload, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_answers_of_vaults),
        cmocka_unit_test(refuses_answers_that_lie),
        cmocka_unit_test(covers_every_recorded_answer),
        cmocka_unit_test(asks_for_the_host_and_the_time_that_it_was_given),
        cmocka_unit_test(trusts_only_the_roots_that_it_was_given),
        cmocka_unit_test(a_signer_that_is_known_still_has_to_sign),
        cmocka_unit_test(peeks_without_trusting),
        cmocka_unit_test(peeks_only_at_what_has_the_form),
        cmocka_unit_test(bounds_the_size_before_anything_else),
    };

    return cmocka_run_group_tests(tests, make_roots, free_roots);
}
