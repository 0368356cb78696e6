/* What single rules mean; whole policies are judged by tests/judges/policy_judge.py. */
#include "support/asserts.h"

#include "azure/release_policy.h"
#include "base/str.h"

#include <stdio.h>

#define ISS "https://a.attest.azure.net"

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    struct err e;

    assert_ok(json_parse(span_str(text), &v, &e));
    return v;
}

/* A policy whose only authority is ISS, with these conditions in allOf. */
static json_t *all_of(const char *conditions)
{
    CLEANUP(str_freep) char *text = NULL;
    struct err e;

    assert_ok(str_printf(&text, &e, "{\"anyOf\":[{\"authority\":\"" ISS "\",\"allOf\":[%s]}]}",
                         conditions));
    return parse(text);
}

/* The verdict; *out is what failed as JSON text, the caller's. */
static bool judge(const json_t *policy, const char *claims_text, char **out,
                  const char **out_authority)
{
    CLEANUP(json_freep) json_t *claims = parse(claims_text);
    CLEANUP(json_freep) json_t *failed = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    const char *authority = NULL;
    bool satisfied = false;
    struct err e;

    assert_ok(release_policy_check(policy, &e));
    assert_ok(release_policy_evaluate(policy, claims, &satisfied, &failed, &authority, &e));
    assert_int_equal(satisfied, failed == NULL);
    if (failed != NULL)
        assert_ok(json_format(failed, false, &text, &e));
    assert_ok(str_from_span(buf_span(&text), out, &e));
    if (out_authority != NULL)
        *out_authority = authority;
    return satisfied;
}

static void the_reference_policy_is_met_by_a_token(void **state)
{
    CLEANUP(json_freep)
    json_t *policy =
        parse("{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" ISS "/\",\"allOf\":["
              "{\"claim\":\"x-ms-sevsnpvm-hostdata\",\"equals\":\"aa\"},"
              "{\"claim\":\"x-ms-compliance-status\",\"equals\":\"azure-compliant-uvm\"},"
              "{\"claim\":\"x-ms-sevsnpvm-is-debuggable\",\"equals\":\"false\"},"
              "{\"claim\":\"x-ms-sevsnpvm-vmpl\",\"equals\":\"0\"}]}]}");
    static const char met[] = "{\"iss\":\"" ISS "\",\"x-ms-sevsnpvm-hostdata\":\"aa\","
                              "\"x-ms-compliance-status\":\"azure-compliant-uvm\","
                              "\"x-ms-sevsnpvm-is-debuggable\":false,\"x-ms-sevsnpvm-vmpl\":0}";
    static const char unmet[] = "{\"iss\":\"" ISS "\",\"x-ms-sevsnpvm-hostdata\":\"ab\","
                                "\"x-ms-sevsnpvm-is-debuggable\":true,\"x-ms-sevsnpvm-vmpl\":0}";
    CLEANUP(str_freep) char *none = NULL;
    CLEANUP(str_freep) char *failed = NULL;
    const char *authority = NULL;

    assert_true(judge(policy, met, &none, &authority));
    assert_string_equal(authority, ISS "/");
    assert_false(judge(policy, unmet, &failed, &authority));
    assert_string_equal(authority, ISS "/");
    assert_string_equal(
        failed, "[{\"claim\":\"x-ms-sevsnpvm-hostdata\",\"required\":\"aa\",\"actual\":\"ab\"},"
                "{\"claim\":\"x-ms-compliance-status\",\"required\":\"azure-compliant-uvm\","
                "\"actual\":null},"
                "{\"claim\":\"x-ms-sevsnpvm-is-debuggable\",\"required\":\"false\",\"actual\":true}"
                "]");
}

static void values_are_compared_as_text(void **state)
{
    static const struct {
        const char *required, *actual;
        bool equal;
    } cases[] = {
        { "\"0\"", "0", true },
        { "0", "\"0\"", true },
        { "\"true\"", "true", true },
        { "true", "\"true\"", true },
        { "\"false\"", "false", true },
        { "\"x\"", "\"x\"", true },
        { "\"x\"", "\"X\"", false },
        { "\"True\"", "true", false },
        { "1", "true", false },
        { "0", "false", false },
        { "\"\"", "false", false },
        { "\"\"", "\"\"", true },
        { "\"00\"", "0", false },
        { "\" 0\"", "0", false },
        { "\"-7\"", "-7", true },
        { "1", "1.0", true },
        { "\"1.0\"", "1.0", false },
        { "0.1", "\"0.1\"", true },
        { "0.1", "0.10000000000000001", true },
        { "0.30000000000000004", "\"0.30000000000000004\"", true },
        { "0.30000000000000004", "0.3", false },
        { "28800", "28800.0", true },
        { "1e15", "\"1000000000000000\"", true },
        { "\"1.5\"", "1.5", true },
        { "9223372036854775807", "\"9223372036854775807\"", true },
        { "9007199254740993", "9007199254740992", false },
        { "1e300", "\"1e+300\"", true },
        { "-0.0", "0", true },
        { "\"null\"", "null", false },
        { "\"\"", "null", false },
        { "\"{}\"", "{}", false },
        { "\"x\"", "[\"x\"]", false },
        { "\"a\\u0000b\"", "\"a\\u0000b\"", true },
        { "\"a\\u0000b\"", "\"a\\u0000c\"", false },
        { "\"a\"", "\"a\\u0000c\"", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int negated = 0; negated < 2; negated++) {
            char condition[128], claims[128];
            CLEANUP(str_freep) char *failed = NULL;
            snprintf(condition, sizeof(condition), "{\"claim\":\"c\",\"%s\":%s}",
                     negated ? "notEquals" : "equals", cases[i].required);
            snprintf(claims, sizeof(claims), "{\"iss\":\"" ISS "\",\"c\":%s}", cases[i].actual);
            CLEANUP(json_freep) json_t *policy = all_of(condition);
            if (judge(policy, claims, &failed, NULL) != (cases[i].equal != negated))
                fail_msg("%s against %s", condition, claims);
        }
    }
}

static void operators_mean_what_they_say(void **state)
{
    static const struct {
        const char *condition;
        bool holds;
        const char *required;
    } cases[] = {
        { "{\"claim\":\"five\",\"less\":6}", true, "" },
        { "{\"claim\":\"five\",\"less\":5}", false, "{\"less\":5}" },
        { "{\"claim\":\"five\",\"lessOrEquals\":5}", true, "" },
        { "{\"claim\":\"five\",\"LESSOREQUALS\":4.9}", false,
          "{\"lessOrEquals\":4.9000000000000004}" },
        { "{\"claim\":\"five\",\"greater\":4.5}", true, "" },
        { "{\"claim\":\"five\",\"greater\":5}", false, "{\"greater\":5}" },
        { "{\"claim\":\"five\",\"greaterOrEquals\":5.0}", true, "" },
        { "{\"claim\":\"five\",\"greaterOrEquals\":6}", false, "{\"greaterOrEquals\":6}" },
        { "{\"claim\":\"big\",\"greater\":9007199254740992.0}", true, "" },
        { "{\"claim\":\"text\",\"less\":6}", false, "{\"less\":6}" },
        { "{\"claim\":\"five\",\"less\":\"6\"}", false, "{\"less\":\"6\"}" },
        { "{\"claim\":\"five\",\"greater\":true}", false, "{\"greater\":true}" },
        { "{\"claim\":\"none\",\"less\":6}", false, "{\"less\":6}" },
        { "{\"claim\":\"none\",\"notEquals\":6}", false, "{\"notEquals\":6}" },
        { "{\"claim\":\"five\",\"notequals\":\"5\"}", false, "{\"notEquals\":\"5\"}" },
        { "{\"claim\":\"five\",\"exists\":true}", true, "" },
        { "{\"claim\":\"five\",\"exists\":false}", false, "{\"exists\":false}" },
        { "{\"claim\":\"none\",\"exists\":false}", true, "" },
        { "{\"claim\":\"none\",\"exists\":\"false\"}", true, "" },
        { "{\"claim\":\"none\",\"exists\":\"true\"}", false, "{\"exists\":\"true\"}" },
        { "{\"claim\":\"nil\",\"exists\":true}", true, "" },
        { "{\"claim\":\"five\",\"condition\":\"equals\",\"value\":\"5\"}", true, "" },
        { "{\"claim\":\"five\",\"condition\":\"Equals\",\"value\":\"6\"}", false, "\"6\"" },
        { "{\"claim\":\"five\",\"condition\":\"less\",\"value\":1}", false, "{\"less\":1}" },
        { "{\"Claim\":\"five\",\"Condition\":\"equals\",\"VALUE\":5}", true, "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *policy = all_of(cases[i].condition);
        CLEANUP(str_freep) char *failed = NULL;
        const bool holds = judge(policy,
                                 "{\"iss\":\"" ISS "\",\"five\":5,\"text\":\"5\","
                                 "\"big\":9007199254740993,\"nil\":null}",
                                 &failed, NULL);
        if (holds != cases[i].holds)
            fail_msg("%s", cases[i].condition);
        if (!holds) {
            char want[128];
            snprintf(want, sizeof(want), "\"required\":%s,\"actual\":", cases[i].required);
            if (strstr(failed, want) == NULL)
                fail_msg("%s is not in %s", want, failed);
        }
    }
}

static void names_with_dots_are_looked_up_whole_first(void **state)
{
    CLEANUP(json_freep)
    json_t *claims =
        parse("{\"a.b\":1,\"a\":{\"b\":2,\"c\":{\"d\":3},\"c.d\":4,\"x\":null},\"\":{\"e\":5},"
              "\"l\":[6],\"ab\":{\"z\":7}}");
    static const struct {
        const char *name;
        int value; /* 0: absent */
    } cases[] = {
        { "a.b", 1 },   { "a.c.d", 4 }, { "a", -1 },   { "a.c", -1 }, { "a.q", 0 },
        { "a.b.c", 0 }, { ".e", 5 },    { "l.0", 0 },  { "l[0]", 0 }, { "ab.z", 7 },
        { "A.b", 0 },   { "", -1 },     { "a..b", 0 }, { ".", 0 },    { "a.c.d.", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const json_t *v = release_policy_claim(claims, cases[i].name);
        const int got = v == NULL ? 0 : json_is_integer(v) ? (int)json_integer_value(v) : -1;
        if (got != cases[i].value)
            fail_msg("%s: %d", cases[i].name, got);
    }
    assert_true(json_is_null(release_policy_claim(claims, "a.x")));
    assert_null(release_policy_claim(NULL, "a"));
    assert_null(release_policy_claim(json_object_get(claims, "l"), "a"));
}

static void groups_nest_and_only_what_matters_is_listed(void **state)
{
    CLEANUP(json_freep)
    json_t *policy =
        all_of("{\"anyOf\":[{\"claim\":\"a\",\"equals\":1},{\"claim\":\"b\",\"equals\":1}]},"
               "{\"ANYOF\":[{\"allOf\":[{\"claim\":\"a\",\"equals\":1},{\"claim\":\"c\",\"equals\":"
               "1}]},{\"claim\":\"d\",\"equals\":1}]},"
               "{\"claim\":\"e\",\"equals\":1}");
    CLEANUP(str_freep) char *failed = NULL;

    assert_false(judge(policy, "{\"iss\":\"" ISS "\",\"a\":1,\"e\":2}", &failed, NULL));
    assert_string_equal(failed, "[{\"claim\":\"c\",\"required\":1,\"actual\":null},"
                                "{\"claim\":\"d\",\"required\":1,\"actual\":null},"
                                "{\"claim\":\"e\",\"required\":1,\"actual\":2}]");
}

#define AUTHORITY(url, claim)                                                                      \
    "{\"authority\":\"" url "\",\"allOf\":[{\"claim\":\"" claim "\",\"equals\":1}]}"

static void the_issuer_picks_the_authority(void **state)
{
    static const struct {
        const char *policy, *claims;
        bool satisfied;
        const char *authority, *failed;
    } cases[] = {
        { "{\"anyOf\":[" AUTHORITY("https://x", "b") "," AUTHORITY(ISS, "a") "]}",
          "{\"iss\":\"" ISS "/\",\"a\":1}", true, ISS, "" },
        { "{\"anyOf\":[" AUTHORITY(ISS, "b") "," AUTHORITY(ISS "/", "a") "]}",
          "{\"iss\":\"" ISS "\",\"a\":1}", true, ISS "/", "" },
        { "{\"anyOf\":[" AUTHORITY(ISS, "b") "," AUTHORITY(ISS "/", "a") "]}",
          "{\"iss\":\"" ISS "\"}", false, ISS,
          "[{\"claim\":\"b\",\"required\":1,\"actual\":null}]" },
        { "{\"anyOf\":[" AUTHORITY("https://x", "a") "]}", "{\"iss\":\"" ISS "\",\"a\":1}", false,
          NULL, "[{\"claim\":\"iss\",\"required\":\"https://x\",\"actual\":\"" ISS "\"}]" },
        { "{\"anyOf\":[" AUTHORITY("https://x", "a") "," AUTHORITY("https://y", "a") "," AUTHORITY(
              "https://x", "b") "]}",
          "{\"a\":1}", false, NULL,
          "[{\"claim\":\"iss\",\"required\":[\"https://x\",\"https://y\"],\"actual\":null}]" },
        { "{\"anyOf\":[" AUTHORITY("7", "a") "]}", "{\"iss\":7,\"a\":1}", false, NULL,
          "[{\"claim\":\"iss\",\"required\":\"7\",\"actual\":7}]" },
        { "{\"anyOf\":[" AUTHORITY("https://x", "a") "]}",
          "{\"iss\":\"https://x\\u0000y\",\"a\":1}", false, NULL,
          "[{\"claim\":\"iss\",\"required\":\"https://x\",\"actual\":\"https://x\\u0000y\"}]" },
        { "{\"anyOf\":[" AUTHORITY("https://x", "a") "]}", "{\"iss\":\"https://xy\",\"a\":1}",
          false, NULL,
          "[{\"claim\":\"iss\",\"required\":\"https://x\",\"actual\":\"https://xy\"}]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *policy = parse(cases[i].policy);
        CLEANUP(str_freep) char *failed = NULL;
        const char *authority = NULL;
        assert_int_equal(judge(policy, cases[i].claims, &failed, &authority), cases[i].satisfied);
        assert_string_equal(failed, cases[i].failed);
        if (cases[i].authority == NULL)
            assert_null(authority);
        else
            assert_string_equal(authority, cases[i].authority);
    }
}

static void the_list_of_failures_may_be_left_out(void **state)
{
    CLEANUP(json_freep) json_t *policy = all_of("{\"claim\":\"a\",\"equals\":1}");
    CLEANUP(json_freep) json_t *claims = parse("{\"iss\":\"" ISS "\",\"a\":2}");
    const char *authority = NULL;
    bool satisfied = true;
    struct err e;

    assert_ok(release_policy_evaluate(policy, claims, &satisfied, NULL, &authority, &e));
    assert_false(satisfied);
}

#define IN_AUTHORITY(x) "{\"anyOf\":[{\"authority\":\"a\"," x "}]}"
#define IN_ALL(x)       IN_AUTHORITY("\"allOf\":[" x "]")

struct crooked {
    const char *policy, *needle;
};

static void check_refused(const struct crooked *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(json_freep) json_t *policy = parse(cases[i].policy);
        struct err e;
        assert_fails(ERR_PARSE, cases[i].needle, release_policy_check(policy, &e));
    }
}

static void refuses_what_is_no_policy(void **state)
{
    static const struct crooked cases[] = {
        { "[]", "not an object" },
        { "{}", "anyOf is not a non-empty array" },
        { "{\"anyOf\":[]}", "anyOf is not a non-empty array" },
        { "{\"anyOf\":{}}", "anyOf is not a non-empty array" },
        { "{\"allOf\":[{\"authority\":\"a\",\"allOf\":[{\"claim\":\"c\",\"equals\":1}]}]}",
          "anyOf" },
        { "{\"version\":1,\"anyOf\":[" AUTHORITY("a", "c") "]}", "version" },
        { "{\"version\":null,\"anyOf\":[" AUTHORITY("a", "c") "]}", "version" },
        { "{\"more\":1,\"anyOf\":[" AUTHORITY("a", "c") "]}", "grammar" },
        { "{\"anyOf\":[" AUTHORITY("a", "c") "],\"ANYOF\":[" AUTHORITY("a", "d") "]}", "twice" },
        { "{\"anyOf\":[7]}", "anyOf[0]: not an object" },
        { "{\"anyOf\":[" AUTHORITY("a", "c") ",{\"allOf\":[]}]}", "anyOf[1]: \"authority\"" },
        { "{\"anyOf\":[{\"authority\":7,\"allOf\":[{\"claim\":\"c\",\"equals\":1}]}]}",
          "authority" },
        { "{\"anyOf\":[{\"authority\":\"\",\"allOf\":[{\"claim\":\"c\",\"equals\":1}]}]}",
          "authority" },
        { "{\"anyOf\":[{\"authority\":\"a\"}]}", "anyOf[0]: neither anyOf nor allOf" },
        { IN_AUTHORITY("\"allOf\":[]"), "anyOf[0]: allOf is not a non-empty array" },
        { IN_AUTHORITY("\"anyOf\":\"x\""), "anyOf[0]: anyOf is not a non-empty array" },
        { IN_AUTHORITY("\"allOf\":[1],\"anyOf\":[1]"), "anyOf[0]: both" },
        { IN_AUTHORITY("\"claim\":\"c\",\"equals\":1"), "anyOf[0]: a member that" },
    };

    check_refused(cases, ARRAY_LEN(cases));
}

static void refuses_what_is_no_condition(void **state)
{
    static const struct crooked cases[] = {
        { IN_ALL("1"), "anyOf[0].allOf[0]: not an object" },
        { IN_ALL("{}"), "anyOf[0].allOf[0]: \"claim\" is missing" },
        { IN_ALL("{\"claim\":7,\"equals\":1}"), "\"claim\"" },
        { IN_ALL("{\"claim\":\"\",\"equals\":1}"), "\"claim\"" },
        { IN_ALL("{\"claim\":\"a\\u0000b\",\"equals\":1}"), "NUL" },
        { IN_ALL("{\"claim\":\"c\"}"), "0 operators" },
        { IN_ALL("{\"claim\":\"c\",\"is\":1}"), "no operator" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1,\"note\":\"x\"}"), "no operator" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1,\"less\":2}"), "2 operators" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1,\"EQUALS\":1}"), "2 operators" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1,\"condition\":\"equals\",\"value\":1}"),
          "2 operators" },
        { IN_ALL("{\"claim\":\"c\",\"Claim\":\"d\",\"equals\":1}"), "twice" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":null}"), "the value" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":[1]}"), "the value" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":{}}"), "the value" },
        { IN_ALL("{\"claim\":\"c\",\"exists\":1}"), "exists" },
        { IN_ALL("{\"claim\":\"c\",\"exists\":\"yes\"}"), "exists" },
        { IN_ALL("{\"claim\":\"c\",\"condition\":\"equals\"}"), "\"value\" is missing" },
        { IN_ALL("{\"claim\":\"c\",\"condition\":\"is\",\"value\":1}"), "\"condition\"" },
        { IN_ALL("{\"claim\":\"c\",\"condition\":1,\"value\":1}"), "\"condition\"" },
        { IN_ALL("{\"claim\":\"c\",\"condition\":\"equals\",\"value\":{}}"), "the value" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1,\"value\":1}"), "without \"condition\"" },
        { IN_ALL("{\"claim\":\"c\",\"value\":1}"), "0 operators" },
        { IN_ALL("{\"claim\":\"c\",\"equals\":1},{\"anyOf\":[{\"allOf\":[]}]}"),
          "anyOf[0].allOf[1].anyOf[0]: allOf is not" },
        { IN_ALL("{\"anyOf\":[{\"claim\":\"c\",\"equals\":1}],\"claim\":\"c\"}"),
          "anyOf[0].allOf[0]: a member that" },
        { IN_ALL("{\"anyOf\":[{\"claim\":\"c\",\"equals\":1}],\"anyof\":[]}"), "twice" },
    };

    check_refused(cases, ARRAY_LEN(cases));
}

static void names_the_place_however_deep_it_is(void **state)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    assert_ok(buf_add_str(&text, "{\"anyOf\":[{\"authority\":\"a\",\"allOf\":[", &e));
    for (int i = 0; i < 28; i++)
        assert_ok(buf_add_str(&text, "{\"anyOf\":[", &e));
    assert_ok(buf_add_str(&text, "{}", &e));
    for (int i = 0; i < 28; i++)
        assert_ok(buf_add_str(&text, "]}", &e));
    assert_ok(buf_add_str(&text, "]}]}", &e));

    CLEANUP(json_freep) json_t *policy = NULL;
    assert_ok(json_parse(buf_span(&text), &policy, &e));
    assert_fails(ERR_PARSE, "anyOf[0].allOf[0].anyOf[0].", release_policy_check(policy, &e));
    assert_non_null(strstr(e.msg, ".anyOf[0]: \"claim\" is missing"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_policy_is_met_by_a_token),
        cmocka_unit_test(values_are_compared_as_text),
        cmocka_unit_test(operators_mean_what_they_say),
        cmocka_unit_test(names_with_dots_are_looked_up_whole_first),
        cmocka_unit_test(groups_nest_and_only_what_matters_is_listed),
        cmocka_unit_test(the_issuer_picks_the_authority),
        cmocka_unit_test(the_list_of_failures_may_be_left_out),
        cmocka_unit_test(refuses_what_is_no_policy),
        cmocka_unit_test(refuses_what_is_no_condition),
        cmocka_unit_test(names_the_place_however_deep_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
