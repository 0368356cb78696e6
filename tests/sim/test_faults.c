#include "support/asserts.h"

#include "sim/faults.h"

struct fixture {
    struct faults *faults;
    struct err e;
};

static int setup(void **state)
{
    static struct fixture f;

    *state = &f;
    return faults_new(&f.faults, &f.e);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    faults_free(f->faults);
    return 0;
}

static int add(struct fixture *f, const char *text, struct err *e)
{
    CLEANUP(json_freep) json_t *rule = NULL;

    if (json_parse(span_str(text), &rule, e) != 0)
        fail_msg("the test's own JSON: %s", e->msg);
    return faults_add(f->faults, rule, e);
}

static bool hits(struct fixture *f, const char *service, const char *op)
{
    CLEANUP(fault_effect_done) struct fault_effect x = { 0 };
    struct err e;

    assert_ok(faults_take(f->faults, service, op, &x, &e));
    return x.applies;
}

static void strikes_only_its_service_and_op(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_ok(add(f, "{\"service\":\"imds\",\"op\":\"token\",\"status\":429}", &e));
    assert_ok(add(f, "{\"service\":\"maa\",\"status\":500}", &e));
    assert_true(hits(f, "imds", "token"));
    assert_false(hits(f, "imds", "other"));
    assert_false(hits(f, "thim", "token"));
    assert_true(hits(f, "maa", "attest"));
    faults_clear(f->faults);
    assert_false(hits(f, "maa", "attest"));
}

static void strikes_as_often_as_asked_then_lets_the_next_rule_strike(void **state)
{
    struct fixture *f = *state;
    CLEANUP(fault_effect_done) struct fault_effect x = { 0 };
    struct err e;

    assert_ok(add(f, "{\"service\":\"a\",\"times\":2,\"status\":500}", &e));
    assert_ok(add(f, "{\"service\":\"a\",\"times\":1,\"status\":429}", &e));
    assert_true(hits(f, "a", "x"));
    assert_true(hits(f, "a", "x"));
    assert_ok(faults_take(f->faults, "a", "x", &x, &e));
    assert_int_equal(x.status, 429);
    assert_false(hits(f, "a", "x"));
}

static void strikes_never_at_probability_zero_and_sometimes_in_between(void **state)
{
    struct fixture *f = *state;
    struct err e;
    int n = 0;

    assert_ok(add(f, "{\"service\":\"a\",\"probability\":0,\"status\":500}", &e));
    assert_ok(add(f, "{\"service\":\"b\",\"probability\":0.5,\"status\":500}", &e));
    for (int i = 0; i < 400; i++) {
        assert_false(hits(f, "a", "x"));
        n += hits(f, "b", "x");
    }
    assert_in_range(n, 100, 300); /* 10 standard deviations each way */
}

static void answers_in_place_of_the_service(void **state)
{
    struct fixture *f = *state;
    CLEANUP(fault_effect_done) struct fault_effect x = { 0 };
    CLEANUP(sim_reply_done) struct sim_reply r = { 0 };
    struct err e;

    assert_ok(add(f,
                  "{\"service\":\"a\",\"status\":429,\"body\":{\"b\":1},\"delay_ms\":7,"
                  "\"headers\":{\"Retry-After\":\"3\"},\"truncate\":2}",
                  &e));
    assert_ok(faults_take(f->faults, "a", "x", &x, &e));
    assert_ok(fault_effect_apply(&x, &r, &e));
    assert_int_equal(x.delay_ms, 7);
    assert_int_equal(r.status, 429);
    assert_span_equal(buf_span(&r.body), span_str("{\"b\":1}"));
    assert_int_equal(r.n_headers, 2);
    assert_string_equal(r.headers[1].value, "3");
    assert_int_equal(r.delivery.kind, SIM_DELIVER_CUT);
    assert_int_equal(r.delivery.cut_at, 2);
}

static void changes_only_what_it_names_of_an_answer(void **state)
{
    struct fixture *f = *state;
    CLEANUP(fault_effect_done) struct fault_effect x = { 0 };
    CLEANUP(sim_reply_done) struct sim_reply r = { 0 };
    struct err e;

    assert_ok(sim_reply_json(&r, 200, json_pack("{}"), &e));
    assert_ok(add(f, "{\"service\":\"a\",\"stream\":10,\"headers\":{\"X\":\"y\"}}", &e));
    assert_ok(faults_take(f->faults, "a", "x", &x, &e));
    assert_ok(fault_effect_apply(&x, &r, &e));
    assert_int_equal(r.status, 200);
    assert_span_equal(buf_span(&r.body), span_str("{}"));
    assert_int_equal(r.delivery.n_stream, 10);
    assert_int_equal(r.n_headers, 2);
}

static void replaces_only_the_body_when_no_status_is_given(void **state)
{
    struct fixture *f = *state;
    CLEANUP(fault_effect_done) struct fault_effect x = { 0 };
    CLEANUP(sim_reply_done) struct sim_reply r = { 0 };
    struct err e;

    assert_ok(sim_reply_json(&r, 201, json_pack("{}"), &e));
    assert_ok(add(f, "{\"service\":\"a\",\"body\":\"not json\"}", &e));
    assert_ok(faults_take(f->faults, "a", "x", &x, &e));
    assert_ok(fault_effect_apply(&x, &r, &e));
    assert_int_equal(r.status, 201);
    assert_span_equal(buf_span(&r.body), span_str("not json"));
}

static void refuses_rules_and_names_the_member(void **state)
{
    static const char *const cases[][2] = {
        { "[]", "a fault is a JSON object" },
        { "{}", "\"service\" is missing" },
        { "{\"service\":7}", "\"service\"" },
        { "{\"service\":\"a\",\"op\":7}", "\"op\"" },
        { "{\"service\":\"a\",\"times\":0}", "\"times\"" },
        { "{\"service\":\"a\",\"times\":1.5}", "\"times\"" },
        { "{\"service\":\"a\",\"probability\":1.1}", "\"probability\"" },
        { "{\"service\":\"a\",\"probability\":\"1\"}", "\"probability\"" },
        { "{\"service\":\"a\",\"delay_ms\":-1}", "\"delay_ms\"" },
        { "{\"service\":\"a\",\"delay_ms\":3600001}", "\"delay_ms\"" },
        { "{\"service\":\"a\",\"status\":99}", "\"status\"" },
        { "{\"service\":\"a\",\"status\":600}", "\"status\"" },
        { "{\"service\":\"a\",\"headers\":[]}", "\"headers\"" },
        { "{\"service\":\"a\",\"headers\":{\"A\":1}}", "\"headers\"" },
        { "{\"service\":\"a\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}", "\"headers\"" },
        { "{\"service\":\"a\",\"headers\":{\"content-length\":\"1\"}}", "\"headers\"" },
        { "{\"service\":\"a\",\"headers\":{\"A B\":\"c\"}}", "\"headers\"" },
        { "{\"service\":\"a\",\"reset\":false}", "\"reset\"" },
        { "{\"service\":\"a\",\"reset\":\"end\"}", "\"reset\"" },
        { "{\"service\":\"a\",\"truncate\":-1}", "\"truncate\"" },
        { "{\"service\":\"a\",\"stall\":1}", "\"stall\"" },
        { "{\"service\":\"a\",\"stall\":true,\"reset\":true}", "only one of" },
        { "{\"service\":\"a\",\"stream\":-1}", "\"stream\"" },
        { "{\"service\":\"a\",\"content_length\":\"1\"}", "\"content_length\"" },
        { "{\"service\":\"a\",\"dely_ms\":1}", "unknown member \"dely_ms\"" },
    };
    struct fixture *f = *state;
    CLEANUP(json_freep) json_t *list = NULL;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_fails(ERR_PARSE, cases[i][1], add(f, cases[i][0], &e));
    assert_ok(faults_list(f->faults, &list, &e));
    assert_int_equal(json_array_size(list), 0);
}

static void lists_rules_with_their_uses(void **state)
{
    struct fixture *f = *state;
    CLEANUP(json_freep) json_t *list = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    assert_ok(add(f, "{\"service\":\"a\",\"op\":\"x\",\"times\":3,\"status\":500}", &e));
    assert_ok(add(f, "{\"service\":\"b\"}", &e));
    assert_true(hits(f, "a", "x"));
    assert_ok(faults_list(f->faults, &list, &e));
    assert_ok(json_format(list, false, &text, &e));
    assert_span_equal(buf_span(&text),
                      span_str("[{\"service\":\"a\",\"op\":\"x\",\"used\":1,\"left\":2},"
                               "{\"service\":\"b\",\"used\":0}]"));
}

#define WITH_FAULTS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAULTS(strikes_only_its_service_and_op),
        WITH_FAULTS(strikes_as_often_as_asked_then_lets_the_next_rule_strike),
        WITH_FAULTS(strikes_never_at_probability_zero_and_sometimes_in_between),
        WITH_FAULTS(answers_in_place_of_the_service),
        WITH_FAULTS(changes_only_what_it_names_of_an_answer),
        WITH_FAULTS(replaces_only_the_body_when_no_status_is_given),
        WITH_FAULTS(refuses_rules_and_names_the_member),
        WITH_FAULTS(lists_rules_with_their_uses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
