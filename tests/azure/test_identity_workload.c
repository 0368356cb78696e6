#include "support/asserts.h"

#include "azure/identity.h"
#include "azure/identity_source.h"
#include "base/file.h"
#include "base/str.h"
#include "support/token_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TENANT    "72f988bf-86f1-41af-91ab-2d7cd011db47"
#define ASSERTION "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSJ9.c2lnbmF0"
#define VAULT     "https://vault.azure.net"

struct fixture {
    struct token_service service;
    struct identity *id;
    char file[64];
};

static void write_token(struct fixture *f, const char *text)
{
    struct err e;

    assert_ok(file_write(f->file, span_str(text), &e));
}

static int setup(struct fixture *f, const char *tenant, const char *authority, struct err *e)
{
    token_service_init(&f->service);
    snprintf(f->file, sizeof(f->file), "/tmp/federated-token.XXXXXX");
    const int fd = mkstemp(f->file);
    assert_true(fd >= 0);
    close(fd);
    const struct identity_config config = {
        .client_id = "not this one",
        .imds_url = "not looked at",
        .workload_client_id = "client 1",
        .workload_tenant_id = tenant,
        .workload_token_file = f->file,
        .authority_host = authority,
    };
    f->id = NULL;
    return identity_new(&config, &f->service.env, &f->id, e);
}

static void teardown(struct fixture *f)
{
    unlink(f->file);
    identity_free(f->id);
    token_service_done(&f->service);
}

static int ask(struct fixture *f, const char *resource, const char *login_host, char **token,
               struct err *e)
{
    return identity_token(f->id, resource, login_host, clock_now_ms(&f->service.clk.base) + 50000,
                          token, e);
}

static void exchanges_the_federated_token(void **state)
{
    CLEANUP(str_freep) char *token = NULL;
    struct fixture f;
    struct err e;

    assert_ok(setup(&f, TENANT, NULL, &e));
    assert_string_equal(identity_kind(f.id), "workload identity");
    write_token(&f, ASSERTION "\r\n\n");
    assert_ok(ask(&f, VAULT, "login.microsoftonline.com", &token, &e));
    assert_string_equal(token, "token1");
    assert_string_equal(f.service.url,
                        "POST https://login.microsoftonline.com/" TENANT "/oauth2/v2.0/token");
    assert_string_equal(f.service.headers, "Content-Type: application/x-www-form-urlencoded\n");
    assert_string_equal(
        f.service.body,
        "client_assertion=" ASSERTION
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        "&client_id=client%201&grant_type=client_credentials"
        "&scope=https%3A%2F%2Fvault.azure.net%2F.default");
    assert_false(f.service.no_proxy);
    assert_metric(&f.service,
                  "skr_token_requests_total{kind=\"workload_identity\",result=\"ok\"} 1");
    teardown(&f);
}

static void reads_the_file_for_each_exchange(void **state)
{
    struct fixture f;
    struct err e;

    assert_ok(setup(&f, TENANT, NULL, &e));
    for (int i = 0; i < 3; i++) {
        CLEANUP(str_freep) char *token = NULL;
        char text[32], field[64];
        snprintf(text, sizeof(text), "assertion.number.%d\n", i);
        snprintf(field, sizeof(field), "client_assertion=assertion.number.%d&", i);
        write_token(&f, text);
        assert_ok(ask(&f, VAULT, NULL, &token, &e));
        assert_true(str_starts_with(f.service.body, field));
        identity_drop(f.id, VAULT, token);
    }
    teardown(&f);
}

static void the_authority_is_the_configured_one_or_the_clouds(void **state)
{
    static const struct {
        const char *authority, *login_host, *base;
    } cases[] = {
        { NULL, NULL, "https://login.microsoftonline.com" },
        { NULL, "login.chinacloudapi.cn", "https://login.chinacloudapi.cn" },
        { "", "login.chinacloudapi.cn", "https://login.chinacloudapi.cn" },
        { "https://login.example.com", "login.chinacloudapi.cn", "https://login.example.com" },
        { "https://login.example.com/", NULL, "https://login.example.com" },
        { "https://entra.localhost:8443/", NULL, "https://entra.localhost:8443" },
        { "login.example.com", NULL, "https://login.example.com" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(str_freep) char *token = NULL;
        char want[256];
        struct fixture f;
        struct err e;
        assert_ok(setup(&f, TENANT, cases[i].authority, &e));
        write_token(&f, ASSERTION);
        assert_ok(ask(&f, VAULT, cases[i].login_host, &token, &e));
        snprintf(want, sizeof(want), "POST %s/" TENANT "/oauth2/v2.0/token", cases[i].base);
        assert_string_equal(f.service.url, want);
        teardown(&f);
    }
}

static void the_federated_token_never_goes_over_plain_http(void **state)
{
    static const char *const authorities[] = { "http://login.example.com",
                                               "https://login.example.com/tenant",
                                               "https://u:p@login.example.com", "https://a b",
                                               "file:///etc/passwd" };

    for (size_t i = 0; i < ARRAY_LEN(authorities); i++) {
        struct fixture f;
        struct err e;
        assert_fails(ERR_ARG, "authority host", setup(&f, TENANT, authorities[i], &e));
        assert_null(f.id);
        teardown(&f);
    }
}

static void a_tenant_is_a_name_and_no_path(void **state)
{
    static const char *const good[] = { TENANT, "contoso.onmicrosoft.com", "a", "A-1" };
    static const char *const bad[] = { ".",   "..",    "-",  "a/b", "a/../b",  "a%2f",
                                       "a b", "a?b=c", "a#", "a@b", "\xc3\xa4" };
    char text[130];

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(identity_tenant_is_sane(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fixture f;
        struct err e;
        assert_fails(ERR_ARG, "tenant", setup(&f, bad[i], NULL, &e));
        teardown(&f);
    }
    memset(text, 'a', sizeof(text));
    text[128] = '\0';
    assert_true(identity_tenant_is_sane(text));
    text[128] = 'a';
    text[129] = '\0';
    assert_false(identity_tenant_is_sane(text));
    assert_false(identity_tenant_is_sane(""));
}

static void a_file_that_holds_no_token_is_a_failure(void **state)
{
    static uint8_t big[FEDERATED_TOKEN_MAX + 1];
    const struct {
        struct span content;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { span_str(""), ERR_PARSE, "is empty" },
        { span_str("\r\n\n"), ERR_PARSE, "is empty" },
        { span_of("a\0b", 3), ERR_PARSE, "NUL" },
        { span_of(big, sizeof(big)), ERR_PARSE, "longer than 65536 bytes" },
    };
    char *token = NULL;
    struct fixture f;
    struct err e;

    memset(big, 'a', sizeof(big));
    assert_ok(setup(&f, TENANT, NULL, &e));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_ok(file_write(f.file, cases[i].content, &e));
        assert_fails(cases[i].code, cases[i].needle, ask(&f, VAULT, NULL, &token, &e));
        assert_null(token);
    }
    unlink(f.file);
    assert_fails(ERR_SYS, "federated token", ask(&f, VAULT, NULL, &token, &e));
    assert_int_equal(token_service_asked(&f.service), 0);
    teardown(&f);
}

static void a_refusal_is_final_and_the_assertion_stays_secret(void **state)
{
    char *token = NULL;
    struct fixture f;
    struct err e;

    assert_ok(setup(&f, TENANT, NULL, &e));
    write_token(&f, ASSERTION);
    token_service_answer(&f.service, 401,
                         "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS70021: no "
                         "match for " ASSERTION ", request #\"}");
    assert_fails(ERR_HTTP, "token request to https://login.microsoftonline.com failed: ",
                 ask(&f, VAULT, NULL, &token, &e));
    assert_int_equal(e.detail, 401);
    assert_non_null(strstr(e.msg, "AADSTS70021"));
    assert_null(strstr(e.msg, ASSERTION));
    assert_null(strstr(e.msg, "eyJhbGciOiJSUzI1NiJ9"));
    assert_int_equal(token_service_asked(&f.service), 1);

    /* Nor is one that does not look like a token. */
    write_token(&f, "plain-and-opaque-assertion");
    token_service_answer(&f.service, 400, "bad: plain-and-opaque-assertion in request #");
    assert_fails(ERR_HTTP, "in request 2", ask(&f, VAULT, NULL, &token, &e));
    assert_null(strstr(e.msg, "opaque"));

    token_service_answer(&f.service, 503, "#");
    assert_fails(ERR_HTTP, "503", ask(&f, VAULT, NULL, &token, &e));
    assert_int_equal(token_service_asked(&f.service), 6);
    teardown(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_the_federated_token),
        cmocka_unit_test(reads_the_file_for_each_exchange),
        cmocka_unit_test(the_authority_is_the_configured_one_or_the_clouds),
        cmocka_unit_test(the_federated_token_never_goes_over_plain_http),
        cmocka_unit_test(a_tenant_is_a_name_and_no_path),
        cmocka_unit_test(a_file_that_holds_no_token_is_a_failure),
        cmocka_unit_test(a_refusal_is_final_and_the_assertion_stays_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
