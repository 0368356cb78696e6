#include "support/asserts.h"

#include "sim/json_text.h"

static void finds_the_text_of_a_member(void **state)
{
    static const struct {
        const char *object, *name, *value;
    } cases[] = {
        { "{\"a\":1}", "a", "1" },
        { " { \"a\" : 18446744073709551616 , \"b\":2 } ", "a", "18446744073709551616" },
        { "{\"x\":{\"a\":1,\"y\":[\"}\",2]},\"a\":\"q\\\",}\"}", "a", "\"q\\\",}\"" },
        { "{\"x\":{\"a\":1},\"y\":[{\"a\":2}]}", "a", NULL },
        { "{\"\\\"a\":0,\"a\": [ 1 , 2 ] }", "a", "[ 1 , 2 ]" },
        { "{\"ab\":1,\"b\":null}", "b", "null" },
        { "{}", "a", NULL },
        { "{\"a\":{\"b\":1}\n}", "a", "{\"b\":1}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct span found = span_str("untouched");
        const bool is_found = json_text_member(span_str(cases[i].object), cases[i].name, &found);

        assert_int_equal(is_found, cases[i].value != NULL);
        assert_span_equal(found, span_str(is_found ? cases[i].value : "untouched"));
    }
}

static void drops_blanks_only_between_tokens(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    assert_ok(json_text_compact(
        span_str(" {\n\t\"a b\" : [ 1.0 , true,\r\n\"c \\\" d\" ] , \"\\\\\" : { } }"), &out, &e));
    assert_string_equal(buf_cstr(&out), "{\"a b\":[1.0,true,\"c \\\" d\"],\"\\\\\":{}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_text_of_a_member),
        cmocka_unit_test(drops_blanks_only_between_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
