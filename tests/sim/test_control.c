#include "support/asserts.h"

#include "base/str.h"
#include "sim/outputs.h"
#include "sim/psp.h"
#include "sim/sim_token.h"
#include "support/sim_fixture.h"

static json_t *control(struct sim_fixture *f, const char *method, const char *target,
                       const char *body, int status)
{
    const struct sim_fixture_request r = {
        .listener = SIM_CONTROL, .method = method, .target = target, .body = body
    };
    CLEANUP(sim_reply_done) struct sim_reply reply = { 0 };

    sim_fixture_serve(f, &r, &reply);
    if (reply.status != status)
        fail_msg("%s %s %s: status %d: %.*s", method, target, body == NULL ? "" : body,
                 reply.status, (int)reply.body.n, (const char *)reply.body.p);
    return sim_fixture_json(&reply);
}

static void control_ok(struct sim_fixture *f, const char *method, const char *target,
                       const char *body)
{
    CLEANUP(json_freep) json_t *answer = control(f, method, target, body, 200);
}

static void ask_thim(struct sim_fixture *f, struct sim_reply *out)
{
    const struct sim_fixture_request r = { .listener = SIM_PLAIN,
                                           .target = "/metadata/THIM/amd/certification",
                                           .headers = { { "Metadata", "true" } } };

    sim_fixture_serve(f, &r, out);
}

static void a_fault_strikes_and_is_taken_back(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(sim_reply_done) struct sim_reply during = { 0 };
    CLEANUP(sim_reply_done) struct sim_reply after = { 0 };

    control_ok(f, "POST", "/faults",
               "{\"service\":\"thim\",\"op\":\"certification\",\"status\":503,\"delay_ms\":1500}");
    const int64_t before = f->clk.ms;
    ask_thim(f, &during);
    assert_int_equal(during.status, 503);
    assert_int_equal(f->clk.ms - before, 1500);
    control_ok(f, "DELETE", "/faults", NULL);
    ask_thim(f, &after);
    assert_int_equal(after.status, 200);
}

static void the_journal_shows_faults_and_answers(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(sim_reply_done) struct sim_reply a = { 0 };
    CLEANUP(sim_reply_done) struct sim_reply b = { 0 };

    control_ok(f, "DELETE", "/journal", NULL);
    ask_thim(f, &a);
    control_ok(f, "POST", "/faults", "{\"service\":\"thim\",\"status\":500}");
    ask_thim(f, &b);
    CLEANUP(json_freep)
    json_t *all = control(f, "GET", "/journal?service=thim&op=certification", NULL, 200);
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(sim_fixture_string(json_array_get(all, 0), "verdict"),
                        "certificates of tcbm 7308000000000003");
    assert_string_equal(sim_fixture_string(json_array_get(all, 1), "verdict"), "fault: status 500");
    CLEANUP(json_freep) json_t *none = control(f, "GET", "/journal?service=imds", NULL, 200);
    assert_int_equal(json_array_size(none), 0);
    CLEANUP(json_freep) json_t *bad = control(f, "GET", "/journal?since=-1", NULL, 400);
    assert_non_null(strstr(sim_fixture_string(bad, "error"), "since"));
}

static void state_changes_take_effect(void **state)
{
    struct sim_fixture *f = *state;

    control_ok(f, "POST", "/state",
               "{\"tcb\":{\"microcode\":219,\"snp\":24},\"thim_tcb\":{\"snp\":7},"
               "\"host_data\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F\","
               "\"clock_skew_s\":-60,\"token_life_s\":5,\"federated_token\":\"a.b.c\","
               "\"rotate_maa_key\":true,\"psp\":{\"fail\":\"short\",\"delay_ms\":9},"
               "\"vault\":{\"allow_read\":false,\"allow_release\":false}}");
    const struct psp_settings p = psp_settings(f->sim->psp);
    const struct sim_state s = sim_state(f->sim);
    assert_int_equal(amd_tcb_number(p.tcb), 0xdb18000000000003);
    assert_true(p.thim_is_stale);
    assert_int_equal(amd_tcb_number(p.thim_tcb), 0xdb07000000000003);
    assert_int_equal(p.host_data[31], 0x1f);
    assert_int_equal(p.fault, PSP_SHORT);
    assert_int_equal(p.delay_ms, 9);
    assert_int_equal(sim_now_s(f->sim), clock_unix_s(&f->clk.base) - 60);
    assert_int_equal(s.token_life_s, 5);
    assert_int_equal(s.maa_key_generation, 1);
    assert_false(s.allow_read || s.allow_release);
    assert_string_equal(f->sim->federated_token, "a.b.c");

    control_ok(f, "POST", "/state",
               "{\"thim_tcb\":null,\"psp\":{\"fail\":null},\"federated_token\":null}");
    assert_false(psp_settings(f->sim->psp).thim_is_stale);
    assert_int_equal(psp_settings(f->sim->psp).fault, PSP_NO_FAULT);
    assert_int_equal(psp_settings(f->sim->psp).delay_ms, 9);
    assert_null(f->sim->federated_token);
}

static void what_the_state_says_is_what_was_set(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(json_freep) json_t *shown = control(f, "GET", "/state", NULL, 200);

    assert_int_equal(json_integer_value(json_path(shown, "tcb.microcode")), 115);
    assert_true(json_is_null(json_path(shown, "thim_tcb")));
    assert_true(json_is_null(json_path(shown, "psp.fail")));
    assert_true(json_is_true(json_path(shown, "vault.allow_release")));
    CLEANUP(json_freep)
    json_t *changed = control(f, "POST", "/state", "{\"psp\":{\"fail\":\"status\"}}", 200);
    assert_string_equal(sim_fixture_string(changed, "psp.fail"), "status");
}

static void refuses_changes_and_names_the_member(void **state)
{
    static const char *const cases[][2] = {
        { "[]", "no JSON object" },
        { "{\"tcp\":{}}", "\"tcp\"" },
        { "{\"tcb\":7}", "\"tcb\"" },
        { "{\"tcb\":{\"snp\":128}}", "\"tcb.snp\"" },
        { "{\"tcb\":{\"microcode\":256}}", "\"tcb.microcode\"" },
        { "{\"tcb\":{\"fmc\":1}}", "\"tcb.fmc\"" },
        { "{\"thim_tcb\":{\"tee\":-1}}", "\"thim_tcb.tee\"" },
        { "{\"host_data\":\"00\"}", "\"host_data\"" },
        { "{\"host_data\":null}", "\"host_data\"" },
        { "{\"clock_skew_s\":\"1\"}", "\"clock_skew_s\"" },
        { "{\"token_life_s\":-1}", "\"token_life_s\"" },
        { "{\"federated_token\":\"\"}", "\"federated_token\"" },
        { "{\"federated_token\":1}", "\"federated_token\"" },
        { "{\"revoke_tokens\":false}", "\"revoke_tokens\"" },
        { "{\"rotate_maa_key\":1}", "\"rotate_maa_key\"" },
        { "{\"psp\":[]}", "psp" },
        { "{\"psp\":{\"fail\":\"maybe\"}}", "\"psp.fail\"" },
        { "{\"psp\":{\"fail\":1}}", "\"psp.fail\"" },
        { "{\"psp\":{\"delay_ms\":1.5}}", "\"psp.delay_ms\"" },
        { "{\"vault\":{\"allow_read\":1}}", "\"vault.allow_read\"" },
        { "{\"vault\":{\"allow_write\":true}}", "\"vault.allow_write\"" },
        { "{\"token_life_s\":5,\"psp\":{\"fail\":1}}", "\"psp.fail\"" },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *answer = control(f, "POST", "/state", cases[i][0], 400);
        if (strstr(sim_fixture_string(answer, "error"), cases[i][1]) == NULL)
            fail_msg("row %zu: %s", i, sim_fixture_string(answer, "error"));
    }
    assert_int_equal(sim_state(f->sim).token_life_s, 86400); /* nothing of a bad change stays */
}

static void refuses_faults_of_unknown_services_and_ops(void **state)
{
    static const char *const cases[][2] = {
        { "{\"service\":\"s3\",\"status\":500}", "\"service\"" },
        { "{\"status\":500}", "\"service\"" },
        { "{\"service\":\"imds\",\"op\":\"tokens\"}", "\"op\"" },
        { "{\"service\":\"imds\",\"op\":7}", "\"op\"" },
        { "{\"service\":\"imds\",\"when\":7}", "\"when\"" },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *answer = control(f, "POST", "/faults", cases[i][0], 400);
        if (strstr(sim_fixture_string(answer, "error"), cases[i][1]) == NULL)
            fail_msg("row %zu: %s", i, sim_fixture_string(answer, "error"));
    }
    CLEANUP(json_freep) json_t *list = control(f, "GET", "/faults", NULL, 200);
    assert_int_equal(json_array_size(list), 0);
}

static void tokens_are_revoked_on_request(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(str_freep) char *token = NULL;
    char audience[SIM_TOKEN_AUDIENCE_SIZE];
    struct err e;

    assert_ok(sim_token_issue(f->sim, "https://a", "me", &token, &e));
    control_ok(f, "POST", "/state", "{\"revoke_tokens\":true}");
    assert_int_equal(sim_token_check(f->sim, token, "https://a", audience), SIM_TOKEN_REVOKED);
    assert_string_equal(audience, "https://a");
}

static void a_reset_brings_the_start_back(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(sim_reply_done) struct sim_reply reply = { 0 };
    CLEANUP(json_freep) json_t *before = control(f, "GET", "/state", NULL, 200);

    control_ok(f, "POST", "/state",
               "{\"tcb\":{\"snp\":9},\"thim_tcb\":{},\"clock_skew_s\":9,\"token_life_s\":9,"
               "\"federated_token\":\"x\",\"psp\":{\"fail\":\"short\",\"delay_ms\":1},"
               "\"rotate_maa_key\":true,\"vault\":{\"allow_read\":false}}");
    control_ok(f, "POST", "/faults", "{\"service\":\"thim\",\"status\":500}");
    ask_thim(f, &reply);
    control_ok(f, "POST", "/reset", NULL);
    CLEANUP(json_freep) json_t *after = control(f, "GET", "/state", NULL, 200);
    CLEANUP(json_freep) json_t *journal = control(f, "GET", "/journal", NULL, 200);
    CLEANUP(json_freep) json_t *faults = control(f, "GET", "/faults", NULL, 200);
    assert_true(json_equal(before, after));
    assert_int_equal(json_array_size(journal), 0);
    assert_int_equal(json_array_size(faults), 0);
}

static void tells_unknown_paths_from_wrong_methods(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(json_freep) json_t *a = control(f, "GET", "/nowhere", NULL, 404);
    CLEANUP(json_freep) json_t *b = control(f, "PUT", "/state", "{}", 405);
    CLEANUP(json_freep) json_t *c = control(f, "POST", "/state", "{", 400);
}

static void env_sh_quotes_what_it_exports(void **state)
{
    struct sim_fixture *f = *state;
    const struct outputs_places places = { "127.0.0.1", "127.0.0.1", 443, 80, 90 };
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    assert_ok(outputs_format_env(f->sim, "/a'b", &places, &text, &e));
    const struct span s = buf_span(&text);
    assert_true(str_contains(s, "export SSL_CERT_FILE='/a'\\''b/ca.pem'\n"));
    assert_true(str_contains(s, "export CLOUDSIM_MAA='sim.attest.localhost'\n")); /* no port 443 */
    assert_true(str_contains(s, "export CLOUDSIM_IMDS='http://127.0.0.1:80'\n"));
    assert_true(str_contains(s, "export CLOUDSIM_CONTROL='http://127.0.0.1:90'\n"));
    assert_true(
        str_contains(s, "export CLOUDSIM_THIM='127.0.0.1:80/metadata/THIM/amd/certification'\n"));
}

#define FRESH(name) cmocka_unit_test_setup(name, sim_fixture_reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_fault_strikes_and_is_taken_back),
        FRESH(the_journal_shows_faults_and_answers),
        FRESH(state_changes_take_effect),
        FRESH(what_the_state_says_is_what_was_set),
        FRESH(refuses_changes_and_names_the_member),
        FRESH(refuses_faults_of_unknown_services_and_ops),
        FRESH(tokens_are_revoked_on_request),
        FRESH(a_reset_brings_the_start_back),
        FRESH(tells_unknown_paths_from_wrong_methods),
        FRESH(env_sh_quotes_what_it_exports),
    };

    return cmocka_run_group_tests(tests, sim_fixture_open, sim_fixture_close);
}
