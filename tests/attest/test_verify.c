/* The synthetic evidence, which was made with another implementation's tools: each entry names the
 * check that has to fire. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "crypto/digest.h"
#include "support/evidence_files.h"

#include <stdio.h>
#include <stdlib.h>

/* Entries to reject for reasons that verify does not look at yet. */
static const char *const not_yet_covered[] = {
    "bad_policy_debug",   "bad_policy_migrate", "bad_policy_bit26", "bad_vmpl_host",
    "bad_flags_reserved", "bad_reserved_4c",    "bad_reserved_18b",
};

/* Entries that depend on a setting, and what we decided: NULL is accept. */
static const struct {
    const char *id, *code;
} decisions[] = {
    { "ok_zero_chip_id", "chip_id" },     { "malleable_neg_s", NULL },
    { "bad_reserved_208", NULL },         { "bad_ext_missing_product", "cert.ext" },
    { "bad_hwid_turin_64", "hwid" },      { "bad_cert_pss_salt32", "cert.sigalg" },
    { "bad_committed_gt_current", NULL },
};

/* Failures that come with another one by nature: "id code" pairs. */
static const char *const companions[] = {
    "bad_body_flip_chip_id hwid",    "bad_cert_pss256 chain",     "bad_cert_pss_salt32 chain",
    "bad_root_signs_vcek cert.name", "bad_ask_is_asvk cert.name",
};

static bool is_companion(const char *id, const char *code)
{
    char pair[128];

    snprintf(pair, sizeof(pair), "%s %s", id, code);
    for (size_t i = 0; i < ARRAY_LEN(companions); i++)
        if (strcmp(pair, companions[i]) == 0)
            return true;
    return false;
}

static const char *text_of(const json_t *entry, const char *name)
{
    return json_string_value(json_object_get(entry, name));
}

static bool is_not_yet_covered(const char *id)
{
    for (size_t i = 0; i < ARRAY_LEN(not_yet_covered); i++)
        if (strcmp(id, not_yet_covered[i]) == 0)
            return true;
    return false;
}

/* The code that has to fire for an entry, NULL when it has to be accepted. */
static const char *wanted_code(const json_t *entry)
{
    const char *expect = text_of(entry, "expect");

    if (strcmp(expect, "accept") == 0)
        return NULL;
    if (strcmp(expect, "reject") == 0)
        return text_of(entry, "check");
    for (size_t i = 0; i < ARRAY_LEN(decisions); i++)
        if (strcmp(decisions[i].id, text_of(entry, "id")) == 0)
            return decisions[i].code;
    fail_msg("%s: no decision", text_of(entry, "id"));
    return NULL;
}

static void judge(const json_t *entry, size_t *n_not_covered)
{
    const char *id = text_of(entry, "id");
    CLEANUP(evidence_files_done) struct evidence_files f;
    struct verify_findings found;

    evidence_load_synthetic(entry, &f);
    const struct verify_input in = evidence_input(&f);
    verify_evidence(&in, &found);
    const char *wanted = wanted_code(entry);
    if (is_not_yet_covered(id)) {
        ++*n_not_covered;
        assert_non_null(wanted);
        wanted = NULL;
    }
    bool as_wanted = wanted == NULL || evidence_result(&found, wanted) == VERIFY_FAIL;
    for (size_t i = 0; i < found.n; i++) {
        const char *code = found.checks[i].code;

        if (found.checks[i].result == VERIFY_FAIL && !is_companion(id, code))
            as_wanted = as_wanted && wanted != NULL && strcmp(code, wanted) == 0;
    }
    if (!as_wanted) {
        evidence_print(&found);
        fail_msg("%s: wanted %s", id, wanted == NULL ? "acceptance" : wanted);
    }
    assert_int_equal(verify_is_accepted(&found), wanted == NULL);
}

static void each_entry_fails_for_its_makers_reason_only(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("synthetic/manifest_reports.json");
    size_t n_not_covered = 0;

    if (manifest == NULL)
        skip_because("no synthetic evidence");
    assert_true(json_array_size(manifest) >= 65);
    for (size_t i = 0; i < json_array_size(manifest); i++)
        judge(json_array_get(manifest, i), &n_not_covered);
    assert_int_equal(n_not_covered, ARRAY_LEN(not_yet_covered));
}

/* The same evidence under AMD's roots: a throw-away PKI proves nothing there. */
static void nothing_synthetic_passes_under_amds_roots(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("synthetic/manifest_reports.json");
    struct err e;

    if (manifest == NULL)
        skip_because("no synthetic evidence");
    for (size_t i = 0; i < json_array_size(manifest); i++) {
        CLEANUP(evidence_files_done) struct evidence_files f;
        struct verify_findings found;

        evidence_load_synthetic(json_array_get(manifest, i), &f);
        amd_roots_done(&f.roots);
        f.roots = (struct amd_roots){ 0 };
        assert_ok(amd_roots_add_builtin(&f.roots, &e));
        const struct verify_input in = evidence_input(&f);
        verify_evidence(&in, &found);
        assert_int_equal(evidence_result(&found, "root"), VERIFY_FAIL);
        assert_int_equal(evidence_result(&found, "chain"), VERIFY_NOT_CHECKED);
        assert_int_not_equal(evidence_result(&found, "tcb"), VERIFY_PASS);
    }
}

/* The entry with this id. False when there is no evidence at all. */
static bool load(const char *id, struct evidence_files *out)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("synthetic/manifest_reports.json");

    if (manifest == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(manifest); i++)
        if (strcmp(text_of(json_array_get(manifest, i), "id"), id) == 0) {
            evidence_load_synthetic(json_array_get(manifest, i), out);
            return true;
        }
    fail_msg("no entry %s", id);
    return false;
}

static void compares_what_is_expected_of_the_report(void **state)
{
    CLEANUP(evidence_files_done) struct evidence_files f = { 0 };
    CLEANUP(buf_done) struct buf runtime = { 0 };
    CLEANUP(buf_done) struct buf policy_b64 = { 0 };
    CLEANUP(buf_done) struct buf policy = { 0 };
    uint8_t report_data[SNP_REPORT_DATA_SIZE], host_data[SNP_HOST_DATA_SIZE];
    struct verify_findings found;
    struct err e;

    if (!load("bind_report_data", &f))
        skip_because("no synthetic evidence");
    evidence_read("synthetic", "runtime_data.json", &runtime);
    evidence_read("synthetic", "security-policy-base64", &policy_b64);
    assert_ok(b64_decode(buf_span(&policy_b64), &policy, &e));
    assert_ok(snp_report_data(buf_span(&runtime), report_data, &e));
    assert_ok(digest_sha256(buf_span(&policy), host_data, &e));

    struct verify_input in = evidence_input(&f);
    verify_evidence(&in, &found);
    assert_int_equal(evidence_result(&found, "report_data"), VERIFY_NOT_CHECKED);
    assert_int_equal(evidence_result(&found, "host_data"), VERIFY_NOT_CHECKED);
    in.report_data = report_data;
    in.host_data = host_data;
    verify_evidence(&in, &found);
    assert_true(verify_is_accepted(&found));
    assert_int_equal(evidence_result(&found, "report_data"), VERIFY_PASS);
    assert_int_equal(evidence_result(&found, "host_data"), VERIFY_PASS);

    report_data[SNP_REPORT_DATA_SIZE - 1] ^= 1; /* all 64 bytes count */
    host_data[SNP_HOST_DATA_SIZE - 1] ^= 1;
    verify_evidence(&in, &found);
    assert_false(verify_is_accepted(&found));
    assert_int_equal(evidence_result(&found, "report_data"), VERIFY_FAIL);
    assert_int_equal(evidence_result(&found, "host_data"), VERIFY_FAIL);
    assert_string_equal(verify_first_failure(&found)->code, "report_data");
}

static void what_an_unsigned_report_says_never_passes(void **state)
{
    static const char *const statements[] = { "tcb", "chip_id", "hwid", "report_data",
                                              "host_data" };
    CLEANUP(evidence_files_done) struct evidence_files f = { 0 };
    struct verify_findings found;

    if (!load("bad_sig_flip_r", &f))
        skip_because("no synthetic evidence");
    struct verify_input in = evidence_input(&f);
    in.report_data = f.report.p + 0x50;
    in.host_data = f.report.p + 0xc0;
    verify_evidence(&in, &found);
    assert_string_equal(verify_first_failure(&found)->code, "signature");
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        assert_int_equal(evidence_result(&found, statements[i]), VERIFY_NOT_CHECKED);
}

static void names_the_part_of_the_tcb_that_differs(void **state)
{
    static const struct {
        const char *id, *detail;
    } cases[] = {
        { "bad_tcb_ucode_cert_lower",
          "microcode SPL of the certificate is 218, the report says 219" },
        { "bad_tcb_snp_cert_higher", "SNP SPL of the certificate is 25, the report says 24" },
        { "bad_tcb_fmc", "FMC SPL of the certificate is 2, the report says 1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(evidence_files_done) struct evidence_files f = { 0 };
        struct verify_findings found;

        if (!load(cases[i].id, &f))
            skip_because("no synthetic evidence");
        const struct verify_input in = evidence_input(&f);
        verify_evidence(&in, &found);
        assert_string_equal(verify_first_failure(&found)->code, "tcb");
        assert_string_equal(verify_first_failure(&found)->detail, cases[i].detail);
    }
}

/* The original dereferenced what was not there when the chain was no PEM. */
static void refuses_chains_that_are_none(void **state)
{
    static const char *const chains[] = {
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    };
    CLEANUP(evidence_files_done) struct evidence_files f = { 0 };
    struct verify_findings found;

    if (!load("ok_milan", &f))
        skip_because("no synthetic evidence");
    struct verify_input in = evidence_input(&f);
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        in.chain_pem = span_str(chains[i]);
        verify_evidence(&in, &found);
        assert_string_equal(verify_first_failure(&found)->code, "certificates");
        assert_int_equal(evidence_result(&found, "signature"), VERIFY_NOT_CHECKED);
    }
}

static void refuses_a_chain_of_another_length(void **state)
{
    CLEANUP(evidence_files_done) struct evidence_files f = { 0 };
    struct verify_findings found;
    struct err e;

    if (!load("ok_milan", &f))
        skip_because("no synthetic evidence");
    struct verify_input in = evidence_input(&f);
    const char *begin = "-----BEGIN";
    const uint8_t *last = f.chain.p;
    for (const uint8_t *p = last; p != NULL;
         p = memmem(p + 1, f.chain.n - (size_t)(p + 1 - f.chain.p), begin, strlen(begin)))
        last = p;
    in.chain_pem = span_of(f.chain.p, (size_t)(last - f.chain.p)); /* without the ARK */
    verify_evidence(&in, &found);
    assert_string_equal(verify_first_failure(&found)->code, "certificates");

    CLEANUP(buf_done) struct buf twice = { 0 };
    assert_ok(buf_add(&twice, f.chain.p, f.chain.n, &e));
    assert_ok(buf_add(&twice, f.chain.p, f.chain.n, &e));
    in.chain_pem = buf_span(&twice);
    verify_evidence(&in, &found);
    assert_string_equal(verify_first_failure(&found)->code, "certificates");
}

static void nothing_found_is_not_accepted(void **state)
{
    static const struct verify_findings none;

    assert_false(verify_is_accepted(&none));
    assert_null(verify_first_failure(&none));
}

static void every_code_is_documented(void **state)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf doc = { 0 };
    const struct amd_roots no_roots = { 0 };
    const struct verify_input nothing = { .roots = &no_roots };
    struct verify_findings found;
    struct err e;

    assert_ok(str_printf(&path, &e, "%s/docs/verification.md", getenv("SOURCE_ROOT")));
    assert_ok(file_read(path, 1 << 20, &doc, &e));
    verify_evidence(&nothing, &found);
    assert_true(found.n >= 22);
    for (size_t i = 0; i < found.n; i++) {
        CLEANUP(str_freep) char *line = NULL;

        assert_int_not_equal(found.checks[i].result, VERIFY_PASS);
        assert_true(strlen(found.checks[i].detail) > 0);
        assert_ok(str_printf(&line, &e, "\n| `%s` | ", found.checks[i].code));
        if (!str_contains(buf_span(&doc), line))
            fail_msg("%s is not in docs/verification.md", found.checks[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_fails_for_its_makers_reason_only),
        cmocka_unit_test(nothing_synthetic_passes_under_amds_roots),
        cmocka_unit_test(compares_what_is_expected_of_the_report),
        cmocka_unit_test(what_an_unsigned_report_says_never_passes),
        cmocka_unit_test(names_the_part_of_the_tcb_that_differs),
        cmocka_unit_test(refuses_chains_that_are_none),
        cmocka_unit_test(refuses_a_chain_of_another_length),
        cmocka_unit_test(nothing_found_is_not_accepted),
        cmocka_unit_test(every_code_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
