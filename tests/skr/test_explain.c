#include "support/asserts.h"

#include "skr/explain.h"

#include <stdio.h>

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    struct err e;

    assert_ok(json_parse(span_str(text), &v, &e));
    return v;
}

#define CLAIMS                                                                                     \
    "{\"iss\":\"https://m.attest.azure.net\",\"x-ms-sevsnpvm-vmpl\":0,"                            \
    "\"x-ms-sevsnpvm-hostdata\":\"aa\",\"x-ms-runtime\":{\"keys\":[]}}"

static void names_the_claim_that_fails(void **state)
{
    CLEANUP(json_freep) json_t *claims = parse(CLAIMS);
    CLEANUP(json_freep)
    json_t *policy =
        parse("{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://m.attest.azure.net/\","
              "\"allOf\":[{\"claim\":\"x-ms-sevsnpvm-hostdata\",\"equals\":\"bb\"},"
              "{\"claim\":\"x-ms-sevsnpvm-vmpl\",\"equals\":\"0\"},"
              "{\"claim\":\"x-ms-compliance-status\",\"equals\":\"azure-compliant-uvm\"}]}]}");
    CLEANUP(json_freep) json_t *explain = NULL;
    CLEANUP(buf_done) struct buf phrase = { 0 };
    struct err e;

    (void)state;
    assert_ok(explain_denial(policy, claims, &explain, &e));
    assert_true(json_is_false(json_object_get(explain, "satisfied")));
    assert_string_equal(json_string_value(json_object_get(explain, "authority")),
                        "https://m.attest.azure.net/");
    assert_int_equal(json_array_size(json_object_get(explain, "failed")), 2);
    assert_true(json_equal(json_object_get(explain, "claims"), claims));
    assert_ok(explain_phrase(explain, &phrase, &e));
    assert_string_equal(buf_cstr(&phrase),
                        "x-ms-sevsnpvm-hostdata is \"aa\", the release policy requires \"bb\"; "
                        "x-ms-compliance-status is missing, the release policy requires "
                        "\"azure-compliant-uvm\"");
}

static void without_the_policy_it_lists_the_claims(void **state)
{
    CLEANUP(json_freep) json_t *claims = parse(CLAIMS);
    CLEANUP(json_freep) json_t *explain = NULL;
    CLEANUP(buf_done) struct buf phrase = { 0 };
    struct err e;

    (void)state;
    assert_ok(explain_denial(NULL, claims, &explain, &e));
    assert_true(json_is_null(json_object_get(explain, "authority")));
    assert_true(json_is_array(json_object_get(explain, "failed")));
    assert_int_equal(json_array_size(json_object_get(explain, "failed")), 0);
    assert_true(json_equal(json_object_get(explain, "claims"), claims));
    assert_ok(explain_phrase(explain, &phrase, &e));
    assert_int_equal(phrase.n, 0);
}

static void a_policy_outside_the_grammar_is_an_error(void **state)
{
    CLEANUP(json_freep) json_t *claims = parse(CLAIMS);
    CLEANUP(json_freep) json_t *policy = parse("{\"anyOf\":[]}");
    json_t *explain = NULL;
    struct err e;

    (void)state;
    assert_fails(ERR_PARSE, "release policy", explain_denial(policy, claims, &explain, &e));
    assert_null(explain);
}

static void add_line(void *arg, const char *text)
{
    struct err e;

    assert_ok(buf_printf(arg, &e, "%s\n", text));
}

static void the_table_has_a_row_for_each_claim(void **state)
{
    CLEANUP(json_freep) json_t *claims = parse(CLAIMS);
    CLEANUP(json_freep)
    json_t *policy = parse("{\"anyOf\":[{\"authority\":\"https://other\",\"allOf\":["
                           "{\"claim\":\"a\",\"equals\":1}]}]}");
    CLEANUP(json_freep) json_t *explain = NULL;
    CLEANUP(buf_done) struct buf table = { 0 };
    struct err e;

    (void)state;
    assert_ok(explain_denial(policy, claims, &explain, &e));
    assert_true(json_is_null(json_object_get(explain, "authority")));
    explain_table(explain, add_line, &table);
    const char *s = buf_cstr(&table);
    assert_non_null(strstr(s, "failed    iss "));
    assert_non_null(strstr(s, "\"https://other\""));
    assert_non_null(strstr(s, "x-ms-sevsnpvm-vmpl"));
    assert_null(strstr(s, "x-ms-runtime"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_claim_that_fails),
        cmocka_unit_test(without_the_policy_it_lists_the_claims),
        cmocka_unit_test(a_policy_outside_the_grammar_is_an_error),
        cmocka_unit_test(the_table_has_a_row_for_each_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
