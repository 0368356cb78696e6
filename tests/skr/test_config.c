#include "support/asserts.h"

#include "azure/thim.h"
#include "codec/b64.h"
#include "skr/config.h"

static int load(const char *json, struct config *out, struct err *e)
{
    CLEANUP(buf_done) struct buf b64 = { 0 };

    assert_int_equal(b64_encode(span_str(json), B64_STD, &b64, e), 0);
    return config_load(buf_cstr(&b64), out, e);
}

static void nothing_configured_gives_the_documented_defaults(void **state)
{
    struct config c;
    struct err e;

    (void)state;
    assert_ok(config_load("", &c, &e));
    assert_null(c.user_agent);
    assert_null(c.client_id);
    assert_null(c.allow_maa);
    assert_string_equal(c.thim_url, THIM_DEFAULT_URL);
    assert_int_equal(c.timeouts.connect_ms, 5000);
    assert_int_equal(c.timeouts.exchange_ms, 20000);
    assert_int_equal(c.timeouts.request_ms, 50000);
    assert_int_equal(c.timeouts.drain_ms, 8000);
    assert_int_equal(c.session.max_age_ms, 60000);
    assert_int_equal(c.session.max_uses, 1000);
    config_done(&c);
}

static void reads_every_member_whatever_its_case(void **state)
{
    struct config c;
    struct err e;

    (void)state;
    assert_ok(load(
        "{\"Identity\":{\"CLIENT_ID\":\"id\"},\"MaaConfig\":{\"user_agent\":\"me/1\"},"
        "\"timeouts\":{\"connect\":1,\"exchange\":2.5,\"request\":3,\"drain\":0},"
        "\"allow\":{\"maa\":[\".a.example\"],\"akv\":[\"v.example:8443\"],\"kids\":[\"k\",\"l\"]},"
        "\"verification\":\"off\",\"session\":{\"max_age_s\":0,\"max_uses\":1},"
        "\"simulated_psp\":\"http://127.0.0.1:1\",\"more\":{\"x\":1}}",
        &c, &e));
    assert_string_equal(c.client_id, "id");
    assert_string_equal(c.user_agent, "me/1");
    assert_string_equal(c.simulated_psp, "http://127.0.0.1:1");
    assert_int_equal(c.timeouts.connect_ms, 1000);
    assert_int_equal(c.timeouts.exchange_ms, 2500);
    assert_int_equal(c.timeouts.request_ms, 3000);
    assert_int_equal(c.timeouts.drain_ms, 0);
    assert_string_equal(c.allow_maa[0], ".a.example");
    assert_null(c.allow_maa[1]);
    assert_string_equal(c.allow_akv[0], "v.example:8443");
    assert_string_equal(c.allow_kids[1], "l");
    assert_int_equal(c.session.max_age_ms, 0);
    assert_int_equal(c.session.max_uses, 1);
    config_done(&c);
}

static void finds_the_node_s_certificates_where_the_configuration_says(void **state)
{
    static const struct {
        const char *certcache, *url;
    } cases[] = {
        { "{\"endpoint_type\":\"LocalTHIM\",\"endpoint\":\"169.254.169.254/metadata/THIM/amd/"
          "certification\"}",
          THIM_DEFAULT_URL },
        { "{\"endpoint\":\"10.0.0.1:2377/metadata/THIM/amd/certification\"}",
          "http://10.0.0.1:2377/metadata/THIM/amd/certification" },
        { "{\"endpoint_type\":\"LocalTHIM\",\"endpoint\":\"http://127.0.0.1:8180/x\"}",
          "http://127.0.0.1:8180/x" },
        { "{\"endpoint_type\":\"LocalTHIM\"}", THIM_DEFAULT_URL },
        { "{\"endpoint_type\":\"AMD\",\"endpoint\":\"kdsintf.amd.com/vcek/v1\"}",
          THIM_DEFAULT_URL },
        { "{\"endpoint\":\"global.acccache.azure.net\",\"tee_type\":\"SevSnpVM\"}",
          THIM_DEFAULT_URL },
        { "{\"endpoint\":\"who.example\"}", THIM_DEFAULT_URL },
        { "null", THIM_DEFAULT_URL },
        { "{\"endpoint\":\"\"}", THIM_DEFAULT_URL },
    };
    char json[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        struct err e;
        snprintf(json, sizeof(json), "{\"certcache\":%s}", cases[i].certcache);
        assert_ok(load(json, &c, &e));
        assert_string_equal(c.thim_url, cases[i].url);
        config_done(&c);
    }
}

static void a_wrong_value_ends_the_start_with_the_member_s_name(void **state)
{
    static const struct {
        const char *json, *needle;
    } cases[] = {
        { "[1]", "not a JSON object" },
        { "{", "not a JSON text" },
        { "{\"identity\":5}", "identity" },
        { "{\"identity\":{\"client_id\":5}}", "client_id" },
        { "{\"maaconfig\":{\"user_agent\":[]}}", "user_agent" },
        { "{\"maaconfig\":{\"user_agent\":\"a\\r\\nX: y\"}}", "user_agent" },
        { "{\"certcache\":{\"endpoint_type\":\"Other\"}}", "certcache.endpoint_type" },
        { "{\"certcache\":{\"endpoint\":\"a b\"}}", "certcache.endpoint" },
        { "{\"timeouts\":{\"connect\":\"5\"}}", "timeouts.connect" },
        { "{\"timeouts\":{\"exchange\":-1}}", "timeouts.exchange" },
        { "{\"timeouts\":{\"request\":0}}", "timeouts.request" },
        { "{\"timeouts\":{\"drain\":1e9}}", "timeouts.drain" },
        { "{\"timeouts\":[]}", "timeouts" },
        { "{\"allow\":{\"maa\":\"x\"}}", "allow.maa" },
        { "{\"allow\":{\"akv\":[5]}}", "allow.akv" },
        { "{\"allow\":{\"akv\":[\"https://x/\"]}}", "allow.akv" },
        { "{\"allow\":{\"kids\":[\"\"]}}", "allow.kids" },
        { "{\"session\":{\"max_age_s\":\"60\"}}", "session.max_age_s" },
        { "{\"session\":{\"max_age_s\":86401}}", "session.max_age_s" },
        { "{\"session\":{\"max_age_s\":-1}}", "session.max_age_s" },
        { "{\"session\":{\"max_age_s\":1.5}}", "session.max_age_s" },
        { "{\"session\":{\"max_uses\":-1}}", "session.max_uses" },
        { "{\"session\":{\"max_uses\":0}}", "session.max_uses" },
        { "{\"session\":5}", "session" },
        { "{\"verification\":\"maybe\"}", "verification" },
        { "{\"verification\":true}", "verification" },
        { "{\"amd_roots\":[]}", "amd_roots" },
        { "{\"simulated_psp\":1}", "simulated_psp" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        struct err e = { .code = ERR_NONE };
        if (load(cases[i].json, &c, &e) != -1 || strstr(e.msg, cases[i].needle) == NULL)
            fail_msg("%s: \"%s\"", cases[i].json, e.msg);
    }
}

static void what_this_build_does_not_have_is_refused_or_said(void **state)
{
    struct config c;
    struct err e;

    (void)state;
    assert_fails(ERR_UNSUPPORTED, "enforce", load("{\"verification\":\"enforce\"}", &c, &e));
    assert_fails(ERR_PARSE, "base64", config_load("%%%", &c, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_configured_gives_the_documented_defaults),
        cmocka_unit_test(reads_every_member_whatever_its_case),
        cmocka_unit_test(finds_the_node_s_certificates_where_the_configuration_says),
        cmocka_unit_test(a_wrong_value_ends_the_start_with_the_member_s_name),
        cmocka_unit_test(what_this_build_does_not_have_is_refused_or_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
