/* Published evidence of real processors under AMD's real roots. The facts and the verdicts in the
 * manifest were computed with OpenSSL and another implementation. */
#include "support/asserts.h"

#include "base/str.h"
#include "codec/b64.h"
#include "support/evidence_files.h"

#include <stdio.h>

/* Where our verdict differs from the manifest's: what fails, space separated. */
static const struct {
    const char *id, *failed;
} decisions[] = {
    { "go-sev-guest", "" },                    /* DEBUG of the guest policy is not looked at yet */
    { "trustee-vlek", "signing_key chip_id" }, /* container groups are signed by a VCEK */
};

static void wanted_failures(const json_t *entry, char *out, size_t size)
{
    const char *id = json_string_value(json_object_get(entry, "id"));
    const json_t *list = json_object_get(entry, "report_failed_checks");
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(decisions); i++)
        if (strcmp(decisions[i].id, id) == 0) {
            snprintf(out, size, "%s", decisions[i].failed);
            return;
        }
    for (size_t i = 0; i < json_array_size(list); i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n == 0 ? "" : " ",
                              json_string_value(json_array_get(list, i)));
}

static size_t count_words(const char *text)
{
    size_t n = text[0] != '\0';

    for (; *text != '\0'; text++)
        n += *text == ' ';
    return n;
}

static void judge(const json_t *entry)
{
    CLEANUP(evidence_files_done) struct evidence_files f;
    struct verify_findings found;
    char wanted[256];
    size_t n_failed = 0;
    bool as_wanted = true;

    evidence_load_real(entry, &f);
    const struct verify_input in = evidence_input(&f);
    verify_evidence(&in, &found);
    wanted_failures(entry, wanted, sizeof(wanted));
    for (size_t i = 0; i < found.n; i++)
        if (found.checks[i].result == VERIFY_FAIL) {
            n_failed++;
            as_wanted = as_wanted && str_contains(span_str(wanted), found.checks[i].code);
        }
    if (!as_wanted || n_failed != count_words(wanted)) {
        evidence_print(&found);
        fail_msg("%s: wanted \"%s\"", json_string_value(json_object_get(entry, "id")), wanted);
    }
}

static void agrees_with_the_published_verdicts(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");

    if (manifest == NULL)
        skip_because("no published evidence");
    assert_true(json_array_size(manifest) >= 12);
    for (size_t i = 0; i < json_array_size(manifest); i++)
        judge(json_array_get(manifest, i));
}

/* Every byte for one product, every n-th for the others: a chain check costs a millisecond. */
static const struct {
    const char *id;
    size_t step;
} flips[] = { { "ccf-milan", 1 }, { "ccf-genoa", 7 }, { "ccf-turin", 7 } };

static void one_flipped_bit_anywhere_in_a_report_is_fatal(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");

    if (manifest == NULL)
        skip_because("no published evidence");
    for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
        CLEANUP(evidence_files_done) struct evidence_files f;
        struct verify_findings found;

        evidence_load_real_id(manifest, flips[i].id, &f);
        const struct verify_input in = evidence_input(&f);
        for (size_t at = 0; at < f.report.n; at += flips[i].step) {
            f.report.p[at] ^= (uint8_t)(1 << at % 8);
            verify_evidence(&in, &found);
            if (verify_is_accepted(&found))
                fail_msg("%s: bit %zu of byte 0x%zx", flips[i].id, at % 8, at);
            if (at < SNP_REPORT_SIGNED_SIZE && evidence_result(&found, "signature") == VERIFY_PASS)
                fail_msg("%s: 0x%zx is signed", flips[i].id, at);
            f.report.p[at] ^= (uint8_t)(1 << at % 8);
        }
        verify_evidence(&in, &found);
        assert_true(verify_is_accepted(&found));
    }
}

/* The DER of the first certificate, and the PEM text behind it. */
static void split_chain(const struct evidence_files *f, struct buf *out_der, struct span *out_rest)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const uint8_t *from = memmem(f->chain.p, f->chain.n, begin, strlen(begin));
    const uint8_t *to = memmem(f->chain.p, f->chain.n, end, strlen(end));
    struct err e;

    assert_non_null(from);
    assert_non_null(to);
    from += strlen(begin);
    assert_ok(b64_decode(span_of(from, (size_t)(to - from)), out_der, &e));
    to += strlen(end);
    *out_rest = span_of(to, f->chain.n - (size_t)(to - f->chain.p));
}

static void one_flipped_bit_anywhere_in_a_certificate_is_fatal(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");
    CLEANUP(evidence_files_done) struct evidence_files f;
    CLEANUP(buf_done) struct buf der = { 0 };
    struct verify_findings found;
    struct span rest;
    struct err e;

    if (manifest == NULL)
        skip_because("no published evidence");
    evidence_load_real_id(manifest, "ccf-milan", &f);
    split_chain(&f, &der, &rest);
    struct verify_input in = evidence_input(&f);
    for (size_t at = 0; at <= der.n; at++) {
        CLEANUP(buf_done) struct buf pem = { 0 };

        if (at < der.n)
            der.p[at] ^= (uint8_t)(1 << at % 8);
        assert_ok(buf_add_str(&pem, "-----BEGIN CERTIFICATE-----\n", &e));
        for (size_t i = 0; i < der.n; i += 48) {
            const size_t n = der.n - i < 48 ? der.n - i : 48;

            assert_ok(b64_encode(span_of(der.p + i, n), B64_STD, &pem, &e));
            assert_ok(buf_add_str(&pem, "\n", &e));
        }
        assert_ok(buf_add_str(&pem, "-----END CERTIFICATE-----\n", &e));
        assert_ok(buf_add(&pem, rest.p, rest.n, &e));
        in.chain_pem = buf_span(&pem);
        verify_evidence(&in, &found);
        if (verify_is_accepted(&found) != (at == der.n))
            fail_msg("bit %zu of byte %zu", at % 8, at);
        if (at < der.n)
            der.p[at] ^= (uint8_t)(1 << at % 8);
    }
}

static void a_report_with_the_chain_of_another_chip_is_refused(void **state)
{
    static const char *const ids[] = { "sidecar", "ccf-milan", "ccf-genoa", "ccf-turin",
                                       "go-sev-guest" };
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");

    if (manifest == NULL)
        skip_because("no published evidence");
    for (size_t r = 0; r < ARRAY_LEN(ids); r++)
        for (size_t c = 0; c < ARRAY_LEN(ids); c++) {
            CLEANUP(evidence_files_done) struct evidence_files report;
            CLEANUP(evidence_files_done) struct evidence_files chain;
            struct verify_findings found;

            evidence_load_real_id(manifest, ids[r], &report);
            evidence_load_real_id(manifest, ids[c], &chain);
            struct verify_input in = evidence_input(&report);
            in.chain_pem = buf_span(&chain.chain);
            verify_evidence(&in, &found);
            assert_int_equal(verify_is_accepted(&found), r == c);
            assert_int_equal(evidence_result(&found, "signature") == VERIFY_PASS, r == c);
        }
}

static void certificates_count_only_while_they_are_valid(void **state)
{
    static const struct {
        int64_t unix_s;
        enum verify_result result;
    } cases[] = {
        { 1600000000, VERIFY_FAIL }, /* 2020: before the VCEK */
        { EVIDENCE_TIME, VERIFY_PASS },
        { 2400000000, VERIFY_FAIL }, /* 2046: after all of them */
        { 0, VERIFY_FAIL },
        { INT64_MAX, VERIFY_FAIL },
        { INT64_MIN, VERIFY_FAIL },
    };
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");
    CLEANUP(evidence_files_done) struct evidence_files f;
    struct verify_findings found;

    if (manifest == NULL)
        skip_because("no published evidence");
    evidence_load_real_id(manifest, "ccf-genoa", &f);
    struct verify_input in = evidence_input(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        in.unix_s = cases[i].unix_s;
        verify_evidence(&in, &found);
        assert_int_equal(evidence_result(&found, "cert.time"), cases[i].result);
        assert_int_equal(verify_is_accepted(&found), cases[i].result == VERIFY_PASS);
    }
}

/* The delivered root is only looked up: a trusted one must have its key. */
static void without_the_right_root_nothing_is_accepted(void **state)
{
    CLEANUP(json_freep) json_t *manifest = evidence_manifest("manifest_real.json");
    CLEANUP(evidence_files_done) struct evidence_files f;
    const struct amd_roots none = { 0 };
    struct verify_findings found;

    if (manifest == NULL)
        skip_because("no published evidence");
    evidence_load_real_id(manifest, "ccf-milan", &f);
    struct verify_input in = evidence_input(&f);
    in.roots = &none;
    verify_evidence(&in, &found);
    assert_string_equal(verify_first_failure(&found)->code, "root");
    assert_int_not_equal(evidence_result(&found, "tcb"), VERIFY_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_published_verdicts),
        cmocka_unit_test(one_flipped_bit_anywhere_in_a_report_is_fatal),
        cmocka_unit_test(one_flipped_bit_anywhere_in_a_certificate_is_fatal),
        cmocka_unit_test(a_report_with_the_chain_of_another_chip_is_refused),
        cmocka_unit_test(certificates_count_only_while_they_are_valid),
        cmocka_unit_test(without_the_right_root_nothing_is_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
