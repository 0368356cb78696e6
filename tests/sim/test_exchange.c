#include "support/asserts.h"

#include "base/str.h"
#include "sim/exchange.h"

static void finds_parameters_as_they_were_sent(void **state)
{
    static const struct {
        const char *target, *name, *value;
        size_t n;
    } cases[] = {
        { "/a?b=c", "b", "c", 1 },
        { "/a?resource=https%3A%2F%2Fvault.azure.net", "resource", "https://vault.azure.net", 1 },
        { "/a?resource=https://x.blob.core.windows.net", "resource",
          "https://x.blob.core.windows.net", 1 },
        { "/a?x=1&b=+%2b", "b", " +", 1 },
        { "/a?b=1&b=2", "b", "1", 2 },
        { "/a?b", "b", "", 1 },
        { "/a?b=", "b", "", 1 },
        { "/a?&&b=c&", "b", "c", 1 },
        { "/a?b=c=d", "b", "c=d", 1 },
        { "/a?%62=c", "b", "c", 1 },
        { "/a?B=c", "b", NULL, 0 },
        { "/a?bb=c", "b", NULL, 0 },
        { "/a?", "b", NULL, 0 },
        { "/b=c", "b", NULL, 0 },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sim_request req = { .target = cases[i].target };
        CLEANUP(str_freep) char *value = NULL;
        size_t n = 99;
        assert_ok(sim_request_query(&req, cases[i].name, &value, &n, &e));
        assert_int_equal(n, cases[i].n);
        if (cases[i].value == NULL)
            assert_null(value);
        else
            assert_string_equal(value, cases[i].value);
    }
}

static void refuses_broken_percent_codes(void **state)
{
    static const char *const targets[] = { "/a?b=%", "/a?b=%4", "/a?b=%4g", "/a?%zz=1",
                                           "/a?b=%00" };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct sim_request req = { .target = targets[i] };
        char *value = NULL;
        size_t n = 0;
        assert_fails(ERR_PARSE, "parameter \"b\"", sim_request_query(&req, "b", &value, &n, &e));
        assert_null(value);
    }
}

static void reads_forms_from_the_body(void **state)
{
    const struct sim_request req = { .target = "/t?scope=wrong",
                                     .body = span_str("grant_type=x&scope=a%2Fb+c") };
    CLEANUP(str_freep) char *value = NULL;
    struct err e;
    size_t n = 0;

    assert_ok(sim_request_form(&req, "scope", &value, &n, &e));
    assert_string_equal(value, "a/b c");
}

static void keeps_a_plus_in_paths(void **state)
{
    CLEANUP(str_freep) char *value = NULL;
    struct err e;

    assert_ok(sim_url_decode(span_str("/keys//a+b%2fc"), false, &value, &e));
    assert_string_equal(value, "/keys//a+b/c");
}

static void takes_hosts_out_of_authorities(void **state)
{
    static const char *const cases[][2] = {
        { "Sim.Vault.localhost:8443", "sim.vault.localhost" },
        { "host", "host" },
        { "", "" },
        { "[::1]:80", "[::1]" },
        { "[::1", "[" },
    };
    char host[SIM_HOST_SIZE], longer[SIM_HOST_SIZE * 2];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_host_of(cases[i][0], host);
        assert_string_equal(host, cases[i][1]);
    }
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    sim_host_of(longer, host);
    assert_int_equal(strlen(host), SIM_HOST_SIZE - 1);
}

static void finds_headers_whatever_their_case(void **state)
{
    const struct sim_header headers[] = { { "metadata", "true" }, { "X-A", "b" } };
    const struct sim_request req = { .headers = headers, .n_headers = 2 };

    assert_string_equal(sim_request_header(&req, "Metadata"), "true");
    assert_null(sim_request_header(&req, "Meta"));
}

static void replaces_a_header_of_the_same_name(void **state)
{
    CLEANUP(sim_reply_done) struct sim_reply r = { 0 };
    struct err e;

    assert_ok(sim_reply_json(&r, 200, json_pack("{si}", "a", 1), &e));
    assert_ok(sim_reply_header(&r, "content-type", "text/plain", &e));
    assert_int_equal(r.n_headers, 1);
    assert_string_equal(r.headers[0].value, "text/plain");
    assert_span_equal(buf_span(&r.body), span_str("{\"a\":1}"));
}

static void refuses_more_headers_than_it_has_room_for(void **state)
{
    CLEANUP(sim_reply_done) struct sim_reply r = { 0 };
    struct err e;
    char name[16];

    for (int i = 0; i < SIM_MAX_HEADERS; i++) {
        snprintf(name, sizeof(name), "h%d", i);
        assert_ok(sim_reply_header(&r, name, "v", &e));
    }
    assert_fails(ERR_ARG, "more than", sim_reply_header(&r, "one-more", "v", &e));
}

static void wants_a_json_object(void **state)
{
    static const char *const bodies[] = { "", "[]", "{", "7", "{\"a\":1,\"a\":2}" };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        const struct sim_request req = { .target = "/", .body = span_str(bodies[i]) };
        json_t *v = NULL;
        assert_int_equal(sim_request_json(&req, &v, &e), -1);
        assert_int_equal(e.code, ERR_PARSE);
        assert_null(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_parameters_as_they_were_sent),
        cmocka_unit_test(refuses_broken_percent_codes),
        cmocka_unit_test(reads_forms_from_the_body),
        cmocka_unit_test(keeps_a_plus_in_paths),
        cmocka_unit_test(takes_hosts_out_of_authorities),
        cmocka_unit_test(finds_headers_whatever_their_case),
        cmocka_unit_test(replaces_a_header_of_the_same_name),
        cmocka_unit_test(refuses_more_headers_than_it_has_room_for),
        cmocka_unit_test(wants_a_json_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
