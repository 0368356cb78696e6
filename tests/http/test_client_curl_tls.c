/* Whom the client trusts, and when it goes through a proxy. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

static struct judge_server *judge;

static int get(struct http_client *client, const char *url, bool no_proxy,
               struct http_response *out, struct err *e)
{
    const struct http_request request = { .method = "GET",
                                          .url = url,
                                          .headers = { { "Authorization", "Bearer abc" } },
                                          .timeout_ms = 10000,
                                          .no_proxy = no_proxy };

    return http_perform(client, &request, out, e);
}

static void trusts_a_certificate_of_its_roots(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost" };

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        char url[64];
        struct err e;
        snprintf(url, sizeof(url), "https://%s:%d/status/200", hosts[i],
                 judge_server_port(judge, "tls"));
        assert_ok(get(judge->client, url, false, &r, &e));
        assert_int_equal(r.status, 200);
    }
}

static void refuses_what_it_cannot_trust(void **state)
{
    static const struct {
        const char *port;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { "untrusted", ERR_TLS, "certificate" },
        { "expired", ERR_TLS, "certificate has expired" },
        { "other_host", ERR_TLS, "certificate subject name" },
        { "old_tls", ERR_TLS, "version" },
        { "not_tls", ERR_TLS, "wrong version number" },
        /* the network ended the handshake: worth another attempt */
        { "tls_eof", ERR_NET, "" },
        { "tls_reset", ERR_NET, "reset" },
        { "refused", ERR_NET, "connect" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_response r = { .status = -7 };
        char url[64], peer[40];
        struct err e;
        snprintf(peer, sizeof(peer), "127.0.0.1:%d", judge_server_port(judge, cases[i].port));
        snprintf(url, sizeof(url), "https://%s/status/200", peer);
        assert_fails(cases[i].code, cases[i].needle, get(judge->client, url, false, &r, &e));
        assert_true(str_starts_with(e.msg, peer));
        assert_int_equal(r.status, -7);
    }
}

static void refuses_a_host_of_the_right_address(void **state)
{
    struct http_response r = { 0 };
    char url[64];
    struct err e;

    snprintf(url, sizeof(url), "https://sub.localhost:%d/", judge_server_port(judge, "tls"));
    assert_fails(ERR_TLS, "'sub.localhost'", get(judge->client, url, false, &r, &e));
}

static void says_when_there_are_no_roots(void **state)
{
    struct roots *roots = NULL;
    struct http_client *client = NULL;
    struct http_response r = { 0 };
    char url[JUDGE_URL_SIZE];
    struct err e;

    assert_ok(roots_new("/nonexistent/ca.pem", "/nonexistent", &roots, &e));
    const struct http_client_curl_config config = { 2000, roots };
    assert_ok(http_client_curl_new(&config, &client, &e));
    judge_server_url(judge, "tls", "/status/200", url);
    assert_fails(ERR_TLS, "/nonexistent/ca.pem", get(client, url, false, &r, &e));
    judge_server_url(judge, "plain", "/status/200", url);
    assert_ok(get(client, url, false, &r, &e)); /* plain HTTP needs none */
    http_response_done(&r);
    http_client_close(client);
    roots_free(roots);
}

/* What the proxy was asked for since the last time. */
static struct buf proxy_journal(void)
{
    struct http_response r = { 0 };
    struct err e;

    assert_ok(judge_server_get(judge, "plain", "/journal", &r, &e));
    return r.body;
}

static void goes_through_the_proxy_of_the_environment(void **state)
{
    CLEANUP(http_response_done) struct http_response r = { 0 };
    CLEANUP(buf_done) struct buf journal = { 0 };
    struct err e;

    assert_ok(get(judge->client, "https://vault.example/status/200", false, &r, &e));
    assert_int_equal(r.status, 200);
    assert_int_equal(r.retry_after_s, -1); /* the proxy's does not count */
    journal = proxy_journal();
    const char *asked = buf_cstr(&journal);
    assert_true(str_starts_with(asked, "CONNECT vault.example:443 HTTP/1.1|"));
    assert_null(strstr(asked, "Authorization"));
    assert_null(strstr(asked, "Bearer"));
    assert_null(strstr(asked, "\n"));
}

static void trusts_no_proxy_with_the_certificate(void **state)
{
    struct http_response r = { 0 };
    CLEANUP(buf_done) struct buf journal = { 0 };
    struct err e;

    /* the proxy leads this one to a server that has no certificate for it */
    assert_fails(ERR_TLS, "evil.example",
                 get(judge->client, "https://evil.example/", false, &r, &e));
    assert_fails(ERR_NET, "403", get(judge->client, "https://denied.example/", false, &r, &e));
    journal = proxy_journal();
    assert_non_null(strstr(buf_cstr(&journal), "CONNECT denied.example:443"));
}

static void goes_past_the_proxy_where_it_should(void **state)
{
    const int port = judge_server_port(judge, "tls");
    static const struct {
        const char *format;
        bool no_proxy;
        bool has_answer;
    } cases[] = {
        { "https://localhost:%d/status/200", false, true },
        { "https://127.0.0.1:%d/status/200", false, true },
        { "https://127.0.0.1:%d/status/200", true, true },
        /* these names do not resolve here: that they are asked for shows that no proxy was */
        { "https://a234567890123456789012345678901234567890123456789012345678901234.x:%d/", true,
          false },
        { "https://a234567890123456789012345678901234567890123456789012345678901234.direct:%d/",
          false, false }, /* in NO_PROXY */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        CLEANUP(buf_done) struct buf journal = { 0 };
        CLEANUP(str_freep) char *url = NULL;
        struct err e;
        const char *rest = strstr(cases[i].format, "%d") + 2;
        assert_ok(str_printf(&url, &e, "%.*s%d%s", (int)(rest - 2 - cases[i].format),
                             cases[i].format, port, rest));
        if (cases[i].has_answer)
            assert_ok(get(judge->client, url, cases[i].no_proxy, &r, &e));
        else
            assert_fails(ERR_NET, "Could not resolve host",
                         get(judge->client, url, cases[i].no_proxy, &r, &e));
        journal = proxy_journal();
        assert_int_equal(journal.n, 0);
    }
}

static int start(void **state)
{
    char proxy[64];
    const int rc = judge_server_start(state);

    judge = *state;
    if (rc != 0)
        return rc;
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", judge_server_port(judge, "proxy"));
    setenv("HTTPS_PROXY", proxy, 1);
    setenv("NO_PROXY", "other.example,.direct", 1);
    unsetenv("https_proxy");
    unsetenv("no_proxy");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_a_certificate_of_its_roots),
        cmocka_unit_test(refuses_what_it_cannot_trust),
        cmocka_unit_test(refuses_a_host_of_the_right_address),
        cmocka_unit_test(says_when_there_are_no_roots),
        cmocka_unit_test(goes_through_the_proxy_of_the_environment),
        cmocka_unit_test(trusts_no_proxy_with_the_certificate),
        cmocka_unit_test(goes_past_the_proxy_where_it_should),
    };

    return cmocka_run_group_tests(tests, start, judge_server_stop);
}
