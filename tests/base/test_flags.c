#include "support/asserts.h"

#include "base/flags.h"

#include <stdlib.h>

struct values {
    const char *s;
    bool b;
    int i;
};

static enum flags_result parse(const char *const *args, struct values *v, int *rest, struct err *e)
{
    const struct flag table[] = {
        { "text", FLAG_STRING, &v->s, "a text" },
        { "on", FLAG_BOOL, &v->b, "a switch" },
        { "number", FLAG_INT, &v->i, "a number" },
        { NULL, FLAG_BOOL, NULL, NULL },
    };
    char *argv[16] = { (char[]){ "prog" } };
    int argc = 1;

    for (; args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return flags_parse(table, argc, argv, rest, e);
}

static void reads_every_spelling_that_deployed_commands_use(void **state)
{
    static const struct {
        const char *args[6];
        struct values want;
    } cases[] = {
        { { "-text", "x" }, { "x", false, 5 } },
        { { "--text=x" }, { "x", false, 5 } },
        { { "-text=" }, { "", false, 5 } },
        { { "-text=a=b" }, { "a=b", false, 5 } },
        { { "-text", "-on" }, { "-on", false, 5 } },
        { { "-on" }, { "d", true, 5 } },
        { { "--on=t", "-number=7" }, { "d", true, 7 } },
        { { "-on=false", "--number", "0" }, { "d", false, 0 } },
        { { "-on", "-on=0" }, { "d", false, 5 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct values v = { "d", false, 5 };
        struct err e = { .code = ERR_NONE };
        int rest = 0;
        assert_int_equal(parse(cases[i].args, &v, &rest, &e), FLAGS_OK);
        assert_string_equal(v.s, cases[i].want.s);
        assert_int_equal(v.b, cases[i].want.b);
        assert_int_equal(v.i, cases[i].want.i);
    }
}

static void stops_at_the_first_argument_that_is_no_flag(void **state)
{
    struct values v = { "d", false, 5 };
    struct err e;
    int rest = 0;

    (void)state;
    assert_int_equal(
        parse((const char *const[]){ "-on", "file", "-text", "x", NULL }, &v, &rest, &e), FLAGS_OK);
    assert_int_equal(rest, 2);
    assert_string_equal(v.s, "d");
    assert_int_equal(parse((const char *const[]){ "--", "-text", NULL }, &v, &rest, &e), FLAGS_OK);
    assert_int_equal(rest, 2);
}

static void refuses_what_it_does_not_know(void **state)
{
    static const struct {
        const char *args[4];
        const char *needle;
    } cases[] = {
        { { "-nosuch" }, "-nosuch" },         { { "--nosuch=1" }, "-nosuch" },
        { { "-text" }, "needs an argument" }, { { "-on=maybe" }, "boolean" },
        { { "-number", "x" }, "-number" },    { { "-number=99999999999" }, "-number" },
        { { "-number=-1" }, "-number" },      { { "-=x" }, "not defined" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct values v = { "d", false, 5 };
        struct err e;
        int rest = 0;
        assert_int_equal(parse(cases[i].args, &v, &rest, &e), FLAGS_BAD);
        assert_non_null(strstr(e.msg, cases[i].needle));
    }
}

static void asks_for_help_in_four_ways(void **state)
{
    static const char *const forms[][2] = { { "-h" }, { "--h" }, { "-help" }, { "--help" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct values v = { "d", false, 5 };
        struct err e;
        int rest = 0;
        assert_int_equal(parse(forms[i], &v, &rest, &e), FLAGS_HELP);
    }
}

static void usage_names_every_flag_with_its_default(void **state)
{
    struct values v = { "d", false, 5 };
    const struct flag table[] = {
        { "text", FLAG_STRING, &v.s, "a text" },
        { "number", FLAG_INT, &v.i, "a number" },
        { NULL, FLAG_BOOL, NULL, NULL },
    };
    char *text = NULL;
    size_t n = 0;

    (void)state;
    FILE *f = open_memstream(&text, &n);
    flags_usage(table, "prog", f);
    fclose(f);
    assert_string_equal(text, "Usage of prog:\n  -text string\n    \ta text (default \"d\")\n"
                              "  -number int\n    \ta number (default 5)\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_spelling_that_deployed_commands_use),
        cmocka_unit_test(stops_at_the_first_argument_that_is_no_flag),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(asks_for_help_in_four_ways),
        cmocka_unit_test(usage_names_every_flag_with_its_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
