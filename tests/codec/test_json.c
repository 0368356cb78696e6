#include "support/asserts.h"

#include "codec/json.h"

static const char *const TEXTS[] = {
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1e999",
    "-1.5E+10",
    "18446744073709551615",
    "\"\"",
    "\"\\u0000\\ud800\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    " [ 1 , {\"a\":[]} ]\n",
    "{\"a\":1,\"a\":2}",
    "[[],[[]],{\"x\":{}}]",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
};

static const char *const NOT_TEXTS[] = {
    "",
    " ",
    "nul",
    "nulll",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "-",
    "'a'",
    "\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "{",
    "}",
    "[",
    "[1",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "1 2",
    "[1]x",
    "{\"a\":1} x",
    "\xff",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xe2\x82\"",
    "[1}",
    "{\"a\":1]",
    "tru\xc3\xa9",
    "\xef\xbb\xbf{}",
    "NaN",
    "[1 2]",
};

static void knows_json_from_what_looks_like_it(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        assert_ok(json_check(span_str(TEXTS[i]), &e));
    for (size_t i = 0; i < ARRAY_LEN(NOT_TEXTS); i++)
        assert_fails(ERR_PARSE, "not a JSON text", json_check(span_str(NOT_TEXTS[i]), &e));
    assert_fails(ERR_PARSE, "not a JSON text", json_check(span_of("[1]\0", 4), &e));
}

static void bounds_the_depth_before_anything_is_allocated(void **state)
{
    char text[2 * 70000];
    struct err e;

    (void)state;
    for (size_t depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        const int rc = json_check(span_of(text, 2 * depth), &e);
        assert_int_equal(rc == 0, depth <= JSON_MAX_DEPTH);
    }
    memset(text, '[', sizeof(text));
    assert_int_equal(json_check(span_of(text, sizeof(text)), &e), -1);
    for (size_t i = 0; i < 70 * 5; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(json_check(span_of(text, 70 * 5), &e), -1);
}

static void parses_objects_and_refuses_ambiguity(void **state)
{
    CLEANUP(json_freep) json_t *v = NULL;
    const char *s = NULL;
    struct err e;

    (void)state;
    assert_ok(json_parse(
        span_str("{\"A\":\"x\",\"n\":18446744073709551615,\"z\":null,\"b\":{\"c\":\"d\"}}"), &v,
        &e));
    assert_ok(json_get_string_nocase(v, "a", &s, &e));
    assert_string_equal(s, "x");
    assert_ok(json_get_string(v, "a", &s, &e));
    assert_null(s);
    assert_ok(json_get_string(v, "z", &s, &e));
    assert_null(s);
    assert_string_equal(json_string_value(json_path(v, "b.c")), "d");
    assert_null(json_path(v, "b.c.d"));
    assert_null(json_path(v, "x.y"));
    assert_fails(ERR_PARSE, "\"n\" is not a string", json_get_string(v, "n", &s, &e));

    json_t *none = NULL;
    assert_fails(ERR_PARSE, "duplicate", json_parse(span_str("{\"a\":1,\"a\":2}"), &none, &e));
    assert_fails(ERR_PARSE, "neither", json_parse(span_str("5"), &none, &e));
    assert_fails(ERR_PARSE, "acceptable", json_parse(span_str("[1e999]"), &none, &e));
    assert_null(none);
}

static void a_string_with_a_nul_is_no_c_string(void **state)
{
    CLEANUP(json_freep) json_t *v = NULL;
    const char *s = NULL;
    struct err e;

    (void)state;
    assert_ok(json_parse(span_str("{\"a\":\"x\\u0000y\"}"), &v, &e));
    assert_fails(ERR_PARSE, "NUL", json_get_string(v, "a", &s, &e));
    assert_null(s);
}

static void prefers_the_exact_name_to_another_case(void **state)
{
    CLEANUP(json_freep) json_t *v = NULL;
    struct err e;

    (void)state;
    assert_ok(json_parse(span_str("{\"KID\":1,\"kid\":2,\"Kid\":3}"), &v, &e));
    assert_int_equal(json_integer_value(json_member_nocase(v, "kid")), 2);
    assert_int_equal(json_integer_value(json_member_nocase(v, "kId")), 1);
}

static void formats_compactly_in_either_order(void **state)
{
    CLEANUP(json_freep) json_t *v = json_pack("{s:i,s:[s]}", "b", 1, "a", "x");
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    (void)state;
    assert_ok(json_format(v, false, &out, &e));
    assert_ok(json_format(v, true, &out, &e));
    assert_string_equal(buf_cstr(&out), "{\"b\":1,\"a\":[\"x\"]}{\"a\":[\"x\"],\"b\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_json_from_what_looks_like_it),
        cmocka_unit_test(bounds_the_depth_before_anything_is_allocated),
        cmocka_unit_test(parses_objects_and_refuses_ambiguity),
        cmocka_unit_test(a_string_with_a_nul_is_no_c_string),
        cmocka_unit_test(prefers_the_exact_name_to_another_case),
        cmocka_unit_test(formats_compactly_in_either_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
