#include "support/asserts.h"

#include "codec/json.h"
#include "skr/user_agent.h"

static void names_the_subscription_else_the_client_else_nothing(void **state)
{
    static const struct {
        const char *claims, *want;
    } cases[] = {
        { "{\"xms_az_rid\":\"/subscriptions/1-2/resourcegroups/rg\",\"appid\":\"a\"}",
          "ConfidentialSkrContainer subscription_id=1-2" },
        { "{\"xms_az_rid\":\"/subscriptions/1-2\"}",
          "ConfidentialSkrContainer subscription_id=1-2" },
        { "{\"appid\":\"a-b\"}", "ConfidentialSkrContainer client_id=a-b" },
        { "{\"xms_az_rid\":\"/other\",\"appid\":\"a\"}", "ConfidentialSkrContainer client_id=a" },
        { "{\"xms_az_rid\":5,\"appid\":\"a\"}", "ConfidentialSkrContainer client_id=a" },
        { "{\"xms_az_rid\":\"/subscriptions/a\\r\\nb/x\"}", NULL },
        { "{\"xms_az_rid\":\"/subscriptions//x\"}", NULL },
        { "{\"appid\":\"a b\"}", NULL },
        { "{}", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *claims = NULL;
        char text[USER_AGENT_SIZE] = "";
        struct err e;
        assert_ok(json_parse(span_str(cases[i].claims), &claims, &e));
        assert_int_equal(user_agent_from_claims(claims, text), cases[i].want != NULL);
        assert_string_equal(text, cases[i].want != NULL ? cases[i].want : "");
    }
}

static void a_configured_one_is_used_as_it_is(void **state)
{
    struct user_agent u;
    char text[USER_AGENT_SIZE];
    struct err e;

    (void)state;
    assert_ok(user_agent_init(&u, "My App/1.0 (x)", NULL, clock_system(), &e));
    user_agent_copy(&u, text);
    assert_string_equal(text, "My App/1.0 (x)");
    user_agent_done(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_subscription_else_the_client_else_nothing),
        cmocka_unit_test(a_configured_one_is_used_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
