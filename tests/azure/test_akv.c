#include "support/asserts.h"

#include "azure/akv.h"
#include "base/str.h"
#include "support/fake_clock.h"
#include "support/fake_http.h"

#define BEARER      "bearer-token.of-the.caller"
#define STATEMENT   "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EifQ.c2lnbmF0dXJl"
#define RELEASE_URL "https://a.vault.azure.net/keys/key1/release?api-version=7.4"
#define KEY_URL     "https://a.vault.azure.net/keys/key1?api-version=7.4"
#define VERSION     "0123456789abcdef0123456789abcdef"

static const struct endpoint VAULT = { .host = "a.vault.azure.net",
                                       .authority = "a.vault.azure.net" };
static const struct key_ref KEY = { .name = "key1" };

#define FORBIDDEN(message, inner)                                                                  \
    "{\"error\":{\"code\":\"Forbidden\",\"message\":\"" message                                    \
    "\",\"innererror\":{\"code\":\"" inner "\"}}}"

struct refused {
    int status;
    const char *body;
    enum akv_refusal refusal;
};

static void check_classified(const struct refused *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (akv_classify(cases[i].status, span_str(cases[i].body)) != cases[i].refusal)
            fail_msg("%d %s", cases[i].status, cases[i].body);
}

static void a_status_tells_most_refusals_apart(void **state)
{
    static const struct refused cases[] = {
        { 200, "", AKV_NOT_REFUSED },
        { 302, "", AKV_NOT_REFUSED },
        { 400, "{\"error\":{\"code\":\"BadParameter\",\"message\":\"AKV.SKR.1012: x\"}}",
          AKV_OTHER },
        { 401, "", AKV_TOKEN },
        { 401, "{\"error\":{\"code\":\"Unauthorized\",\"message\":\"AKV10022: Invalid audience\"}}",
          AKV_TOKEN },
        { 404, "{\"error\":{\"code\":\"KeyNotFound\"}}", AKV_NOT_FOUND },
        { 405, "", AKV_OTHER },
        { 408, "", AKV_NOT_REFUSED },
        { 409, "", AKV_OTHER },
        { 429, "", AKV_NOT_REFUSED },
        { 499, "", AKV_OTHER },
        { 500, "cannot be verified", AKV_NOT_REFUSED },
        { 503, "", AKV_NOT_REFUSED },
    };

    check_classified(cases, ARRAY_LEN(cases));
}

static void its_words_tell_what_forbidden_means(void **state)
{
    static const struct refused cases[] = {
        { 403,
          FORBIDDEN("Target environment attestation does not meet key release policy "
                    "requirements.",
                    "AccessDenied"),
          AKV_POLICY },
        { 403,
          FORBIDDEN("TARGET ENVIRONMENT ATTESTATION DOES NOT MEET KEY RELEASE POLICY (Activity "
                    "ID: x)",
                    "AccessDenied"),
          AKV_POLICY },
        { 403,
          FORBIDDEN("Target environment attestation statement cannot be verified.", "AccessDenied"),
          AKV_STATEMENT },
        { 403,
          FORBIDDEN("Caller is not authorized to perform action on resource.\\r\\nIf",
                    "ForbiddenByRbac"),
          AKV_ACCESS },
        { 403, FORBIDDEN("x", "forbiddenbyrbac"), AKV_ACCESS },
        { 403,
          FORBIDDEN("Access denied. Caller was not found on any access policy.\\r\\nCaller:",
                    "AccessDenied"),
          AKV_ACCESS },
        { 403,
          FORBIDDEN("Client address is not authorized and caller is not a trusted service.",
                    "ForbiddenByFirewall"),
          AKV_ACCESS },
        { 403, FORBIDDEN("Public network access is disabled", "ForbiddenByConnection"),
          AKV_ACCESS },
        { 403, FORBIDDEN("The user does not have keys release permission", "ForbiddenByPolicy"),
          AKV_ACCESS },
        { 403,
          "{\"error\":{\"code\":\"AccessDenied\",\"message\":\"Not authorized to access "
          "Microsoft.KeyVault/managedHsm/keys (Activity ID: x)\"}}",
          AKV_ACCESS },
        { 403, FORBIDDEN("Operation release is not allowed on a disabled key", "KeyDisabled"),
          AKV_OTHER },
        { 403, "{\"Error\":{\"Message\":\"it cannot\\u0020be verified\"}}", AKV_STATEMENT },
        { 403, "", AKV_OTHER },
        { 403, "You are Not Authorized by this proxy", AKV_ACCESS },
        { 403, "<html>does not meet key release policy</html>", AKV_POLICY },
        { 403, "{\"message\":\"cannot be verified\"}", AKV_STATEMENT },
        { 403, "[\"access policy\"]", AKV_ACCESS },
        { 403, "{\"error\":\"cannot be verified\"}", AKV_STATEMENT },
        { 403, "{\"error\":{\"message\":7}}", AKV_OTHER },
        { 403, "\xff\xfe", AKV_OTHER },
    };

    check_classified(cases, ARRAY_LEN(cases));
}

static int release(const struct fake_exchange *script, const struct key_ref *key,
                   const char *statement, const char *bearer, char **jws, enum akv_refusal *refusal,
                   struct err *e)
{
    struct fake_http http;
    struct fake_clock clk;

    fake_clock_init(&clk, 1700000000);
    fake_http_init(&http, script);
    const struct http_env env = { &http.base, &clk.base, NULL, 20000 };
    *refusal = AKV_OTHER; /* not what any of the calls below leaves */
    const int rc =
        akv_release(&env, &VAULT, key, statement, bearer, clk.ms + 50000, jws, refusal, e);
    fake_http_finish(&http);
    return rc;
}

static void releases_a_key_in_one_exchange(void **state)
{
    static const struct fake_exchange headers[] = {
        { "POST", RELEASE_URL, 200, .answer = "{\"value\":\"h.p.s\"}",
          .body_contains = "{\"target\":\"" STATEMENT "\"}",
          .header = "Authorization: Bearer " BEARER },
        { "POST", RELEASE_URL, 200, .answer = "{\"VALUE\":\"h.p.s\"}",
          .header = "Content-Type: application/json" },
        { 0 },
    };

    for (size_t i = 0; i < 2; i++) {
        const struct fake_exchange script[] = { headers[i], { 0 } };
        CLEANUP(str_freep) char *jws = NULL;
        enum akv_refusal refusal;
        struct err e;
        assert_ok(release(script, &KEY, STATEMENT, BEARER, &jws, &refusal, &e));
        assert_string_equal(jws, "h.p.s");
        assert_int_equal(refusal, AKV_NOT_REFUSED);
    }
}

/* A client that asserts the request's exact bytes. */
static void check_exact(struct http_client *c, struct http_exchange *x)
{
    struct err e;

    assert_span_equal(x->request->body, span_str("{\"target\":\"" STATEMENT "\"}"));
    assert_string_equal(x->request->headers[0].name, "Authorization");
    assert_string_equal(x->request->headers[1].name, "Content-Type");
    assert_null(x->request->headers[2].name);
    assert_false(x->request->no_proxy);
    err_set(&e, ERR_NET, "connection reset");
    x->done(x, &e);
}

static void sends_the_target_and_nothing_else(void **state)
{
    static const struct http_client_ops ops = { check_exact, NULL, NULL };
    struct http_client client = { &ops };
    struct fake_clock clk;
    enum akv_refusal refusal = AKV_OTHER;
    char *jws = NULL;
    struct err e;

    fake_clock_init(&clk, 1700000000);
    const struct http_env env = { &client, &clk.base, NULL, 20000 };
    assert_fails(
        ERR_NET, "AKV request failed: ",
        akv_release(&env, &VAULT, &KEY, STATEMENT, BEARER, clk.ms + 50000, &jws, &refusal, &e));
    assert_int_equal(refusal, AKV_NOT_REFUSED);
}

static void names_the_version_that_is_asked_for(void **state)
{
    static const struct key_ref key = { "key1", VERSION };
    static const struct fake_exchange script[] = {
        { "POST", "https://a.vault.azure.net/keys/key1/" VERSION "/release?api-version=7.4", 200,
          .answer = "{\"value\":\"h.p.s\"}" },
        { 0 },
    };
    CLEANUP(str_freep) char *jws = NULL;
    enum akv_refusal refusal;
    struct err e;

    assert_ok(release(script, &key, STATEMENT, BEARER, &jws, &refusal, &e));
}

static void reports_refusals_with_their_cause(void **state)
{
    static const struct {
        int status;
        const char *answer;
        enum err_code code;
        enum akv_refusal refusal;
        const char *needle;
    } cases[] = {
        { 403,
          FORBIDDEN("Target environment attestation does not meet key release policy "
                    "requirements.",
                    "AccessDenied"),
          ERR_HTTP, AKV_POLICY,
          "pulling AKV response body failed: {\"error\":{\"code\":\"Forbidden\"" },
        { 403, "", ERR_HTTP, AKV_OTHER,
          "pulling AKV response body failed: http response status equal to 403 Forbidden" },
        { 401, "", ERR_HTTP, AKV_TOKEN, "401 Unauthorized" },
        { 404, "x", ERR_HTTP, AKV_NOT_FOUND, "x: http response status equal to 404 Not Found" },
        { 400, "x", ERR_HTTP, AKV_OTHER, "400 Bad Request" },
        { 200, "{}", ERR_PARSE, AKV_NOT_REFUSED, "no value" },
        { 200, "{\"value\":\"\"}", ERR_PARSE, AKV_NOT_REFUSED, "no value" },
        { 200, "{\"value\":7}", ERR_PARSE, AKV_NOT_REFUSED, "value" },
        { 200, "{\"value\":\"a\\u0000b\"}", ERR_PARSE, AKV_NOT_REFUSED, "NUL" },
        { 200, "", ERR_PARSE, AKV_NOT_REFUSED, "answer" },
        { 200, "[\"a\"]", ERR_PARSE, AKV_NOT_REFUSED, "no value" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_exchange script[] = {
            { "POST", RELEASE_URL, cases[i].status, .answer = cases[i].answer }, { 0 }
        };
        char *jws = NULL;
        enum akv_refusal refusal;
        struct err e;
        assert_fails(cases[i].code, cases[i].needle,
                     release(script, &KEY, STATEMENT, BEARER, &jws, &refusal, &e));
        assert_int_equal(refusal, cases[i].refusal);
        assert_null(jws);
    }
}

static void tries_again_when_the_vault_is_busy(void **state)
{
    static const struct fake_exchange script[] = {
        { "POST", RELEASE_URL, 429, .answer = "", .retry_after_s = 1 },
        { "POST", RELEASE_URL, 502, .answer = "" },
        { "POST", RELEASE_URL, 200, .answer = "{\"value\":\"h.p.s\"}" },
        { 0 },
    };
    CLEANUP(str_freep) char *jws = NULL;
    enum akv_refusal refusal;
    struct err e;

    assert_ok(release(script, &KEY, STATEMENT, BEARER, &jws, &refusal, &e));
    assert_int_equal(refusal, AKV_NOT_REFUSED);
}

static void tokens_are_masked_in_what_a_vault_echoes(void **state)
{
    static const struct fake_exchange script[] = {
        { "POST", RELEASE_URL, 403, .answer = "you sent " BEARER " and " STATEMENT " in vain" },
        { 0 }
    };
    char *jws = NULL;
    enum akv_refusal refusal;
    struct err e;

    assert_fails(ERR_HTTP, "in vain", release(script, &KEY, STATEMENT, BEARER, &jws, &refusal, &e));
    assert_null(strstr(e.msg, BEARER));
    assert_null(strstr(e.msg, STATEMENT));
}

static void a_token_cannot_break_out_of_its_place(void **state)
{
    static const char *const bad[] = { "",         "a b", "a\r\nX: y", "a\n",  "a\"",
                                       "a\\u0041", "a{}", "\xc3\xa4",  "a\tb", "a,b" };
    static const struct fake_exchange nothing[] = { { 0 } };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *jws = NULL;
        enum akv_refusal refusal;
        struct err e;
        assert_fails(ERR_ARG, "the access token",
                     release(nothing, &KEY, STATEMENT, bad[i], &jws, &refusal, &e));
        assert_int_equal(refusal, AKV_NOT_REFUSED);
        assert_fails(ERR_ARG, "the attestation token",
                     release(nothing, &KEY, bad[i], BEARER, &jws, &refusal, &e));
    }
}

static int get_policy(const struct fake_exchange *script, json_t **policy, struct err *e)
{
    struct fake_http http;
    struct fake_clock clk;

    fake_clock_init(&clk, 1700000000);
    fake_http_init(&http, script);
    const struct http_env env = { &http.base, &clk.base, NULL, 20000 };
    const int rc = akv_get_release_policy(&env, &VAULT, &KEY, BEARER, clk.ms + 50000, policy, e);
    fake_http_finish(&http);
    return rc;
}

static void reads_the_release_policy_in_any_alphabet(void **state)
{
    /* {"a":"~~?>"} in URL-safe, standard and padded base64 */
    static const char *const data[] = { "eyJhIjoifn4_PiJ9", "eyJhIjoifn4/PiJ9",
                                        "eyJhIjoifn4/PiJ9" };

    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        CLEANUP(str_freep) char *answer = NULL;
        CLEANUP(json_freep) json_t *policy = NULL;
        struct err e;
        assert_ok(str_printf(&answer, &e,
                             "{\"key\":{},\"release_policy\":{\"contentType\":\"application/json\","
                             "\"data\":\"%s\"}}",
                             data[i]));
        const struct fake_exchange script[] = { { "GET", KEY_URL, 200, .answer = answer,
                                                  .header = "Authorization: Bearer " BEARER },
                                                { 0 } };
        assert_ok(get_policy(script, &policy, &e));
        assert_string_equal(json_string_value(json_object_get(policy, "a")), "~~?>");
    }
}

static void refuses_keys_without_a_readable_policy(void **state)
{
    static const struct {
        int status;
        const char *answer;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { 200, "{\"key\":{}}", ERR_CHECK, "no release policy" },
        { 200, "{\"release_policy\":null}", ERR_CHECK, "no release policy" },
        { 200, "{\"release_policy\":{}}", ERR_PARSE, "no data" },
        { 200, "{\"release_policy\":\"x\"}", ERR_PARSE, "no data" },
        { 200, "{\"release_policy\":{\"data\":7}}", ERR_PARSE, "data" },
        { 200, "{\"release_policy\":{\"data\":\"%%\"}}", ERR_PARSE, "" },
        { 200, "{\"release_policy\":{\"data\":\"eyJh\"}}", ERR_PARSE, "" },
        { 200, "no", ERR_PARSE, "" },
        { 403, FORBIDDEN("Caller is not authorized", "ForbiddenByRbac"), ERR_HTTP,
          "403 Forbidden" },
        { 404, "", ERR_HTTP, "404 Not Found" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_exchange script[] = {
            { "GET", KEY_URL, cases[i].status, .answer = cases[i].answer }, { 0 }
        };
        json_t *policy = NULL;
        struct err e;
        assert_fails(cases[i].code, cases[i].needle, get_policy(script, &policy, &e));
        assert_non_null(strstr(e.msg, "reading the release policy of key key1"));
        assert_null(policy);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_tells_most_refusals_apart),
        cmocka_unit_test(its_words_tell_what_forbidden_means),
        cmocka_unit_test(releases_a_key_in_one_exchange),
        cmocka_unit_test(sends_the_target_and_nothing_else),
        cmocka_unit_test(names_the_version_that_is_asked_for),
        cmocka_unit_test(reports_refusals_with_their_cause),
        cmocka_unit_test(tries_again_when_the_vault_is_busy),
        cmocka_unit_test(tokens_are_masked_in_what_a_vault_echoes),
        cmocka_unit_test(a_token_cannot_break_out_of_its_place),
        cmocka_unit_test(reads_the_release_policy_in_any_alphabet),
        cmocka_unit_test(refuses_keys_without_a_readable_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
