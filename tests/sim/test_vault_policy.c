#include "support/asserts.h"

#include "sim/vault_policy.h"

#define MAA "https://x.attest.azure.net"

static void normalise(enum vault_product product, const char *in, const char *want)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    assert_ok(vault_policy_normalise(product, span_str(in), &out, &e));
    assert_string_equal(buf_cstr(&out), want);
}

static void stores_what_each_product_gives_back(void **state)
{
    static const struct {
        const char *sent, *akv, *hsm;
    } cases[] = {
        /* recorded: order of members, the final slash, version "1.0" */
        { "{\"anyOf\":[{\"allOf\":[{\"claim\":\"sdk-test\",\"equals\":\"true\"}],"
          "\"authority\":\"" MAA "/\"}],\"version\":\"1.0\"}",
          "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" MAA "\","
          "\"allOf\":[{\"claim\":\"sdk-test\",\"equals\":\"true\"}]}]}",
          "{\"anyOf\":[{\"allOf\":[{\"claim\":\"sdk-test\",\"equals\":\"true\"}],"
          "\"authority\":\"" MAA "/\"}],\"version\":\"1.0.0\"}" },
        /* no version, blanks, other case of keywords */
        { " { \"ANYOF\" : [ { \"Authority\" : \"" MAA "\" , \"anyof\" : "
          "[ { \"Claim\" : \"a\" , \"EQUALS\" : 7 } ] } ] } ",
          "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" MAA "\","
          "\"anyOf\":[{\"claim\":\"a\",\"equals\":7}]}]}",
          "{\"anyOf\":[{\"anyOf\":[{\"claim\":\"a\",\"equals\":7}],"
          "\"authority\":\"" MAA "\"}],\"version\":\"1.0.0\"}" },
        /* the form before versions; version 0.2 */
        { "{\"version\":\"0.2\",\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":["
          "{\"claim\":\"a\",\"condition\":\"equals\",\"value\":\"true\"}]}]}",
          "{\"version\":\"0.2\",\"anyOf\":[{\"authority\":\"" MAA "\","
          "\"allOf\":[{\"claim\":\"a\",\"equals\":\"true\"}]}]}",
          "{\"anyOf\":[{\"allOf\":[{\"claim\":\"a\",\"equals\":\"true\"}],"
          "\"authority\":\"" MAA "\"}],\"version\":\"0.2\"}" },
        /* nested groups, other operators, a claim with dots, two authorities */
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":["
          "{\"anyOf\":[{\"claim\":\"x.y\",\"equals\":false},{\"claim\":\"b\",\"GREATER\":1}]},"
          "{\"claim\":\"c\",\"exists\":true}]},"
          "{\"authority\":\"https://other\",\"anyOf\":[{\"claim\":\"d\",\"notequals\":\"z\"}]}]}",
          "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":["
          "{\"anyOf\":[{\"claim\":\"x.y\",\"equals\":false},{\"claim\":\"b\",\"greater\":1}]},"
          "{\"claim\":\"c\",\"exists\":true}]},"
          "{\"authority\":\"https://other\",\"anyOf\":[{\"claim\":\"d\",\"notEquals\":\"z\"}]}]}",
          "{\"anyOf\":[{\"allOf\":["
          "{\"anyOf\":[{\"claim\":\"x.y\",\"equals\":false},{\"claim\":\"b\",\"greater\":1}]},"
          "{\"claim\":\"c\",\"exists\":true}],\"authority\":\"" MAA "\"},"
          "{\"anyOf\":[{\"claim\":\"d\",\"notEquals\":\"z\"}],\"authority\":\"https://other\"}],"
          "\"version\":\"1.0.0\"}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        normalise(VAULT_AKV, cases[i].sent, cases[i].akv);
        normalise(VAULT_HSM, cases[i].sent, cases[i].hsm);
        normalise(VAULT_AKV, cases[i].akv, cases[i].akv); /* stored policies stay as they are */
        normalise(VAULT_HSM, cases[i].hsm, cases[i].hsm);
    }
}

static void refuses_what_is_no_policy(void **state)
{
    static const struct {
        const char *text;
        enum err_code code;
    } cases[] = {
        { "", ERR_PARSE },
        { "no JSON", ERR_PARSE },
        { "[]", ERR_PARSE },
        { "{}", ERR_PARSE },
        { "{\"anyOf\":[]}", ERR_PARSE },
        { "{\"anyOf\":[{\"authority\":\"" MAA "\"}]}", ERR_PARSE },
        { "{\"anyOf\":[{\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}", ERR_PARSE },
        { "{\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":[{\"claim\":\"a\"}]}]}", ERR_PARSE },
        { "{\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":[{\"claim\":\"a\",\"equals\":{}}]}]}",
          ERR_PARSE },
        { "{\"anyOf\":[{\"authority\":\"" MAA "\",\"allOf\":[{\"claim\":\"a\",\"like\":\"b\"}]}]}",
          ERR_PARSE },
        { "{\"version\":\"2.0\",\"anyOf\":[{\"authority\":\"" MAA
          "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
          ERR_CHECK },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf out = { 0 };
        struct err e;

        assert_fails(cases[i].code, "",
                     vault_policy_normalise(VAULT_HSM, span_str(cases[i].text), &out, &e));
        assert_int_equal(out.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_what_each_product_gives_back),
        cmocka_unit_test(refuses_what_is_no_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
