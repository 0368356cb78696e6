/* Signatures are judged by jwcrypto, keys by their way through it and through openssl. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/jws_sign.h"
#include "support/judge_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct signer *rsa, *p256, *p384, *p521;

static int make_keys(void **state)
{
    struct err e;

    (void)state;
    assert_ok(signer_new_rsa(2048, &rsa, &e));
    assert_ok(signer_new_ec(SIGNER_P256, &p256, &e));
    assert_ok(signer_new_ec(SIGNER_P384, &p384, &e));
    assert_ok(signer_new_ec(SIGNER_P521, &p521, &e));
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    signer_free(rsa);
    signer_free(p256);
    signer_free(p384);
    signer_free(p521);
    return 0;
}

static void add_case(const struct signer *k, const char *alg, struct buf *lines)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    char header[64];
    json_t *jwk;
    struct err e;

    snprintf(header, sizeof(header), "{\"typ\": \"JWT\",\n\"alg\":\"%s\"}", alg);
    assert_ok(jws_sign(k, span_str(header), span_str("{\"a\": \"payload\"}"), &jws, &e));
    assert_ok(signer_public_jwk(k, &jwk, &e));
    json_t *line = json_pack("{s:s, s:o, s:s, s:s}", "alg", alg, "key", jwk, "jws", buf_cstr(&jws),
                             "payload", "{\"a\": \"payload\"}");
    assert_ok(json_format(line, false, lines, &e));
    assert_ok(buf_add_str(lines, "\n", &e));
    json_decref(line);
}

static void signs_what_others_verify(void **state)
{
    static const char *const rsa_algs[] = { "RS256", "RS384", "RS512", "PS256", "PS384", "PS512" };
    CLEANUP(buf_done) struct buf lines = { 0 }, said = { 0 };
    char command[512], path[] = "/tmp/test_jws_sign.XXXXXX";
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rsa_algs); i++)
        add_case(rsa, rsa_algs[i], &lines);
    for (int i = 0; i < 20; i++) /* r and s are short now and then */
        add_case(p256, "ES256", &lines);
    add_case(p384, "ES384", &lines);

    close(mkstemp(path));
    assert_ok(file_write(path, buf_span(&lines), &e));
    snprintf(command, sizeof(command), "/usr/bin/python3 %s/tests/crypto/judge_jws.py",
             getenv("SOURCE_ROOT"));
    const int status = judge_tool(command, "/", path, true, &said);
    unlink(path);
    if (status == 77 || status == JUDGE_ABSENT)
        skip_because("python3-jwcrypto is not installed");
    if (status != 0)
        fail_msg("%s", buf_cstr(&said));
}

static void leaves_the_header_and_the_payload_as_they_are(void **state)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct err e;

    (void)state;
    assert_ok(buf_add_str(&jws, "before:", &e));
    assert_ok(jws_sign(rsa, span_str("{ \"alg\":\"RS256\" }"), span_of("\0\xff", 2), &jws, &e));
    assert_true(str_starts_with(buf_cstr(&jws), "before:eyAiYWxnIjoiUlMyNTYiIH0.AP8."));
}

static void refuses_headers_that_do_not_fit_the_key(void **state)
{
    const struct {
        const struct signer *key;
        const char *header, *needle;
    } cases[] = {
        { rsa, "{\"alg\":\"none\"}", "no such alg" },
        { rsa, "{\"alg\":\"HS256\"}", "no such alg" },
        { rsa, "{\"alg\":\"ES512\"}", "no such alg" },
        { rsa, "{\"alg\":\"ES256\"}", "needs a P-256 key" },
        { p384, "{\"alg\":\"ES256\"}", "needs a P-256 key" },
        { p256, "{\"alg\":\"ES384\"}", "needs a P-384 key" },
        { p256, "{\"alg\":\"RS256\"}", "needs an RSA key" },
        { p256, "{\"alg\":\"PS512\"}", "needs an RSA key" },
        { rsa, "{\"alg\":256}", "alg" },
        { rsa, "{}", "\"alg\"" },
        { rsa, "[\"RS256\"]", "\"alg\"" },
        { rsa, "RS256", "header" },
        { rsa, "", "header" },
    };
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_fails(ERR_ARG, cases[i].needle,
                     jws_sign(cases[i].key, span_str(cases[i].header), span_str("{}"), &jws, &e));
        assert_int_equal(jws.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_what_others_verify),
        cmocka_unit_test(leaves_the_header_and_the_payload_as_they_are),
        cmocka_unit_test(refuses_headers_that_do_not_fit_the_key),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
