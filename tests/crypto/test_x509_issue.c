/* What is issued is judged by the openssl command and read by Python's cryptography. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/x509_issue.h"
#include "support/judge_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BORN 1700000000 /* 2023-11-14T22:13:20 */
#define DIES 4102444799 /* 2099-12-31T23:59:59: a GeneralizedTime */

static char dir[64];
static struct signer *root_key, *leaf_key, *server_key;

static int make_keys(void **state)
{
    struct err e;

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_x509_issue.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    assert_ok(signer_new_rsa(2048, &root_key, &e));
    assert_ok(signer_new_ec(SIGNER_P384, &leaf_key, &e));
    assert_ok(signer_new_ec(SIGNER_P256, &server_key, &e));
    return 0;
}

static int free_keys(void **state)
{
    static const char *const names[] = { "ark.pem", "ask.pem", "leaf.pem" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    signer_free(root_key);
    signer_free(leaf_key);
    signer_free(server_key);
    return rmdir(dir);
}

static struct x509_cert *issue(const struct x509_description *d, const char *file)
{
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct x509_cert *c = NULL;
    char path[128];
    struct err e;

    assert_ok(x509_issue(d, &c, &e));
    assert_ok(x509_issue_write_pem(c, &pem, &e));
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    assert_ok(file_write(path, buf_span(&pem), &e));
    return c;
}

/* Runs a command in the directory and looks for each needle in what it says. */
static void judge(const char *command, const char *stdin_file, int want_status,
                  const char *const *needles)
{
    CLEANUP(buf_done) struct buf said = { 0 };
    const int status = judge_tool(command, dir, stdin_file, true, &said);

    if (status == JUDGE_ABSENT || status == 77)
        skip_because("the judge of \"%s\" is not installed", command);
    if (status != want_status)
        fail_msg("%s: status %d, %s", command, status, buf_cstr(&said));
    for (; *needles != NULL; needles++)
        if (!str_contains(buf_span(&said), *needles))
            fail_msg("%s: no \"%s\" in %s", command, *needles, buf_cstr(&said));
}

static void judge_by_python(const char *file, const char *const *needles)
{
    char command[512];

    snprintf(command, sizeof(command), "/usr/bin/python3 %s/tests/crypto/judge_x509.py",
             getenv("SOURCE_ROOT"));
    judge(command, file, 0, needles);
}

/* The names of a certificate of AMD's: the common parts in AMD's order, then the own one. */
#define AMD_NAME(cn)                                                                               \
    (const struct x509_name_part[])                                                                \
    {                                                                                              \
        { "OU", "Engineering" }, { "C", "US" }, { "L", "Santa Clara" }, { "ST", "CA" },            \
            { "O", "Advanced Micro Devices" },                                                     \
        {                                                                                          \
            "CN", cn                                                                               \
        }                                                                                          \
    }
#define AMD_SUBJECT "OU=Engineering,C=US,L=Santa Clara,ST=CA,O=Advanced Micro Devices,CN="

static const uint8_t hwid[64] = { 0xab };
static const struct x509_raw_extension vcek_extensions[] = {
    { "1.3.6.1.4.1.3704.1.1", { (const uint8_t *)"\x02\x01\x00", 3 }, false },
    { "1.3.6.1.4.1.3704.1.3.8", { (const uint8_t *)"\x02\x02\x00\xdb", 4 }, false },
    { "1.3.6.1.4.1.3704.1.4", { hwid, sizeof(hwid) }, false },
};

static void issue_as_amd(struct x509_cert **root, struct x509_cert **leaf)
{
    const struct x509_description ark = {
        .subject = AMD_NAME("ARK-Milan"),
        .n_subject = 6,
        .serial = 0x010000,
        .not_before = BORN,
        .not_after = DIES,
        .key = root_key,
        .signature = X509_SIGN_PSS_SHA384,
        .ca = true,
        .key_usage = X509_USE_KEY_CERT_SIGN | X509_USE_CRL_SIGN,
    };
    *root = issue(&ark, "ark.pem");
    const struct x509_description vcek = {
        .subject = AMD_NAME("SEV-VCEK"),
        .n_subject = 6,
        .not_before = BORN,
        .not_after = DIES,
        .key = leaf_key,
        .issuer = *root,
        .issuer_key = root_key,
        .signature = X509_SIGN_PSS_SHA384,
        .extensions = vcek_extensions,
        .n_extensions = ARRAY_LEN(vcek_extensions),
    };
    *leaf = issue(&vcek, "leaf.pem");
}

static void leaves_out_what_amd_leaves_out(void **state)
{
    static const char *const absent[] = { "2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.35" };
    CLEANUP(x509_cert_freep) struct x509_cert *root = NULL;
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = NULL;
    struct span value;
    struct err e;

    (void)state;
    issue_as_amd(&root, &leaf);
    assert_ok(x509_check_pss_sha384(root, root, &e));
    assert_ok(x509_check_pss_sha384(leaf, root, &e));
    assert_true(x509_extension(leaf, "1.3.6.1.4.1.3704.1.4", &value));
    assert_span_equal(value, span_of(hwid, sizeof(hwid)));
    assert_true(x509_is_ca(root));
    assert_false(x509_is_ca(leaf));
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        assert_false(x509_extension(leaf, absent[i], &value));
}

static void issues_chains_as_amd_does(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *root = NULL;
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = NULL;

    (void)state;
    issue_as_amd(&root, &leaf);
    judge("openssl verify -CAfile ark.pem leaf.pem", NULL, 0,
          (const char *[]){ "leaf.pem: OK", NULL });
    judge("openssl x509 -in leaf.pem -noout -text", NULL, 0,
          (const char *[]){ "Serial Number: 0 (0x0)", "rsassaPss", "Hash Algorithm: sha384",
                            "Mask Algorithm: mgf1 with sha384", "Salt Length: 0x30",
                            "NIST CURVE: P-384", NULL });
    judge_by_python("ark.pem",
                    (const char *[]){ "serial 65536\n", "subject " AMD_SUBJECT "ARK-Milan\n",
                                      "extension 2.5.29.19 True True None\n",
                                      "extension 2.5.29.15 True key_cert_sign crl_sign", NULL });
    judge_by_python("leaf.pem",
                    (const char *[]){ "serial 0\n", "subject " AMD_SUBJECT "SEV-VCEK\n",
                                      "issuer " AMD_SUBJECT "ARK-Milan\n",
                                      "validity 2023-11-14T22:13:20 2099-12-31T23:59:59\n",
                                      "algorithm 1.2.840.113549.1.1.10\n",
                                      "extension 1.3.6.1.4.1.3704.1.1 False 020100\n"
                                      "extension 1.3.6.1.4.1.3704.1.3.8 False 020200db\n"
                                      "extension 1.3.6.1.4.1.3704.1.4 False ab00",
                                      NULL });
}

/* An authority that allows none below itself. */
static struct x509_cert *issue_local_ca(void)
{
    const struct x509_description ca = {
        .subject = (const struct x509_name_part[]){ { "CN", "Local CA" }, { "O", "Lokal Ü" } },
        .n_subject = 2,
        .serial = UINT64_MAX,
        .not_before = BORN,
        .not_after = DIES,
        .key = root_key,
        .ca = true,
        .limit_path = true,
        .path_len = 0,
        .key_usage = X509_USE_KEY_CERT_SIGN,
        .key_ids = true,
    };

    return issue(&ca, "ark.pem");
}

/* A server's certificate, or one for an authority in its place. */
static struct x509_cert *issue_server(const struct x509_cert *root, bool ca, const char *file)
{
    const struct x509_description server = {
        .subject = (const struct x509_name_part[]){ { "CN", "vault" } },
        .n_subject = 1,
        .serial = 128,
        .not_before = BORN,
        .not_after = DIES,
        .key = server_key,
        .issuer = root,
        .issuer_key = root_key,
        .ca = ca,
        .key_usage = X509_USE_DIGITAL_SIGNATURE | X509_USE_KEY_ENCIPHERMENT,
        .server_auth = true,
        .key_ids = true,
        .dns_names = (const char *const[]){ "v.localhost", "*.v.localhost", "127.0.0.1", "::1" },
        .n_dns_names = 4,
    };

    return issue(&server, file);
}

static void issues_chains_for_tls(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *root = issue_local_ca();

    (void)state;
    x509_cert_free(issue_server(root, false, "leaf.pem"));
    judge("openssl verify -x509_strict -purpose sslserver -verify_hostname a.v.localhost "
          "-CAfile ark.pem leaf.pem",
          NULL, 0, (const char *[]){ "leaf.pem: OK", NULL });
    judge("openssl verify -x509_strict -verify_ip ::1 -CAfile ark.pem leaf.pem", NULL, 0,
          (const char *[]){ "leaf.pem: OK", NULL });
    judge("openssl verify -verify_hostname vault -CAfile ark.pem leaf.pem", NULL, 2,
          (const char *[]){ "hostname mismatch", NULL });
    judge_by_python("ark.pem", (const char *[]){ "serial 18446744073709551615\n",
                                                 "subject CN=Local CA,O=Lokal Ü\n",
                                                 "algorithm 1.2.840.113549.1.1.11\n",
                                                 "extension 2.5.29.19 True True 0\n", NULL });
    judge_by_python("leaf.pem",
                    (const char *[]){ "serial 128\n", "algorithm 1.2.840.113549.1.1.11\n",
                                      "extension 2.5.29.15 True digital_signature "
                                      "key_encipherment\n",
                                      "extension 2.5.29.37 False 1.3.6.1.5.5.7.3.1\n",
                                      "extension 2.5.29.17 False DNSName:v.localhost "
                                      "DNSName:*.v.localhost IPAddress:127.0.0.1 IPAddress:::1\n",
                                      "extension 2.5.29.14 False", "extension 2.5.29.35 False",
                                      NULL });
}

static void limits_the_length_of_chains(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *root = issue_local_ca();
    CLEANUP(x509_cert_freep) struct x509_cert *below = issue_server(root, true, "ask.pem");
    const struct x509_description deep = {
        .subject = (const struct x509_name_part[]){ { "CN", "deep" } },
        .n_subject = 1,
        .not_before = BORN,
        .not_after = DIES,
        .key = leaf_key,
        .issuer = below,
        .issuer_key = server_key,
    };

    (void)state;
    x509_cert_free(issue(&deep, "leaf.pem"));
    judge("openssl verify -CAfile ark.pem -untrusted ask.pem leaf.pem", NULL, 2,
          (const char *[]){ "path length constraint exceeded", NULL });
}

static void signs_with_the_algorithm_that_was_asked_for(void **state)
{
    const struct {
        const struct signer *key;
        enum x509_signature signature;
        const char *oid;
    } cases[] = {
        { root_key, X509_SIGN_SHA256, "algorithm 1.2.840.113549.1.1.11\n" },
        { root_key, X509_SIGN_SHA384, "algorithm 1.2.840.113549.1.1.12\n" },
        { root_key, X509_SIGN_PSS_SHA384, "algorithm 1.2.840.113549.1.1.10\n" },
        { server_key, X509_SIGN_SHA256, "algorithm 1.2.840.10045.4.3.2\n" },
        { leaf_key, X509_SIGN_SHA384, "algorithm 1.2.840.10045.4.3.3\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct x509_description d = {
            .subject = &(const struct x509_name_part){ "CN", "self" },
            .n_subject = 1,
            .not_before = BORN,
            .not_after = DIES,
            .key = cases[i].key,
            .signature = cases[i].signature,
            .ca = true,
        };

        x509_cert_free(issue(&d, "ark.pem"));
        judge("openssl verify -check_ss_sig -CAfile ark.pem ark.pem", NULL, 0,
              (const char *[]){ "ark.pem: OK", NULL });
        judge_by_python("ark.pem", (const char *[]){ cases[i].oid, NULL });
    }
}

static void refuses_what_a_certificate_cannot_express(void **state)
{
    const struct x509_description good = {
        .subject = &(const struct x509_name_part){ "CN", "x" },
        .n_subject = 1,
        .not_before = BORN,
        .not_after = DIES,
        .key = leaf_key,
    };
    struct x509_description d;
    struct x509_cert *c = NULL;
    struct err e;
    char long_name[2048];

    (void)state;
    d = good;
    d.subject = &(const struct x509_name_part){ "XX", "x" };
    assert_fails(ERR_ARG, "part 1 of the subject, XX", x509_issue(&d, &c, &e));
    d.subject = &(const struct x509_name_part){ "C", "Germany" };
    assert_fails(ERR_ARG, "part 1 of the subject, C", x509_issue(&d, &c, &e));
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    d.subject = &(const struct x509_name_part){ "CN", long_name };
    assert_fails(ERR_ARG, "part 1 of the subject, CN", x509_issue(&d, &c, &e));

    d = good;
    d.extensions = &(const struct x509_raw_extension){ "1.2.x", { NULL, 0 }, false };
    d.n_extensions = 1;
    assert_fails(ERR_ARG, "extension 1.2.x", x509_issue(&d, &c, &e));

    d = good;
    d.signature = X509_SIGN_PSS_SHA384;
    assert_fails(ERR_ARG, "RSA issuer", x509_issue(&d, &c, &e));

    d = good;
    d.issuer_key = root_key;
    assert_fails(ERR_ARG, "come together", x509_issue(&d, &c, &e));

    d = good;
    d.not_after = INT64_MAX;
    assert_fails(ERR_ARG, "validity", x509_issue(&d, &c, &e));
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_chains_as_amd_does),
        cmocka_unit_test(leaves_out_what_amd_leaves_out),
        cmocka_unit_test(issues_chains_for_tls),
        cmocka_unit_test(limits_the_length_of_chains),
        cmocka_unit_test(signs_with_the_algorithm_that_was_asked_for),
        cmocka_unit_test(refuses_what_a_certificate_cannot_express),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
