#include "support/asserts.h"

#include "attest/amd_roots.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "support/evidence_files.h"

static void fingerprint(struct span bytes, char out[65])
{
    uint8_t digest[SHA256_SIZE];
    struct err e;

    assert_ok(digest_sha256(bytes, digest, &e));
    hex_format(digest, sizeof(digest), out);
}

/* Fingerprints that five other projects carry for these certificates and their public keys. */
static void the_builtin_roots_are_amds(void **state)
{
    static const struct {
        const char *name, *cert, *spki;
    } known[] = {
        { "ARK-Milan", "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
          "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9" },
        { "ARK-Genoa", "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
          "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831" },
        { "ARK-Turin", "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
          "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08" },
    };
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    struct err e;

    assert_ok(amd_roots_add_builtin(&roots, &e));
    assert_int_equal(roots.arks.n, ARRAY_LEN(known));
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const struct x509_cert *c = roots.arks.certs[i];
        char text[65], name[64];

        x509_common_name(c, name, sizeof(name));
        assert_string_equal(name, known[i].name);
        fingerprint(x509_cert_der(c), text);
        assert_string_equal(text, known[i].cert);
        fingerprint(x509_cert_spki(c), text);
        assert_string_equal(text, known[i].spki);
        assert_ok(x509_check_pss_sha384(c, c, &e));
    }
}

static void read_certs(const char *name, struct buf *pem, struct x509_list *certs)
{
    struct err e;

    evidence_read("", name, pem);
    assert_ok(x509_list_from_pem(buf_span(pem), certs, &e));
}

static bool have_evidence(void)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");

    return manifest != NULL;
}

static void finds_the_root_of_each_delivered_one(void **state)
{
    static const char *const files[] = {
        "amd-roots/ask_ark_milan.pem",      "amd-roots/ask_ark_milan_vlek.pem",
        "amd-roots/ask_ark_genoa.pem",      "amd-roots/ask_ark_genoa_vlek.pem",
        "amd-roots/ask_ark_turin_vcek.pem", "amd-roots/ask_ark_turin_vlek.pem",
    };
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    struct err e;

    if (!have_evidence())
        skip_because("no published evidence");
    assert_ok(amd_roots_add_builtin(&roots, &e));
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        CLEANUP(buf_done) struct buf pem = { 0 };
        CLEANUP(x509_list_done) struct x509_list certs = { 0 };

        read_certs(files[i], &pem, &certs);
        assert_int_equal(certs.n, 2);
        assert_null(amd_roots_find(&roots, certs.certs[0])); /* an ASK is no root */
        const struct x509_cert *root = amd_roots_find(&roots, certs.certs[1]);
        assert_non_null(root);
        assert_ptr_not_equal(root, certs.certs[1]); /* the pinned one, not the delivered one */
        assert_ok(x509_check_pss_sha384(certs.certs[0], root, &e));
    }
}

static void a_root_of_the_same_name_with_another_key_is_not_found(void **state)
{
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    CLEANUP(buf_done) struct buf pem = { 0 };
    CLEANUP(x509_list_done) struct x509_list certs = { 0 };
    char name[64];
    struct err e;

    if (!have_evidence())
        skip_because("no published evidence");
    assert_ok(amd_roots_add_builtin(&roots, &e));
    read_certs("synthetic/pki/milan_ark.pem", &pem, &certs);
    x509_common_name(certs.certs[0], name, sizeof(name));
    assert_string_equal(name, "ARK-Milan");
    assert_null(amd_roots_find(&roots, certs.certs[0]));
    assert_ok(amd_roots_add_pem(&roots, buf_span(&pem), &e)); /* injected beside the builtin */
    assert_non_null(amd_roots_find(&roots, certs.certs[0]));
    assert_int_equal(roots.arks.n, 4);
}

static void refuses_what_is_no_root(void **state)
{
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct err e;

    assert_fails(ERR_PARSE, "AMD root certificates", amd_roots_add_pem(&roots, span_str(""), &e));
    assert_fails(ERR_PARSE, "AMD root certificates",
                 amd_roots_add_pem(&roots, span_str("no certificate"), &e));
    if (!have_evidence())
        skip_because("no published evidence");
    evidence_read("", "amd-roots/ask_ark_milan.pem", &pem); /* with the intermediate in it */
    assert_fails(ERR_CHECK, "\"SEV-Milan\" is not a root",
                 amd_roots_add_pem(&roots, buf_span(&pem), &e));
    assert_int_equal(roots.arks.n, 0);
}

static void holds_a_bounded_number(void **state)
{
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    struct err e;

    assert_ok(amd_roots_add_builtin(&roots, &e));
    assert_ok(amd_roots_add_builtin(&roots, &e));
    assert_fails(ERR_CHECK, "more than 8", amd_roots_add_builtin(&roots, &e));
    assert_int_equal(roots.arks.n, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_builtin_roots_are_amds),
        cmocka_unit_test(finds_the_root_of_each_delivered_one),
        cmocka_unit_test(a_root_of_the_same_name_with_another_key_is_not_found),
        cmocka_unit_test(refuses_what_is_no_root),
        cmocka_unit_test(holds_a_bounded_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
