/* Judges: attest/verify, which was written apart from the signer. */
#include "support/asserts.h"

#include "attest/verify.h"
#include "crypto/digest.h"
#include "sim/psp.h"
#include "support/sim_fixture.h"

static const uint8_t DATA[SNP_REPORT_DATA_SIZE] = { 1, 2, 3, [63] = 9 };

/* VCEK, ASK, ARK as THIM serves them now. */
static void thim_chain(struct sim_fixture *f, struct buf *out)
{
    CLEANUP(json_freep) json_t *certs = NULL;
    struct err e;

    assert_ok(psp_thim(f->sim->psp, &certs, &e));
    assert_ok(buf_add_str(out, sim_fixture_string(certs, "vcekCert"), &e));
    assert_ok(buf_add_str(out, sim_fixture_string(certs, "certificateChain"), &e));
}

/* The code of the first failed check, or "". host_data as the policy of the fixture. */
static const char *verdict(struct sim_fixture *f, struct span report)
{
    CLEANUP(buf_done) struct buf chain = { 0 };
    uint8_t host_data[SHA256_SIZE];
    struct amd_roots roots = { 0 };
    struct verify_findings findings;
    struct err e;

    thim_chain(f, &chain);
    assert_ok(amd_roots_add_pem(&roots, pki_ark(f->sim->pki), &e));
    assert_ok(digest_sha256(span_str(SIM_FIXTURE_POLICY), host_data, &e));
    const struct verify_input in = {
        .report = report,
        .chain_pem = buf_span(&chain),
        .roots = &roots,
        .unix_s = SIM_FIXTURE_NOW,
        .report_data = DATA,
        .host_data = host_data,
    };
    verify_evidence(&in, &findings);
    amd_roots_done(&roots);
    const struct verify_check *failed = verify_first_failure(&findings);
    return failed == NULL ? "" : failed->code;
}

static void take_report(struct sim_fixture *f, struct buf *out)
{
    struct err e;

    assert_ok(psp_report(f->sim->psp, DATA, out, &e));
}

static void a_report_passes_every_check(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(buf_done) struct buf report = { 0 };

    take_report(f, &report);
    assert_int_equal(report.n, SNP_REPORT_SIZE);
    assert_string_equal(verdict(f, buf_span(&report)), "");
}

static void a_report_has_the_values_of_a_container_group(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct snp_report r;
    struct err e;

    take_report(f, &bytes);
    assert_ok(snp_report_parse(buf_span(&bytes), &r, &e));
    assert_int_equal(r.version, 3);
    assert_int_equal(r.guest_svn, 2);
    assert_int_equal(r.policy, 0x3001f);
    assert_int_equal(r.family_id[0], 1);
    assert_int_equal(r.image_id[0], 2);
    assert_int_equal(r.vmpl, 0);
    assert_int_equal(r.signature_algo, 1);
    assert_int_equal(r.platform_info, 0x25);
    assert_int_equal(r.flags, 0);
    assert_memory_equal(r.report_data, DATA, sizeof(DATA));
    assert_int_equal(r.reported_tcb, 0x7308000000000003);
    assert_int_equal(r.current_tcb, r.reported_tcb);
    assert_int_equal(r.committed_tcb, r.reported_tcb);
    assert_int_equal(r.launch_tcb, r.reported_tcb);
    assert_int_equal(r.cpuid_family, 0x19);
    assert_int_equal(r.cpuid_model, 1);
    assert_int_equal(r.cpuid_step, 1);
    assert_memory_equal(r.chip_id, pki_chip_id(f->sim->pki), sizeof(r.chip_id));
    assert_int_equal(r.report_id_ma[31], 0xff);
}

static void a_change_of_the_tcb_changes_the_key_that_signs(void **state)
{
    struct sim_fixture *f = *state;
    struct psp_settings s = psp_settings(f->sim->psp);
    CLEANUP(buf_done) struct buf before = { 0 };
    CLEANUP(buf_done) struct buf after = { 0 };

    take_report(f, &before);
    s.tcb.microcode = 219;
    psp_configure(f->sim->psp, &s);
    take_report(f, &after);
    assert_string_equal(verdict(f, buf_span(&after)), "");
    assert_string_not_equal(verdict(f, buf_span(&before)), "");
}

static void thim_can_lag_behind(void **state)
{
    struct sim_fixture *f = *state;
    struct psp_settings s = psp_settings(f->sim->psp);
    CLEANUP(json_freep) json_t *certs = NULL;
    CLEANUP(buf_done) struct buf report = { 0 };
    struct err e;

    s.thim_tcb = s.tcb;
    s.thim_is_stale = true;
    s.tcb.snp = 20;
    psp_configure(f->sim->psp, &s);
    take_report(f, &report);
    assert_ok(psp_thim(f->sim->psp, &certs, &e));
    assert_string_equal(sim_fixture_string(certs, "tcbm"), "7308000000000003");
    assert_string_equal(sim_fixture_string(certs, "cacheControl"), "86400");
    assert_string_not_equal(verdict(f, buf_span(&report)), "");
}

static void faults_are_noticed_by_a_verifier(void **state)
{
    static const struct {
        enum psp_fault fault;
        const char *code;
    } cases[] = {
        { PSP_WRONG_REPORT_DATA, "report_data" },
        { PSP_SHORT, "size" },
        { PSP_BAD_SIGNATURE, "signature" },
        { PSP_NO_FAULT, "" },
    };
    struct sim_fixture *f = *state;
    struct psp_settings s = psp_settings(f->sim->psp);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf report = { 0 };
        s.fault = cases[i].fault;
        psp_configure(f->sim->psp, &s);
        take_report(f, &report);
        assert_string_equal(verdict(f, buf_span(&report)), cases[i].code);
    }
}

static void another_host_data_is_in_the_report(void **state)
{
    struct sim_fixture *f = *state;
    struct psp_settings s = psp_settings(f->sim->psp);
    CLEANUP(buf_done) struct buf report = { 0 };

    memset(s.host_data, 7, sizeof(s.host_data));
    psp_configure(f->sim->psp, &s);
    take_report(f, &report);
    assert_string_equal(verdict(f, buf_span(&report)), "host_data");
}

static void a_refusing_firmware_gives_no_report(void **state)
{
    struct sim_fixture *f = *state;
    struct psp_settings s = psp_settings(f->sim->psp);
    struct buf report = { 0 };
    struct err e;

    s.fault = PSP_FAIL_STATUS;
    psp_configure(f->sim->psp, &s);
    assert_fails(ERR_UNSUPPORTED, "status", psp_report(f->sim->psp, DATA, &report, &e));
    assert_int_equal(report.n, 0);
}

static void fault_names_are_read_as_they_are_written(void **state)
{
    struct err e;

    for (enum psp_fault want = PSP_FAIL_STATUS; want <= PSP_BAD_SIGNATURE; want++) {
        enum psp_fault got = PSP_NO_FAULT;
        assert_ok(psp_fault_parse(psp_fault_name(want), &got, &e));
        assert_int_equal(got, want);
    }
    enum psp_fault got = PSP_NO_FAULT;
    assert_null(psp_fault_name(PSP_NO_FAULT));
    assert_fails(ERR_PARSE, "unknown fault \"x\"", psp_fault_parse("x", &got, &e));
}

#define FRESH(name) cmocka_unit_test_setup(name, sim_fixture_reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_report_passes_every_check),
        FRESH(a_report_has_the_values_of_a_container_group),
        FRESH(a_change_of_the_tcb_changes_the_key_that_signs),
        FRESH(thim_can_lag_behind),
        FRESH(faults_are_noticed_by_a_verifier),
        FRESH(another_host_data_is_in_the_report),
        FRESH(a_refusing_firmware_gives_no_report),
        FRESH(fault_names_are_read_as_they_are_written),
    };

    return cmocka_run_group_tests(tests, sim_fixture_open, sim_fixture_close);
}
