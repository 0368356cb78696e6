#include "support/asserts.h"

#include "attest/vek_ext.h"
#include "support/evidence_files.h"

static void reads_patch_levels_in_full(void **state)
{
    static const struct {
        uint8_t der[4];
        size_t n;
        uint8_t value;
    } cases[] = {
        { { 2, 1, 0 }, 3, 0 },         { { 2, 1, 0x7f }, 3, 127 },    { { 2, 2, 0, 0x80 }, 4, 128 },
        { { 2, 2, 0, 0xdb }, 4, 219 }, { { 2, 2, 0, 0xff }, 4, 255 },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t v = 1;

        assert_ok(vek_ext_parse_spl(span_of(cases[i].der, cases[i].n), &v, &e));
        assert_int_equal(v, cases[i].value);
    }
}

/* The original read byte 2 whatever stood before it: 0 for everything from 128 on. */
static void refuses_what_is_no_patch_level(void **state)
{
    static const struct {
        uint8_t der[8];
        size_t n;
        const char *needle;
    } cases[] = {
        { { 0 }, 0, "not one INTEGER" },
        { { 2 }, 1, "not one INTEGER" },
        { { 2, 0 }, 2, "not one INTEGER" },
        { { 2, 1 }, 2, "not one INTEGER" },
        { { 4, 1, 7 }, 3, "not one INTEGER" },          /* OCTET STRING */
        { { 10, 1, 7 }, 3, "not one INTEGER" },         /* ENUMERATED */
        { { 2, 1, 7, 0 }, 4, "not one INTEGER" },       /* something behind it */
        { { 2, 2, 7 }, 3, "not one INTEGER" },          /* too short */
        { { 2, 0x81, 1, 7 }, 4, "not one INTEGER" },    /* long form of a short length */
        { { 2, 0x80, 7, 0, 0 }, 5, "not one INTEGER" }, /* indefinite length */
        { { 2, 1, 0x80 }, 3, "negative" },
        { { 2, 1, 0xff }, 3, "negative" },
        { { 2, 2, 0xff, 0x7f }, 4, "negative" },
        { { 2, 2, 0, 0 }, 4, "padding" },
        { { 2, 2, 0, 0x7f }, 4, "padding" },
        { { 2, 3, 0, 0, 0xdb }, 5, "padding" },
        { { 2, 2, 1, 0 }, 4, "above 255" },
        { { 2, 2, 1, 0xdb }, 4, "above 255" },
        { { 2, 3, 0, 0xdb, 0 }, 5, "above 255" },
        { { 2, 5, 1, 0, 0, 0, 7 }, 7, "above 255" },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t v = 77;

        assert_fails(ERR_PARSE, cases[i].needle,
                     vek_ext_parse_spl(span_of(cases[i].der, cases[i].n), &v, &e));
        assert_int_equal(v, 77);
    }
}

/* The products' bytes stand in the order of the report's TCB, which differs between them. */
static void reads_the_tcb_of_published_certificates(void **state)
{
    static const struct {
        const char *id, *product;
        uint8_t tcb[SNP_TCB_SIZE];
        size_t hwid_size;
    } cases[] = {
        { "ccf-milan", "Milan", { 4, 0, 0, 0, 0, 0, 0x18, 0xdb }, 64 },
        { "ccf-genoa", "Genoa", { 0x0a, 0, 0, 0, 0, 0, 0x17, 0x54 }, 64 },
        { "ccf-turin", "Turin", { 1, 1, 1, 4, 0, 0, 0, 0x51 }, 8 },
        { "sidecar", "Milan", { 3, 0, 0, 0, 0, 0, 8, 0x73 }, 64 },
    };
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");

    if (manifest == NULL)
        skip_because("no published evidence");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(evidence_files_done) struct evidence_files f;
        CLEANUP(x509_list_done) struct x509_list certs = { 0 };
        uint8_t tcb[SNP_TCB_SIZE];
        struct vek_ext ext;
        struct err e;

        evidence_load_real_id(manifest, cases[i].id, &f);
        assert_ok(x509_list_from_pem(buf_span(&f.chain), &certs, &e));
        assert_ok(vek_ext_parse(certs.certs[0], &ext, &e));
        assert_string_equal(ext.product->name, cases[i].product);
        assert_int_equal(ext.kind, VEK_VCEK);
        assert_int_equal(ext.hwid.n, cases[i].hwid_size);
        assert_ok(vek_ext_tcb(&ext, tcb, &e));
        assert_memory_equal(tcb, cases[i].tcb, sizeof(tcb));
        assert_fails(ERR_PARSE, "productName is missing", vek_ext_parse(certs.certs[1], &ext, &e));
    }
}

static void names_what_is_wrong_with_a_certificate(void **state)
{
    static const struct {
        const char *file, *needle;
    } cases[] = {
        { "certs/bad_ext_missing_snp_vcek.pem", "SNP SPL is missing" },
        { "certs/bad_ext_missing_hwid_vcek.pem", "HWID is missing" },
        { "certs/bad_ext_missing_product_vcek.pem", "productName is missing" },
        { "certs/bad_tcb_ucode_high_byte_vcek.pem",
          "the microcode SPL of the certificate: a number above 255" },
        { "certs/bad_tcb_trailing_vcek.pem", "the SNP SPL of the certificate: not one INTEGER" },
    };
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("synthetic/manifest_reports.json");

    if (manifest == NULL)
        skip_because("no synthetic evidence");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf pem = { 0 };
        CLEANUP(x509_list_done) struct x509_list certs = { 0 };
        uint8_t tcb[SNP_TCB_SIZE];
        struct vek_ext ext;
        struct err e;

        evidence_read("synthetic", cases[i].file, &pem);
        assert_ok(x509_list_from_pem(buf_span(&pem), &certs, &e));
        if (vek_ext_parse(certs.certs[0], &ext, &e) == 0)
            assert_fails(ERR_PARSE, cases[i].needle, vek_ext_tcb(&ext, tcb, &e));
        assert_int_equal(e.code, ERR_PARSE);
        assert_non_null(strstr(e.msg, cases[i].needle));
    }
}

static void tells_a_vlek_from_a_vcek(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("synthetic/manifest_reports.json");
    CLEANUP(buf_done) struct buf pem = { 0 };
    CLEANUP(x509_list_done) struct x509_list certs = { 0 };
    struct vek_ext ext;
    struct err e;

    if (manifest == NULL)
        skip_because("no synthetic evidence");
    evidence_read("synthetic", "pki/milan_vlek.pem", &pem);
    assert_ok(x509_list_from_pem(buf_span(&pem), &certs, &e));
    assert_ok(vek_ext_parse(certs.certs[0], &ext, &e));
    assert_int_equal(ext.kind, VEK_VLEK);
    assert_string_equal(ext.product->name, "Milan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_patch_levels_in_full),
        cmocka_unit_test(refuses_what_is_no_patch_level),
        cmocka_unit_test(reads_the_tcb_of_published_certificates),
        cmocka_unit_test(names_what_is_wrong_with_a_certificate),
        cmocka_unit_test(tells_a_vlek_from_a_vcek),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
