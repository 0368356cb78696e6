/* Keys of openssl's and of Python's making go in; what comes out is read by openssl again. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "crypto/signer.h"
#include "crypto/x509_issue.h"
#include "support/judge_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_signer.XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/key.pem", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/out", dir);
    unlink(path);
    return rmdir(dir);
}

/* What openssl prints, run in the directory. Skips the test where there is no openssl. */
static void run_openssl(const char *args, struct buf *out)
{
    char command[512];

    snprintf(command, sizeof(command), "openssl %s", args);
    const int status = judge_tool(command, dir, NULL, false, out);
    if (status == JUDGE_ABSENT)
        skip_because("openssl is not installed");
    if (status != 0)
        fail_msg("%s: status %d", command, status);
}

static void put_key(struct span pem)
{
    char path[128];
    struct err e;

    snprintf(path, sizeof(path), "%s/key.pem", dir);
    assert_ok(file_write(path, pem, &e));
}

static void makes_keys_that_openssl_checks(void **state)
{
    static const struct {
        unsigned bits;
        enum signer_curve curve;
        const char *needle;
    } cases[] = {
        { 2048, 0, "Private-Key: (2048 bit, 2 primes)" },
        { 3072, 0, "Private-Key: (3072 bit, 2 primes)" },
        { 0, SIGNER_P256, "NIST CURVE: P-256" },
        { 0, SIGNER_P384, "NIST CURVE: P-384" },
        { 0, SIGNER_P521, "NIST CURVE: P-521" },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(signer_freep) struct signer *k = NULL;
        CLEANUP(buf_done) struct buf pem = { 0 }, text = { 0 }, public = { 0 }, theirs = { 0 };

        if (cases[i].bits != 0)
            assert_ok(signer_new_rsa(cases[i].bits, &k, &e));
        else
            assert_ok(signer_new_ec(cases[i].curve, &k, &e));
        assert_ok(signer_write_pem(k, &pem, &e));
        put_key(buf_span(&pem));
        run_openssl("pkey -in key.pem -check -noout -text", &text);
        assert_true(str_contains(buf_span(&text), "Key is valid"));
        assert_true(str_contains(buf_span(&text), cases[i].needle));
        assert_ok(signer_public_der(k, &public, &e));
        run_openssl("pkey -in key.pem -pubout -outform der", &theirs);
        assert_span_equal(buf_span(&public), buf_span(&theirs));
    }
}

static void takes_keys_in_every_form_that_it_writes(void **state)
{
    static const char *const commands[] = {
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        CLEANUP(signer_freep) struct signer *from_pem = NULL;
        CLEANUP(signer_freep) struct signer *from_der = NULL;
        CLEANUP(buf_done) struct buf theirs = { 0 }, pem = { 0 }, der = { 0 }, der2 = { 0 };

        run_openssl(commands[i], &theirs);
        assert_ok(signer_from_pem(buf_span(&theirs), &from_pem, &e));
        assert_ok(signer_write_pem(from_pem, &pem, &e));
        assert_span_equal(buf_span(&pem), buf_span(&theirs));
        assert_ok(signer_write_der(from_pem, &der, &e));
        assert_ok(signer_from_der(buf_span(&der), &from_der, &e));
        assert_ok(signer_write_der(from_der, &der2, &e));
        assert_span_equal(buf_span(&der), buf_span(&der2));
        assert_ok(buf_add_str(&der, "x", &e));
        struct signer *none = NULL;
        assert_fails(ERR_PARSE, "PKCS#8", signer_from_der(buf_span(&der), &none, &e));
        assert_null(none);
    }
}

static void refuses_other_private_keys(void **state)
{
    static const struct {
        const char *command, *needle;
    } cases[] = {
        { "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "not 1024" },
        { "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "P-256" },
        { "genpkey -algorithm ED25519", "P-256" },
        { "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes128 -pass pass:secret",
          "unencrypted PKCS#8" },
        { "ecparam -name prime256v1 -genkey -noout", "unencrypted PKCS#8" },
        { "ecparam -name prime256v1", "unencrypted PKCS#8" },
        { "version", "no PEM" },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf pem = { 0 };
        struct signer *k = NULL;

        run_openssl(cases[i].command, &pem);
        assert_fails(ERR_PARSE, cases[i].needle, signer_from_pem(buf_span(&pem), &k, &e));
        assert_null(k);
    }
    struct signer *k = NULL;
    assert_fails(ERR_ARG, "1024", signer_new_rsa(1024, &k, &e));
}

/* RFC 7515 §A.2 (RSA, here with a leading zero in "e") and §A.3 (EC) */
static const char rsa_jwk[] =
    "{\"kty\":\"RSA-HSM\","
    "\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
    "4qPCJrcS2mJPMEzP1Pt0B"
    "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
    "bSf63kpaSHSXndS5z5rexMdb"
    "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
    "DWNmo"
    "udF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AAEAAQ\","
    "\"d\":\"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-"
    "7YwVol2N"
    "XOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_"
    "V51gfpR"
    "LI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_"
    "jTj3ccPDVZFD9pI"
    "uhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ\","
    "\"p\":\"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_"
    "5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py"
    "5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc\","
    "\"q\":\"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-"
    "7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQ"
    "eZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc\","
    "\"dp\":\"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-"
    "FOKn"
    "u1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0\","
    "\"dq\":\"h_96-mK1R_"
    "7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0"
    "ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU\","
    "\"qi\":\"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_"
    "QJQ3ydy5"
    "cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U\"}";

static const char ec_jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\","
                             "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                             "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
                             "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}";

static void takes_the_keys_of_rfc_7515(void **state)
{
    static const struct {
        const char *jwk;
        const char *members[4];
    } cases[] = {
        { rsa_jwk, { "n" } },
        { ec_jwk, { "crv", "x", "y" } },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *jwk = NULL;
        CLEANUP(json_freep) json_t *public = NULL;
        CLEANUP(signer_freep) struct signer *k = NULL;

        assert_ok(json_parse(span_str(cases[i].jwk), &jwk, &e));
        assert_ok(signer_from_jwk(jwk, &k, &e));
        assert_ok(signer_public_jwk(k, &public, &e));
        for (size_t m = 0; cases[i].members[m] != NULL; m++)
            assert_true(json_equal(json_object_get(public, cases[i].members[m]),
                                   json_object_get(jwk, cases[i].members[m])));
        assert_null(json_object_get(public, "d"));
        if (i == 0)
            assert_string_equal(json_string_value(json_object_get(public, "e")), "AQAB");
    }
}

/* Made with Python's cryptography so that "x" and "d" are shorter than the curve is wide. */
static const char short_jwk[] = "{\"kty\":\"EC-HSM\",\"crv\":\"P-256\","
                                "\"x\":\"29QcPuSEp5GJ9nmhMb6iDqwX8k4aIWFQgzxBupo3MQ\","
                                "\"y\":\"-IDhwdstm0sczncMN2nXzbtYGOuLMblAS26ER7nqLiA\","
                                "\"d\":\"EjRWeJCrze8SNFZ4kKvN7wAAAAAAAABX\"}";

static void widens_numbers_to_the_curve(void **state)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(json_freep) json_t *public = NULL;
    CLEANUP(signer_freep) struct signer *k = NULL;
    struct err e;

    (void)state;
    assert_ok(json_parse(span_str(short_jwk), &jwk, &e));
    assert_ok(signer_from_jwk(jwk, &k, &e));
    assert_ok(signer_public_jwk(k, &public, &e));
    assert_string_equal(json_string_value(json_object_get(public, "x")),
                        "ANvUHD7khKeRifZ5oTG-og6sF_JOGiFhUIM8QbqaNzE");
}

/* Each row changes one member of a good key; NULL removes it. */
static void refuses_jwks_that_do_not_hold_together(void **state)
{
    static const struct {
        const char *jwk, *member, *value;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { rsa_jwk, "kty", NULL, ERR_PARSE, "kty" },
        { rsa_jwk, "kty", "oct", ERR_PARSE, "kty" },
        { rsa_jwk, "kty", "EC", ERR_PARSE, "crv" },
        { rsa_jwk, "d", NULL, ERR_PARSE, "\"d\"" },
        { rsa_jwk, "qi", NULL, ERR_PARSE, "\"qi\"" },
        { rsa_jwk, "n", "", ERR_PARSE, "\"n\"" },
        { rsa_jwk, "n", "*", ERR_PARSE, "\"n\"" },
        { rsa_jwk, "n", "AQAB", ERR_PARSE, "bits" },
        { rsa_jwk, "e", "Aw", ERR_CHECK, "do not belong together" },
        { rsa_jwk, "d", "AQAB", ERR_CHECK, "do not belong together" },
        { rsa_jwk, "p", "AQAB", ERR_CHECK, "do not belong together" },
        { rsa_jwk, "dp", "AQAB", ERR_CHECK, "do not belong together" },
        { rsa_jwk, "qi", "AQAB", ERR_CHECK, "do not belong together" },
        { ec_jwk, "crv", NULL, ERR_PARSE, "crv" },
        { ec_jwk, "crv", "P-256K", ERR_PARSE, "crv" },
        { ec_jwk, "crv", "P-384", ERR_CHECK, "" },
        { ec_jwk, "x", "AQAB", ERR_CHECK, "" },
        { ec_jwk, "y", NULL, ERR_PARSE, "\"y\"" },
        { ec_jwk, "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEUA", ERR_PARSE, "too long" },
        { ec_jwk, "d", "AQAB", ERR_CHECK, "do not belong together" },
        { ec_jwk, "d", "AA", ERR_CHECK, "do not belong together" },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *jwk = NULL;
        struct signer *k = NULL;

        assert_ok(json_parse(span_str(cases[i].jwk), &jwk, &e));
        if (cases[i].value == NULL)
            json_object_del(jwk, cases[i].member);
        else
            json_object_set_new(jwk, cases[i].member, json_string(cases[i].value));
        if (signer_from_jwk(jwk, &k, &e) == 0)
            fail_msg("%s of row %zu was accepted", cases[i].member, i);
        if (e.code != cases[i].code || strstr(e.msg, cases[i].needle) == NULL)
            fail_msg("%s of row %zu: %s", cases[i].member, i, e.msg);
        assert_null(k);
    }
}

static void signs_reports_as_a_certificate_can_verify(void **state)
{
    CLEANUP(signer_freep) struct signer *p384 = NULL;
    CLEANUP(signer_freep) struct signer *p256 = NULL;
    CLEANUP(x509_cert_freep) struct x509_cert *cert = NULL;
    uint8_t r[SIGNER_P384_SIZE], s[SIGNER_P384_SIZE];
    struct err e;

    (void)state;
    assert_ok(signer_new_ec(SIGNER_P384, &p384, &e));
    assert_ok(signer_new_ec(SIGNER_P256, &p256, &e));
    const struct x509_description d = { .key = p384, .not_after = 1 };
    assert_ok(x509_issue(&d, &cert, &e));
    for (int i = 0; i < 50; i++) {
        assert_ok(signer_ecdsa_p384(p384, span_of(&i, sizeof(i)), r, s, &e));
        assert_ok(x509_check_ecdsa_p384(cert, span_of(&i, sizeof(i)), r, s, &e));
    }
    assert_fails(ERR_ARG, "P-384", signer_ecdsa_p384(p256, span_str("x"), r, s, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_keys_that_openssl_checks),
        cmocka_unit_test(takes_keys_in_every_form_that_it_writes),
        cmocka_unit_test(refuses_other_private_keys),
        cmocka_unit_test(takes_the_keys_of_rfc_7515),
        cmocka_unit_test(widens_numbers_to_the_curve),
        cmocka_unit_test(refuses_jwks_that_do_not_hold_together),
        cmocka_unit_test(signs_reports_as_a_certificate_can_verify),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
