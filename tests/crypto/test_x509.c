/* Certificates of tests/data/x509/ (Python's cryptography: see generate.py) and AMD's own. */
#include "support/asserts.h"

#include "base/file.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_FILE 1000000
#define HWID     "1.3.6.1.4.1.3704.1.4"
#define UCODE    "1.3.6.1.4.1.3704.1.3.8"

static struct x509_cert *load(const char *name)
{
    CLEANUP(buf_done) struct buf der = { 0 };
    struct x509_cert *c = NULL;
    char path[512];
    struct err e;

    snprintf(path, sizeof(path), "%s/tests/data/x509/%s.der", getenv("SOURCE_ROOT"), name);
    assert_ok(file_read(path, MAX_FILE, &der, &e));
    assert_ok(x509_cert_from_der(buf_span(&der), &c, &e));
    assert_span_equal(x509_cert_der(c), buf_span(&der));
    return c;
}

/* False where published evidence is absent. */
static bool read_vector(const char *name, struct buf *out)
{
    char path[512];
    struct err e;
    const char *dir = getenv("VECTORS_DIR");

    snprintf(path, sizeof(path), "%s/%s", dir == NULL ? "" : dir, name);
    return file_read(path, MAX_FILE, out, &e) == 0;
}

static bool load_vector_chain(const char *name, struct x509_list *out)
{
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct err e;

    if (!read_vector(name, &pem))
        return false;
    assert_ok(x509_list_from_pem(buf_span(&pem), out, &e));
    return true;
}

static void accepts_exactly_the_signature_of_amd(void **state)
{
    static const struct {
        const char *name, *needle; /* NULL: accepted */
    } cases[] = {
        { "pss_good", NULL },
        { "pss_good_trailer", NULL },
        { "pss_good_without_null", NULL },
        { "pss_other_key", "not signed by its issuer" },
        { "pss_tampered", "not signed by its issuer" },
        { "pss_salt_lies", "not signed by its issuer" },
        { "pss_inner_differs", "not signed by its issuer" },
        { "pss_sha256", "RSASSA-PSS of SHA-384" },
        { "pss_mgf_sha256", "RSASSA-PSS of SHA-384" },
        { "pss_mgf_default", "RSASSA-PSS of SHA-384" },
        { "pss_hash_default", "RSASSA-PSS of SHA-384" },
        { "pss_salt_32", "RSASSA-PSS of SHA-384" },
        { "pss_salt_default", "RSASSA-PSS of SHA-384" },
        { "pss_all_default", "RSASSA-PSS of SHA-384" },
        { "pss_no_parameters", "RSASSA-PSS of SHA-384" },
        { "pss_trailer_2", "RSASSA-PSS of SHA-384" },
        { "pss_member_behind", "RSASSA-PSS of SHA-384" },
        { "pkcs1_sha384", "RSASSA-PSS of SHA-384" },
    };
    CLEANUP(x509_cert_freep) struct x509_cert *issuer = load("issuer");
    CLEANUP(x509_cert_freep) struct x509_cert *ec = load("p256");
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(x509_cert_freep) struct x509_cert *c = load(cases[i].name);
        const int result = x509_check_pss_sha384(c, issuer, &e);

        if (cases[i].needle == NULL && result != 0)
            fail_msg("%s: %s", cases[i].name, e.msg);
        if (cases[i].needle != NULL &&
            (result == 0 || e.code != ERR_CHECK || strstr(e.msg, cases[i].needle) == NULL))
            fail_msg("%s: %s", cases[i].name, result == 0 ? "accepted" : e.msg);
        assert_fails(ERR_CHECK, "", x509_check_pss_sha384(c, ec, &e));
    }
}

static void tells_authorities_from_others(void **state)
{
    static const struct {
        const char *name;
        bool is_ca;
    } cases[] = {
        { "issuer", true },        { "ca_without_usage", true },
        { "ca_with_usage", true }, { "ca_without_cert_sign", false },
        { "ca_false", false },     { "ca_false_with_usage", false },
        { "ca_absent", false },    { "ca_absent_with_usage", false },
        { "pss_good", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(x509_cert_freep) struct x509_cert *c = load(cases[i].name);

        if (x509_is_ca(c) != cases[i].is_ca)
            fail_msg("%s", cases[i].name);
    }
}

static void reads_names_dates_and_keys(void **state)
{
    static const struct {
        const char *name, *common_name;
        bool has_p384_key;
    } cases[] = {
        { "pss_good", "Leaf", true }, { "p256", "Leaf", false },
        { "rsa", "Leaf", false },     { "issuer", "Issuer", false },
        { "name_two", "", true },     { "name_none", "", true },
        { "name_nul", "", true },     { "name_utf8", "Ger\xc3\xa4t", true },
    };
    CLEANUP(x509_cert_freep) struct x509_cert *issuer = load("issuer");
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = load("pss_good");
    char small[6];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(x509_cert_freep) struct x509_cert *c = load(cases[i].name);
        char name[16] = "untouched";

        x509_common_name(c, name, sizeof(name));
        assert_string_equal(name, cases[i].common_name);
        assert_int_equal(x509_has_p384_key(c), cases[i].has_p384_key);
    }
    x509_common_name(issuer, small, sizeof(small));
    assert_string_equal(small, "");

    assert_true(x509_is_issuer_name(leaf, issuer));
    assert_true(x509_is_issuer_name(issuer, issuer));
    assert_false(x509_is_issuer_name(issuer, leaf));

    assert_false(x509_is_valid_at(leaf, 1704067199));
    assert_true(x509_is_valid_at(leaf, 1704067200));
    assert_true(x509_is_valid_at(leaf, 2335219200));
    assert_false(x509_is_valid_at(leaf, 2335219201));
    assert_false(x509_is_valid_at(leaf, 0));
    assert_false(x509_is_valid_at(leaf, INT64_MAX));
    assert_false(x509_is_valid_at(leaf, INT64_MIN));
}

static void reads_an_extension_only_when_it_is_there_once(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = load("pss_good");
    CLEANUP(x509_cert_freep) struct x509_cert *twice = load("extension_twice");
    struct span value = { 0 };
    uint8_t hwid[64];

    (void)state;
    for (size_t i = 0; i < sizeof(hwid); i++)
        hwid[i] = (uint8_t)i;
    assert_true(x509_extension(leaf, HWID, &value));
    assert_span_equal(value, span_of(hwid, sizeof(hwid)));
    assert_true(x509_extension(leaf, UCODE, &value));
    assert_span_equal(value, span_of("\x02\x02\x00\xdb", 4));

    value = span_str("untouched");
    assert_false(x509_extension(twice, HWID, &value));
    assert_false(x509_extension(leaf, "1.3.6.1.4.1.3704.1.5", &value));
    assert_false(x509_extension(leaf, "1.3.6.1.4.1.3704.1", &value));
    assert_false(x509_extension(leaf, "HWID", &value));
    assert_false(x509_extension(leaf, "", &value));
    assert_span_equal(value, span_str("untouched"));
}

static void checks_the_signature_of_a_p384_key(void **state)
{
    /* FIPS 186-4 D.1.2.4: the order of the curve */
    static const char order[] = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf"
                                "581a0db248b0a77aecec196accc52973";
    CLEANUP(buf_done) struct buf sig = { 0 }, n = { 0 };
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = load("pss_good");
    CLEANUP(x509_cert_freep) struct x509_cert *p256 = load("p256");
    CLEANUP(x509_cert_freep) struct x509_cert *rsa = load("rsa");
    const struct span data = span_str("a report");
    static const uint8_t zero[48], all_ones[48] = { [0 ... 47] = 0xff };
    char path[512];
    struct err e;

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/data/x509/report.sig", getenv("SOURCE_ROOT"));
    assert_ok(file_read(path, 96, &sig, &e));
    assert_ok(hex_decode(span_str(order), &n, &e));
    const uint8_t *r = sig.p, *s = sig.p + 48;

    assert_ok(x509_check_ecdsa_p384(leaf, data, r, s, &e));
    assert_fails(ERR_CHECK, "signature is not",
                 x509_check_ecdsa_p384(leaf, span_str("a repors"), r, s, &e));
    assert_fails(ERR_CHECK, "signature is not", x509_check_ecdsa_p384(leaf, data, s, r, &e));
    assert_fails(ERR_CHECK, "signature is not", x509_check_ecdsa_p384(leaf, data, r, r, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, zero, s, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, r, zero, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, n.p, s, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, r, n.p, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, all_ones, s, &e));
    assert_fails(ERR_CHECK, "out of range", x509_check_ecdsa_p384(leaf, data, r, all_ones, &e));
    n.p[47]--; /* the largest number that is in range */
    assert_fails(ERR_CHECK, "signature is not", x509_check_ecdsa_p384(leaf, data, n.p, s, &e));
    assert_fails(ERR_CHECK, "no P-384 key", x509_check_ecdsa_p384(p256, data, r, s, &e));
    assert_fails(ERR_CHECK, "no P-384 key", x509_check_ecdsa_p384(rsa, data, r, s, &e));
}

static void refuses_what_is_no_certificate(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = load("pss_good");
    CLEANUP(buf_done) struct buf der = { 0 };
    const struct span whole = x509_cert_der(leaf);
    struct x509_cert *c = NULL;
    struct err e;

    (void)state;
    for (size_t n = 0; n < whole.n; n++)
        assert_fails(ERR_PARSE, "", x509_cert_from_der(span_of(whole.p, n), &c, &e));
    assert_ok(buf_add(&der, whole.p, whole.n, &e));
    assert_ok(buf_add(&der, "", 1, &e));
    assert_fails(ERR_PARSE, "bytes behind", x509_cert_from_der(buf_span(&der), &c, &e));
    assert_fails(ERR_PARSE, "not a certificate", x509_cert_from_der(span_str("cert"), &c, &e));

    uint8_t *room;
    buf_done(&der);
    assert_ok(buf_reserve(&der, 65537, &room, &e));
    memset(room, 0x30, 65537);
    assert_fails(ERR_PARSE, "65537 bytes", x509_cert_from_der(span_of(room, 65537), &c, &e));
    assert_null(c);
}

/* n copies of one certificate as PEM, with a line of text between */
static void write_pem(size_t n, struct buf *out)
{
    CLEANUP(buf_done) struct buf one = { 0 };
    struct err e;
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/data/jws/roots.pem", getenv("SOURCE_ROOT"));
    assert_ok(file_read(path, MAX_FILE, &one, &e));
    for (size_t i = 0; i < n; i++) {
        assert_ok(buf_add_str(out, "# a root\n", &e));
        assert_ok(buf_add(out, one.p, one.n, &e));
    }
}

static void reads_chains_of_pem(void **state)
{
    static const char *const damages[] = {
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        ("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
         "000102030405060708090A0B0C0D0E0F\n\nAAAA\n-----END CERTIFICATE-----\n"),
    };
    struct x509_list list = { 0 };
    struct err e;

    (void)state;
    for (size_t n = 1; n <= X509_MAX_CHAIN; n++) {
        CLEANUP(buf_done) struct buf pem = { 0 };

        write_pem(n, &pem);
        assert_ok(x509_list_from_pem(buf_span(&pem), &list, &e));
        assert_int_equal(list.n, n);
        x509_list_done(&list);
        assert_int_equal(list.n, 0);
    }
    CLEANUP(buf_done) struct buf long_pem = { 0 };
    write_pem(X509_MAX_CHAIN + 1, &long_pem);
    assert_fails(ERR_PARSE, "more than 8", x509_list_from_pem(buf_span(&long_pem), &list, &e));
    assert_fails(ERR_PARSE, "no PEM certificate", x509_list_from_pem(span_str(""), &list, &e));
    assert_fails(ERR_PARSE, "no PEM certificate",
                 x509_list_from_pem(span_str("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                                             "-----END PRIVATE KEY-----\n"),
                                    &list, &e));
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        CLEANUP(buf_done) struct buf pem = { 0 };

        write_pem(1, &pem);
        assert_ok(buf_add_str(&pem, damages[i], &e));
        assert_fails(ERR_PARSE, "PEM", x509_list_from_pem(buf_span(&pem), &list, &e));
        assert_int_equal(list.n, 0);
    }
}

static void lists_grow_to_their_bound(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *leaf = load("pss_good");
    CLEANUP(x509_list_done) struct x509_list list = { 0 };
    struct err e;

    (void)state;
    for (size_t i = 0; i < X509_MAX_CHAIN; i++) {
        assert_fails(ERR_PARSE, "not a certificate", x509_list_add_der(&list, span_str("x"), &e));
        assert_ok(x509_list_add_der(&list, x509_cert_der(leaf), &e));
        assert_int_equal(list.n, i + 1);
    }
    assert_fails(ERR_PARSE, "more than 8", x509_list_add_der(&list, x509_cert_der(leaf), &e));
    assert_int_equal(list.n, X509_MAX_CHAIN);
}

/* Fingerprints as AMD's roots are published everywhere: SHA-256 of the public key. */
static void knows_the_roots_of_amd(void **state)
{
    static const struct {
        const char *file;
        size_t at;
        const char *name, *spki;
    } cases[] = {
        { "amd-roots/ask_ark_milan.pem", 1, "ARK-Milan",
          "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9" },
        { "amd-roots/ask_ark_milan.pem", 0, "SEV-Milan",
          "42491669ccb851d627ea9846cd24eccbeb7de7c2a62740120fff88001d38ebb6" },
        { "amd-roots/ask_ark_milan_vlek.pem", 0, "SEV-VLEK-Milan",
          "66450a123ea5876206df67f2514a4fea224c0f63b18313423078b0edc4535e33" },
        { "amd-roots/ask_ark_genoa.pem", 1, "ARK-Genoa",
          "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831" },
        { "amd-roots/ask_ark_turin_vcek.pem", 1, "ARK-Turin",
          "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08" },
        { "amd-roots/ask_ark_turin_vlek.pem", 0, "SEV-VLEK-Turin",
          "bfc441408b2f806c5dbf180bd8920e6e60dd404d82141780d85dbf962954d386" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(x509_list_done) struct x509_list list = { 0 };
        uint8_t digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1], name[64];
        struct err e;

        if (!load_vector_chain(cases[i].file, &list))
            skip_because("%s is not here", cases[i].file);
        const struct x509_cert *c = list.certs[cases[i].at];
        assert_ok(digest_sha256(x509_cert_spki(c), digest, &e));
        hex_format(digest, sizeof(digest), hex);
        assert_string_equal(hex, cases[i].spki);
        x509_common_name(c, name, sizeof(name));
        assert_string_equal(name, cases[i].name);
        assert_true(x509_is_ca(c));
        assert_ok(x509_check_pss_sha384(c, list.certs[1], &e));
        assert_true(x509_is_issuer_name(c, list.certs[1]));
    }
}

static void verifies_a_real_report_up_to_its_root(void **state)
{
    CLEANUP(x509_list_done) struct x509_list list = { 0 };
    CLEANUP(buf_done) struct buf report = { 0 };
    struct span hwid;
    struct err e;
    uint8_t r[48], s[48];

    (void)state;
    if (!load_vector_chain("confidential-sidecar-containers/uvm_host_amd_certificate.pem", &list) ||
        !read_vector("confidential-sidecar-containers/snp_report.bin", &report))
        skip_because("confidential-sidecar-containers is not here");
    assert_int_equal(list.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ok(x509_check_pss_sha384(list.certs[i], list.certs[i < 2 ? i + 1 : 2], &e));
    assert_fails(ERR_CHECK, "", x509_check_pss_sha384(list.certs[0], list.certs[2], &e));
    assert_false(x509_is_ca(list.certs[0]));
    assert_true(x509_is_ca(list.certs[1]));
    assert_true(x509_has_p384_key(list.certs[0]));

    /* snp.md §1.6: little-endian numbers; CHIP_ID lies at 1A0 */
    for (size_t i = 0; i < 48; i++) {
        r[i] = report.p[0x2a0 + 47 - i];
        s[i] = report.p[0x2e8 + 47 - i];
    }
    assert_ok(x509_check_ecdsa_p384(list.certs[0], span_of(report.p, 0x2a0), r, s, &e));
    report.p[0x90] ^= 1;
    assert_fails(ERR_CHECK, "signature is not",
                 x509_check_ecdsa_p384(list.certs[0], span_of(report.p, 0x2a0), r, s, &e));
    assert_true(x509_extension(list.certs[0], HWID, &hwid));
    assert_span_equal(hwid, span_of(report.p + 0x1a0, 64));
}

static void reads_a_certificate_as_amd_delivers_it(void **state)
{
    CLEANUP(buf_done) struct buf der = { 0 };
    CLEANUP(x509_cert_freep) struct x509_cert *c = NULL;
    CLEANUP(x509_list_done) struct x509_list issuers = { 0 };
    struct err e;
    char name[32];

    (void)state;
    if (!read_vector("go-sev-guest/vcek.der", &der) ||
        !load_vector_chain("go-sev-guest/milan_ask_ark_kds.pem", &issuers))
        skip_because("go-sev-guest is not here");
    assert_ok(x509_cert_from_der(buf_span(&der), &c, &e));
    assert_span_equal(x509_cert_der(c), buf_span(&der));
    x509_common_name(c, name, sizeof(name));
    assert_string_equal(name, "SEV-VCEK");
    assert_ok(x509_check_pss_sha384(c, issuers.certs[0], &e));
    assert_fails(ERR_CHECK, "not signed", x509_check_pss_sha384(c, issuers.certs[1], &e));
    assert_true(x509_is_valid_at(c, 1663980928));
    assert_false(x509_is_valid_at(c, 1663980927));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_exactly_the_signature_of_amd),
        cmocka_unit_test(tells_authorities_from_others),
        cmocka_unit_test(reads_names_dates_and_keys),
        cmocka_unit_test(reads_an_extension_only_when_it_is_there_once),
        cmocka_unit_test(checks_the_signature_of_a_p384_key),
        cmocka_unit_test(refuses_what_is_no_certificate),
        cmocka_unit_test(reads_chains_of_pem),
        cmocka_unit_test(lists_grow_to_their_bound),
        cmocka_unit_test(knows_the_roots_of_amd),
        cmocka_unit_test(verifies_a_real_report_up_to_its_root),
        cmocka_unit_test(reads_a_certificate_as_amd_delivers_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
