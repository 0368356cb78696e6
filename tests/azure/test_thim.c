#include "support/asserts.h"

#include "azure/thim.h"
#include "base/file.h"
#include "base/str.h"
#include "support/fake_clock.h"
#include "support/fake_http.h"

#include <stdio.h>
#include <stdlib.h>

#define PEM   "-----BEGIN CERTIFICATE-----\\nx\\n-----END CERTIFICATE-----\\n"
#define VCEK  "\"vcekCert\":\"" PEM "\""
#define CHAIN "\"certificateChain\":\"" PEM "\""
#define TCBM  "\"tcbm\":\"7308000000000003\""

static void reads_a_published_answer(void **state)
{
    CLEANUP(thim_certs_done) struct thim_certs c = { 0 };
    CLEANUP(buf_done) struct buf json = { 0 };
    const char *dir = getenv("VECTORS_DIR");
    char path[512];
    struct err e;

    snprintf(path, sizeof(path), "%s/confidential-sidecar-containers/uvm_host_amd_certificate.json",
             dir != NULL ? dir : "");
    if (file_read(path, 65536, &json, &e) != 0)
        skip_because("published evidence is not here: %s", e.msg);
    assert_ok(thim_parse(buf_span(&json), &c, &e));
    assert_string_equal(c.tcbm, "7308000000000003");
    assert_true(c.tcb == 0x7308000000000003);
    assert_int_equal(c.max_age_s, 86400);
    assert_true(str_starts_with(c.vcek_pem, "-----BEGIN CERTIFICATE-----\n"));
    assert_true(str_contains(span_str(c.chain_pem), "-----END CERTIFICATE-----\n-----BEGIN"));
}

static void takes_names_in_any_case_and_ignores_others(void **state)
{
    CLEANUP(thim_certs_done) struct thim_certs c = { 0 };
    struct err e;

    assert_ok(thim_parse(span_str("{\"VCEKCERT\":\"" PEM "\",\"CertificateChain\":\"" PEM "\","
                                  "\"TcbM\":\"fF\",\"more\":[{}],\"cachecontrol\":\"7\"}"),
                         &c, &e));
    assert_string_equal(c.vcek_pem, "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n");
    assert_string_equal(c.tcbm, "fF");
    assert_true(c.tcb == 255);
    assert_int_equal(c.max_age_s, 7);
}

static void a_strange_cache_control_counts_as_none(void **state)
{
    static const struct {
        const char *member;
        int64_t age;
    } cases[] = {
        { "", 0 },
        { ",\"cacheControl\":86400", 86400 },
        { ",\"cacheControl\":\"max-age=5\"", 0 },
        { ",\"cacheControl\":\"\"", 0 },
        { ",\"cacheControl\":\"-5\"", 0 },
        { ",\"cacheControl\":-5", 0 },
        { ",\"cacheControl\":null", 0 },
        { ",\"cacheControl\":[1]", 0 },
        { ",\"cacheControl\":\"18446744073709551615\"", 365 * 86400 },
        { ",\"cacheControl\":\"99999999999999999999999\"", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(thim_certs_done) struct thim_certs c = { 0 };
        CLEANUP(str_freep) char *json = NULL;
        struct err e;
        assert_ok(str_printf(&json, &e, "{" VCEK "," CHAIN "," TCBM "%s}", cases[i].member));
        assert_ok(thim_parse(span_str(json), &c, &e));
        assert_int_equal(c.max_age_s, cases[i].age);
    }
}

static void refuses_crooked_answers(void **state)
{
    static const struct {
        const char *json, *needle;
    } cases[] = {
        { "", "JSON" },
        { "hello", "JSON" },
        { "{" VCEK "," CHAIN "," TCBM, "JSON" },
        { "[]", "not a JSON object" },
        { "{" CHAIN "," TCBM "}", "vcekCert" },
        { "{" VCEK "," TCBM "}", "certificateChain" },
        { "{" VCEK "," CHAIN "}", "tcbm" },
        { "{\"vcekCert\":\"\"," CHAIN "," TCBM "}", "vcekCert" },
        { "{\"vcekCert\":null," CHAIN "," TCBM "}", "vcekCert" },
        { "{\"vcekCert\":7," CHAIN "," TCBM "}", "vcekCert" },
        { "{\"vcekCert\":\"x\"," CHAIN "," TCBM "}", "no certificate" },
        { "{\"vcekCert\":\"\\u0000" PEM "\"," CHAIN "," TCBM "}", "NUL" },
        { "{" VCEK ",\"certificateChain\":[\"" PEM "\"]," TCBM "}", "certificateChain" },
        { "{" VCEK ",\"certificateChain\":\"-----BEGIN PRIVATE KEY-----\"," TCBM "}",
          "no certificate" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\"\"}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":115}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\"0x12\"}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\"-1\"}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\" 1\"}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\"7g\"}", "tcbm" },
        { "{" VCEK "," CHAIN ",\"tcbm\":\"00000000000000001\"}", "tcbm" },
        { "{" VCEK "," VCEK "," CHAIN "," TCBM "}", "JSON" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct thim_certs c = { .tcb = 42 };
        struct err e;
        assert_fails(ERR_PARSE, cases[i].needle, thim_parse(span_str(cases[i].json), &c, &e));
        assert_true(c.tcb == 42 && c.vcek_pem == NULL);
    }
}

static void fetches_by_the_metadata_services_rules(void **state)
{
    CLEANUP(thim_certs_done) struct thim_certs c = { 0 };
    struct fake_http http;
    struct fake_clock clk;
    struct err e;
    static const struct fake_exchange script[] = {
        { "GET", THIM_DEFAULT_URL, 410, .answer = "", .header = "Metadata: true" },
        { "GET", THIM_DEFAULT_URL, 404, .answer = "", .header = "Metadata: true" },
        { "GET", THIM_DEFAULT_URL, 200, .answer = "{" VCEK "," CHAIN "," TCBM "}" },
        { 0 },
    };

    fake_clock_init(&clk, 1700000000);
    fake_http_init(&http, script);
    const struct http_env env = { &http.base, &clk.base, NULL, 20000 };
    assert_ok(thim_fetch(&env, THIM_DEFAULT_URL, clk.ms + 50000, &c, &e));
    assert_true(c.tcb == 0x7308000000000003);
    assert_true(clk.slept_ms >= 3000);
    fake_http_finish(&http);
}

/* Refuses to serve a request that might go through a proxy. */
static void check_direct(struct http_client *c, struct http_exchange *x)
{
    struct err e;

    assert_true(x->request->no_proxy);
    err_set(&e, ERR_TLS, "no certificates today");
    x->done(x, &e);
}

static void never_asks_through_a_proxy(void **state)
{
    static const struct http_client_ops ops = { check_direct, NULL, NULL };
    struct http_client client = { &ops };
    struct thim_certs c = { 0 };
    struct fake_clock clk;
    struct err e;

    fake_clock_init(&clk, 1700000000);
    const struct http_env env = { &client, &clk.base, NULL, 20000 };
    assert_fails(ERR_TLS, "no certificates today",
                 thim_fetch(&env, THIM_DEFAULT_URL, clk.ms + 50000, &c, &e));
}

static void says_where_it_failed(void **state)
{
    static const struct {
        int status;
        const char *answer;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { 400, "{\"error\":\"bad_request_102\"}", ERR_HTTP, "bad_request_102" },
        { 200, "{}", ERR_PARSE, "vcekCert" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_exchange script[] = {
            { "GET", "http://t/x", cases[i].status, .answer = cases[i].answer },
            { 0 },
        };
        struct thim_certs c = { 0 };
        struct fake_http http;
        struct fake_clock clk;
        struct err e;
        fake_clock_init(&clk, 1700000000);
        fake_http_init(&http, script);
        const struct http_env env = { &http.base, &clk.base, NULL, 20000 };
        assert_fails(cases[i].code, "fetching host certificates from http://t/x",
                     thim_fetch(&env, "http://t/x", clk.ms + 50000, &c, &e));
        assert_non_null(strstr(e.msg, cases[i].needle));
        assert_null(c.vcek_pem);
        fake_http_finish(&http);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_published_answer),
        cmocka_unit_test(takes_names_in_any_case_and_ignores_others),
        cmocka_unit_test(a_strange_cache_control_counts_as_none),
        cmocka_unit_test(refuses_crooked_answers),
        cmocka_unit_test(fetches_by_the_metadata_services_rules),
        cmocka_unit_test(never_asks_through_a_proxy),
        cmocka_unit_test(says_where_it_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
