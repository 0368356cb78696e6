#include "support/asserts.h"

#include "azure/access_token.h"
#include "base/str.h"

#include <stdlib.h>

#define NOW 1700000000

static void reads_both_services_answers(void **state)
{
    static const struct {
        const char *answer;
        int64_t life_s;
    } cases[] = {
        /* the instance metadata service, Entra */
        { "{\"access_token\":\"a.b-c_d\",\"client_id\":\"x\",\"expires_in\":\"86399\",\"expires_"
          "on\":"
          "\"1700086399\",\"not_before\":\"1\",\"resource\":\"r\",\"token_type\":\"Bearer\"}",
          86399 },
        { "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a.b-c_d\"}", 3599 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":\"1\"}", 1 },
        { "{\"Access_Token\":\"a.b-c_d\",\"Expires_In\":5}", 5 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_on\":\"1700000100\"}", 100 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_on\":1700000100}", 100 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":\"soon\",\"expires_on\":1700000100}", 100 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":100.9}", 100 },
        { "{\"access_token\":\"a.b-c_d\"}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":null,\"expires_on\":[]}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_on\":\"1/2/2030 10:00:00 AM +00:00\"}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":-5}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":\"-5\"}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":1e300}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":18446744073709551616}", 0 },
        { "{\"access_token\":\"a.b-c_d\",\"expires_in\":\"99999999999999999999\"}", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(access_token_done) struct access_token t = { 0 };
        struct err e;
        assert_ok(access_token_parse(span_str(cases[i].answer), NOW, &t, &e));
        assert_string_equal(t.text, "a.b-c_d");
        assert_int_equal(t.life_s, cases[i].life_s);
    }
}

static void refuses_answers_without_a_usable_token(void **state)
{
    static const char *const cases[] = {
        "",
        "SECRET",
        "[\"SECRET\"]",
        "{}",
        "{\"access_token\":null}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":7}",
        "{\"access_token\":{\"x\":\"SECRET\"}}",
        "{\"access_token\":\"SECRET\\r\\nX: y\"}",
        "{\"access_token\":\"SECRET \"}",
        "{\"access_token\":\"SECRET\\u0000\"}",
        "{\"access_token\":\"SECRET\\u00e4\"}",
        "{\"access_token\":\"SECRET\\\"\"}",
        "{\"access_token\":\"SECRET\",\"expires_in\":0}",
        "{\"access_token\":\"SECRET\",\"expires_in\":\"0\"}",
        "{\"access_token\":\"SECRET\",\"expires_on\":\"1700000000\"}",
        "{\"access_token\":\"SECRET\",\"expires_on\":1699999999}",
        "{\"access_token\":\"SECRET\"",
        "{\"access_token\":\"SECRET\",\"access_token\":\"SECRET\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct access_token t = { 0 };
        struct err e;
        assert_fails(ERR_PARSE, "", access_token_parse(span_str(cases[i]), NOW, &t, &e));
        assert_null(t.text);
        assert_null(strstr(e.msg, "SECRET"));
    }
}

static void a_token_is_bounded(void **state)
{
    char *text = calloc(1, ACCESS_TOKEN_MAX + 2);

    assert_non_null(text);
    memset(text, 'a', ACCESS_TOKEN_MAX);
    assert_true(access_token_is_sane(text));
    text[ACCESS_TOKEN_MAX] = 'a';
    assert_false(access_token_is_sane(text));
    assert_false(access_token_is_sane(""));
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_services_answers),
        cmocka_unit_test(refuses_answers_without_a_usable_token),
        cmocka_unit_test(a_token_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
