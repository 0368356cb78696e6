#include "support/asserts.h"

#include "azure/endpoint.h"

#include <stdio.h>

static const struct endpoint_allow DEFAULTS = { 0 };
static const struct endpoint_allow DEVELOPMENT = { .insecure_dev = true };

static void knows_the_vaults_of_every_cloud(void **state)
{
    static const struct {
        const char *host, *resource, *login;
        bool hsm;
    } cases[] = {
        { "a.vault.azure.net", "https://vault.azure.net", "login.microsoftonline.com", false },
        { "a.managedhsm.azure.net", "https://managedhsm.azure.net", "login.microsoftonline.com",
          true },
        { "a.vault.azure.cn", "https://vault.azure.cn", "login.chinacloudapi.cn", false },
        { "a.managedhsm.azure.cn", "https://managedhsm.azure.cn", "login.chinacloudapi.cn", true },
        { "a.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net",
          "login.microsoftonline.us", false },
        { "a.managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net",
          "login.microsoftonline.us", true },
        { "a.vault.microsoftazure.de", "https://vault.microsoftazure.de",
          "login.microsoftonline.de", false },
        { "a.managedhsm.microsoftazure.de", "https://managedhsm.microsoftazure.de",
          "login.microsoftonline.de", true },
        { "a.vault.sovcloud-api.fr", "https://vault.sovcloud-api.fr", "login.sovcloud-identity.fr",
          false },
        { "a.managedhsm.sovcloud-api.fr", "https://managedhsm.sovcloud-api.fr",
          "login.sovcloud-identity.fr", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint ep;
        struct err e;
        assert_ok(endpoint_parse(ENDPOINT_AKV, cases[i].host, &DEFAULTS, &ep, &e));
        assert_string_equal(ep.host, cases[i].host);
        assert_string_equal(ep.authority, cases[i].host);
        assert_string_equal(ep.resource, cases[i].resource);
        assert_string_equal(ep.login_host, cases[i].login);
        assert_int_equal(ep.is_hsm, cases[i].hsm);
    }
}

static void knows_the_attestation_services_of_every_cloud(void **state)
{
    static const struct {
        const char *host, *login;
    } cases[] = {
        { "sharedeus.eus.attest.azure.net", "login.microsoftonline.com" },
        { "a.cn.attest.azure.cn", "login.chinacloudapi.cn" },
        { "a.attest.azure.us", "login.microsoftonline.us" },
        { "a.attest.usgovcloudapi.net", "login.microsoftonline.us" },
        { "a.attest.microsoftazure.de", "login.microsoftonline.de" },
        { "a.attest.sovcloud-api.fr", "login.sovcloud-identity.fr" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint ep;
        struct err e;
        assert_ok(endpoint_parse(ENDPOINT_MAA, cases[i].host, &DEFAULTS, &ep, &e));
        assert_string_equal(ep.host, cases[i].host);
        assert_string_equal(ep.resource, "");
        assert_string_equal(ep.login_host, cases[i].login);
        assert_false(ep.is_hsm);
    }
}

static void takes_the_forms_that_people_write(void **state)
{
    static const char *const forms[] = {
        "a.vault.azure.net",          "https://a.vault.azure.net",
        "https://a.vault.azure.net/", "a.vault.azure.net/",
        "A.Vault.AZURE.net",          "HTTPS://A.VAULT.AZURE.NET/",
        "a.vault.azure.net:443",      "https://a.vault.azure.net:443"
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct endpoint ep;
        struct err e;
        assert_ok(endpoint_parse(ENDPOINT_AKV, forms[i], &DEFAULTS, &ep, &e));
        assert_string_equal(ep.host, "a.vault.azure.net");
        assert_string_equal(ep.authority, "a.vault.azure.net");
    }
}

struct refusal {
    const char *text;
    enum err_code code;
};

static void check_refusals(enum endpoint_kind kind, const struct endpoint_allow *allow,
                           const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct endpoint ep = { .host = "untouched" };
        struct err e;
        assert_fails(cases[i].code, "", endpoint_parse(kind, cases[i].text, allow, &ep, &e));
        assert_string_equal(ep.host, "untouched");
    }
}

static void refuses_what_is_not_a_host(void **state)
{
    static const struct refusal cases[] = {
        { "", ERR_ARG },
        { "/", ERR_ARG },
        { "https://", ERR_ARG },
        { "https:///", ERR_ARG },
        { "http://a.vault.azure.net", ERR_ARG },
        { "ftp://a.vault.azure.net", ERR_ARG },
        { "file:///etc/passwd", ERR_ARG },
        { "https://https://a.vault.azure.net", ERR_ARG },
        { "a.vault.azure.net/keys/x", ERR_ARG },
        { "a.vault.azure.net//", ERR_ARG },
        { "a.vault.azure.net?x", ERR_ARG },
        { "a.vault.azure.net/?x", ERR_ARG },
        { "a.vault.azure.net#x", ERR_ARG },
        { "evil.example.com#.vault.azure.net", ERR_ARG },
        { "evil.example.com/.vault.azure.net", ERR_ARG },
        { "evil.example.com?.vault.azure.net", ERR_ARG },
        { "evil.example.com\\.vault.azure.net", ERR_ARG },
        { "https://user@a.vault.azure.net", ERR_ARG },
        { "a.vault.azure.net@evil.example.com", ERR_ARG },
        { "a.vault.azure.net:443@evil.example.com", ERR_ARG },
        { "evil.example.com:80\\@a.vault.azure.net", ERR_ARG },
        { "a.vault.azure.net.", ERR_ARG },
        { ".vault.azure.net", ERR_ARG },
        { "a..vault.azure.net", ERR_ARG },
        { "*.vault.azure.net", ERR_ARG },
        { "-a.vault.azure.net", ERR_ARG },
        { "a-.vault.azure.net", ERR_ARG },
        { "a_b.vault.azure.net", ERR_ARG },
        { "a%2evault.azure.net", ERR_ARG },
        { "a.vault%2eazure.net", ERR_ARG },
        { "a.vault.azure.net%00", ERR_ARG },
        { "a.vault.azure.net%23.evil.example.com", ERR_ARG },
        { " a.vault.azure.net", ERR_ARG },
        { "a.vault.azure.net ", ERR_ARG },
        { "a.vault.azure.net\n", ERR_ARG },
        { "a.vault.azure.net\r\nX: y", ERR_ARG },
        { "a\tb.vault.azure.net", ERR_ARG },
        { "a.vault.azure.net\x7f", ERR_ARG },
        { "a.v\xc3\xa4ult.azure.net", ERR_ARG },
        { "a.vault\xe3\x80\x82"
          "azure.net",
          ERR_ARG },                                 /* an ideographic full stop */
        { "a.vault.\xef\xbd\x81zure.net", ERR_ARG }, /* a full-width letter */
        { "a.vault.azure.net:", ERR_ARG },
        { "a.vault.azure.net:0", ERR_ARG },
        { "a.vault.azure.net:65536", ERR_ARG },
        { "a.vault.azure.net:443x", ERR_ARG },
        { "a.vault.azure.net:+443", ERR_ARG },
        { "[a.vault.azure.net]", ERR_ARG },
        { "[::1", ERR_ARG },
        { "::1", ERR_ARG },
    };

    check_refusals(ENDPOINT_AKV, &DEFAULTS, cases, ARRAY_LEN(cases));
    check_refusals(ENDPOINT_AKV, &DEVELOPMENT, cases, ARRAY_LEN(cases));
}

static void refuses_hosts_that_only_look_like_a_vault(void **state)
{
    static const struct refusal cases[] = {
        { "evilvault.azure.net", ERR_CHECK },
        { "evil-vault.azure.net", ERR_CHECK },
        { "vault.azure.net", ERR_CHECK },
        { "managedhsm.azure.net", ERR_CHECK },
        { "a.vault.azure.net.evil.example.com", ERR_CHECK },
        { "a.vault.azure.net.evil", ERR_CHECK },
        { "vault.azure.net.a.example.com", ERR_CHECK },
        { "a.managedhsm.example.com", ERR_CHECK },
        { "managedhsm.a.vault.azure.com", ERR_CHECK },
        { "a.vaultazure.net", ERR_CHECK },
        { "a.vault.azure.us", ERR_CHECK },
        { "a.xn--vault-9sa.azure.net", ERR_CHECK },
        { "xn--a.vault.azure.net.xn--p1ai", ERR_CHECK },
        { "sharedeus.eus.attest.azure.net", ERR_CHECK },
        { "a.vault.azure.net:444", ERR_CHECK },
        { "a.vault.azure.net:80", ERR_CHECK },
        { "https://a.vault.azure.net:8443/", ERR_CHECK },
        { "169.254.169.254", ERR_CHECK },
        { "127.0.0.1", ERR_CHECK },
        { "[::1]", ERR_CHECK },
        { "localhost", ERR_CHECK },
        { "a.vault.localhost", ERR_CHECK },
    };

    check_refusals(ENDPOINT_AKV, &DEFAULTS, cases, ARRAY_LEN(cases));
}

static void refuses_vaults_as_attestation_services(void **state)
{
    static const struct refusal cases[] = {
        { "a.vault.azure.net", ERR_CHECK },       { "attest.azure.net", ERR_CHECK },
        { "xattest.azure.net", ERR_CHECK },       { "a.attest.azure.net.example.com", ERR_CHECK },
        { "a.attest.azure.net:8443", ERR_CHECK },
    };

    check_refusals(ENDPOINT_MAA, &DEFAULTS, cases, ARRAY_LEN(cases));
}

static void names_the_host_that_is_not_allowed(void **state)
{
    struct endpoint ep;
    struct err e;

    assert_fails(ERR_CHECK, "host evil.example.com:8443 is not allowed",
                 endpoint_parse(ENDPOINT_MAA, "https://Evil.example.com:8443", &DEFAULTS, &ep, &e));
}

static void refuses_names_that_are_too_long(void **state)
{
    char host[400];
    struct endpoint ep;
    struct err e;

    memset(host, 'a', 63);
    snprintf(host + 63, sizeof(host) - 63, ".vault.azure.net");
    assert_ok(endpoint_parse(ENDPOINT_AKV, host, &DEFAULTS, &ep, &e));
    memset(host, 'a', 64);
    snprintf(host + 64, sizeof(host) - 64, ".vault.azure.net");
    assert_fails(ERR_ARG, "", endpoint_parse(ENDPOINT_AKV, host, &DEFAULTS, &ep, &e));

    for (size_t i = 0; i < 254; i++)
        host[i] = i % 2 ? '.' : 'a';
    snprintf(host + 254 - 16, sizeof(host) - 238, ".vault.azure.net");
    assert_int_equal(strlen(host), 254);
    assert_fails(ERR_ARG, "", endpoint_parse(ENDPOINT_AKV, host, &DEFAULTS, &ep, &e));
}

static void a_configured_list_replaces_the_default(void **state)
{
    static const char *const list[] = { ".corp.example.com", "*.vault.azure.net",
                                        "one.example.org",   "Two.Example.org:8443",
                                        ".p.example.org:99", NULL };
    static const struct endpoint_allow allow = { .akv = list };
    static const struct {
        const char *text;
        bool allowed;
    } cases[] = {
        { "a.corp.example.com", true },       { "a.b.corp.example.com", true },
        { "corp.example.com", false },        { "acorp.example.com", false },
        { "a.corp.example.com:444", false },  { "x.vault.azure.net", true },
        { "x.managedhsm.azure.net", false },  { "one.example.org", true },
        { "ONE.example.org", true },          { "a.one.example.org", false },
        { "one.example.org:8443", false },    { "two.example.org:8443", true },
        { "two.example.org", false },         { "two.example.org:443", false },
        { "q.p.example.org:99", true },       { "q.p.example.org", false },
        { "p.example.org:99", false },        { "localhost", false },
        { "a.corp.example.com.evil", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint ep;
        struct err e;
        if (cases[i].allowed)
            assert_ok(endpoint_parse(ENDPOINT_AKV, cases[i].text, &allow, &ep, &e));
        else
            assert_fails(ERR_CHECK, "not allowed",
                         endpoint_parse(ENDPOINT_AKV, cases[i].text, &allow, &ep, &e));
    }
}

static void hosts_of_no_known_cloud_get_the_public_clouds_audience(void **state)
{
    static const char *const list[] = { "kms.example.com", "h.managedhsm.example.com",
                                        "two.example.org:8443", NULL };
    static const struct endpoint_allow allow = { .akv = list };
    struct endpoint ep;
    struct err e;

    for (size_t i = 0; list[i] != NULL; i++) {
        assert_ok(endpoint_parse(ENDPOINT_AKV, list[i], &allow, &ep, &e));
        assert_string_equal(ep.resource, "https://vault.azure.net");
        assert_string_equal(ep.login_host, "login.microsoftonline.com");
        assert_false(ep.is_hsm);
    }
    assert_string_equal(ep.host, "two.example.org");
    assert_string_equal(ep.authority, "two.example.org:8443");
}

static void an_empty_list_allows_nothing(void **state)
{
    static const char *const none[] = { NULL };
    static const struct endpoint_allow allow = { .maa = none, .akv = none };
    struct endpoint ep;
    struct err e;

    assert_fails(ERR_CHECK, "", endpoint_parse(ENDPOINT_AKV, "a.vault.azure.net", &allow, &ep, &e));
    assert_fails(ERR_CHECK, "",
                 endpoint_parse(ENDPOINT_MAA, "a.attest.azure.net", &allow, &ep, &e));
}

static void development_mode_adds_loopback_on_any_port(void **state)
{
    static const struct {
        const char *text, *host, *authority, *resource;
        bool hsm;
    } cases[] = {
        { "localhost:8443", "localhost", "localhost:8443", "https://vault.azure.net", false },
        { "localhost", "localhost", "localhost", "https://vault.azure.net", false },
        { "acc.vault.localhost:1", "acc.vault.localhost", "acc.vault.localhost:1",
          "https://vault.azure.net", false },
        { "h.managedhsm.localhost:8443", "h.managedhsm.localhost", "h.managedhsm.localhost:8443",
          "https://managedhsm.azure.net", true },
        { "managedhsm.localhost", "managedhsm.localhost", "managedhsm.localhost",
          "https://vault.azure.net", false },
        { "127.0.0.1:9", "127.0.0.1", "127.0.0.1:9", "https://vault.azure.net", false },
        { "127.255.3.4", "127.255.3.4", "127.255.3.4", "https://vault.azure.net", false },
        { "https://[::1]:77/", "::1", "[::1]:77", "https://vault.azure.net", false },
        { "[::1]", "::1", "[::1]", "https://vault.azure.net", false },
        { "a.managedhsm.azure.net", "a.managedhsm.azure.net", "a.managedhsm.azure.net",
          "https://managedhsm.azure.net", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint ep;
        struct err e;
        assert_ok(endpoint_parse(ENDPOINT_AKV, cases[i].text, &DEVELOPMENT, &ep, &e));
        assert_string_equal(ep.host, cases[i].host);
        assert_string_equal(ep.authority, cases[i].authority);
        assert_string_equal(ep.resource, cases[i].resource);
        assert_int_equal(ep.is_hsm, cases[i].hsm);
    }
}

static void development_mode_adds_nothing_else(void **state)
{
    static const struct refusal cases[] = {
        { "localhost.evil.example.com", ERR_CHECK },
        { "evillocalhost", ERR_CHECK },
        { "128.0.0.1", ERR_CHECK },
        { "126.255.255.255", ERR_CHECK },
        { "127.1", ERR_ARG },
        { "0127.0.0.1", ERR_ARG },
        { "2130706433", ERR_ARG },
        { "0.0.0.0", ERR_CHECK },
        { "127.0.0.1.evil.example.com", ERR_CHECK },
        { "169.254.169.254", ERR_CHECK },
        { "[::2]", ERR_CHECK },
        { "[::ffff:127.0.0.1]", ERR_CHECK },
        { "[fe80::1]", ERR_CHECK },
        { "a.vault.azure.net:8443", ERR_CHECK },
    };

    check_refusals(ENDPOINT_AKV, &DEVELOPMENT, cases, ARRAY_LEN(cases));
}

static void checks_the_entries_of_a_list(void **state)
{
    static const char *const good[] = {
        ".example.com",    "*.example.com", "host.example.com",  "host",
        ".localhost:8443", "host:1",        "*.example.com:443", "[::1]",
        "[::1]:8443",      "127.0.0.1",     "127.0.0.1:9",       ".Example.COM"
    };
    static const char *const bad[] = {
        "",          ".",         "*",         "*.",           "**.x",     "a.*.x",
        "..x",       ".x.",       "https://x", "x/",           ".x/y",     "x:0",
        "x:",        "x:65536",   "x y",       "x@y",          "x%2ey",    ".[::1]",
        "*.[::1]:5", ".0.0.1",    "*.1",       "\xc3\xa4.com", ".a_b.com", "*example.com",
        "::1",       "x:443:443", "-x.com",    ".-x.com",      "*.*.x"
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(endpoint_check_entry(good[i], &e));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(ERR_ARG, "", endpoint_check_entry(bad[i], &e));
}

static void the_default_lists_are_well_formed(void **state)
{
    struct err e;

    for (int kind = ENDPOINT_MAA; kind <= ENDPOINT_AKV; kind++) {
        size_t n = 0;
        for (const char *const *s = endpoint_default_list((enum endpoint_kind)kind); *s != NULL;
             s++)
            assert_ok((n++, endpoint_check_entry(*s, &e)));
        assert_int_equal(n, kind == ENDPOINT_MAA ? 6 : 10);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_vaults_of_every_cloud),
        cmocka_unit_test(knows_the_attestation_services_of_every_cloud),
        cmocka_unit_test(takes_the_forms_that_people_write),
        cmocka_unit_test(refuses_what_is_not_a_host),
        cmocka_unit_test(refuses_hosts_that_only_look_like_a_vault),
        cmocka_unit_test(refuses_vaults_as_attestation_services),
        cmocka_unit_test(names_the_host_that_is_not_allowed),
        cmocka_unit_test(refuses_names_that_are_too_long),
        cmocka_unit_test(a_configured_list_replaces_the_default),
        cmocka_unit_test(hosts_of_no_known_cloud_get_the_public_clouds_audience),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(development_mode_adds_loopback_on_any_port),
        cmocka_unit_test(development_mode_adds_nothing_else),
        cmocka_unit_test(checks_the_entries_of_a_list),
        cmocka_unit_test(the_default_lists_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
