#include "support/asserts.h"

#include "azure/maa.h"
#include "base/str.h"
#include "codec/json.h"
#include "support/fake_clock.h"
#include "support/fake_http.h"

#define URL "https://a.attest.azure.net/attest/SevSnpVM?api-version=2020-10-01"

static const struct endpoint MAA = { .host = "a.attest.azure.net",
                                     .authority = "a.attest.azure.net" };

/* The wanted bodies were made by Python's json and base64 modules. */
static void formats_the_request_byte_for_byte(void **state)
{
    static const struct {
        const char *report, *chain, *uvm, *runtime;
        uint64_t nonce;
        const char *want;
    } cases[] = {
        { "\xfb\xff\xfe", "PEM\n", "\xd2\x84?", "{\"a\":\"?>~\"}", UINT64_MAX,
          "{\"report\":\"eyJTbnBSZXBvcnQiOiItX18tIiwiVmNla0NlcnRDaGFpbiI6IlVFVk5DZz09IiwiRW5kb3JzZW"
          "1lbnRzIjoiZXlKVmRtMGlPbHNpTUc5Ulh5SmRmUT09In0=\",\"runtimeData\":{\"data\":"
          "\"eyJhIjoiPz5-In0=\",\"dataType\":\"JSON\"},\"initTimeData\":{\"data\":\"\","
          "\"dataType\":\"\"},\"nonce\":18446744073709551615}" },
        { "r", "c", "", "{}", 0,
          "{\"report\":\"eyJTbnBSZXBvcnQiOiJjZz09IiwiVmNla0NlcnRDaGFpbiI6Ill3PT0ifQ==\","
          "\"runtimeData\":{\"data\":\"e30=\",\"dataType\":\"JSON\"},\"initTimeData\":{\"data\":"
          "\"\",\"dataType\":\"\"},\"nonce\":0}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct maa_evidence ev = { span_str(cases[i].report), span_str(cases[i].chain),
                                         span_str(cases[i].uvm), span_str(cases[i].runtime) };
        CLEANUP(buf_done) struct buf out = { 0 };
        struct err e;
        assert_ok(buf_add_str(&out, "before ", &e));
        assert_ok(maa_format_request(&ev, cases[i].nonce, &out, &e));
        assert_true(str_starts_with(buf_cstr(&out), "before "));
        assert_string_equal(buf_cstr(&out) + 7, cases[i].want);
    }
}

static void takes_the_token_out_of_an_answer(void **state)
{
    static const char *const answers[] = { "{\"token\":\"a-_.B9.c\"}",
                                           "{\"x\":1,\"Token\":\"a-_.B9.c\",\"y\":null}" };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        CLEANUP(str_freep) char *token = NULL;
        struct err e;
        assert_ok(maa_parse_token(span_str(answers[i]), &token, &e));
        assert_string_equal(token, "a-_.B9.c");
    }
}

static void refuses_answers_without_a_token(void **state)
{
    static const char *const answers[] = {
        "",
        "token",
        "[]",
        "{}",
        "{\"token\":",
        "{\"token\":null}",
        "{\"token\":7}",
        "{\"token\":\"\"}",
        "{\"token\":\"a\"}",
        "{\"token\":\"a.b\"}",
        "{\"token\":\"a.b.\"}",
        "{\"token\":\".b.c\"}",
        "{\"token\":\"a..c\"}",
        "{\"token\":\"a.b.c.d\"}",
        "{\"token\":\"a.b.c\\n\"}",
        "{\"token\":\"a.b.c\\u0000\"}",
        "{\"token\":\"a.b.c=\"}",
        "{\"token\":\"a.b+.c\"}",
        "{\"token\":\"a b.c.d\"}",
        "{\"token\":{\"token\":\"a.b.c\"}}",
        "{\"token\":\"a.b.c\",\"token\":\"a.b.c\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        char *token = NULL;
        struct err e;
        assert_fails(ERR_PARSE, "", maa_parse_token(span_str(answers[i]), &token, &e));
        assert_null(token);
    }
}

static int attest(const struct fake_exchange *script, const char *user_agent, char **token,
                  struct err *e)
{
    const struct maa_evidence ev = { span_str("r"), span_str("c"), span_str(""), span_str("{}") };
    struct fake_http http;
    struct fake_clock clk;

    fake_clock_init(&clk, 1700000000);
    fake_http_init(&http, script);
    const struct http_env env = { &http.base, &clk.base, NULL, 20000 };
    const int rc = maa_attest(&env, &MAA, user_agent, &ev, clk.ms + 50000, token, e);
    fake_http_finish(&http);
    return rc;
}

static void posts_evidence_and_returns_the_token(void **state)
{
    static const struct fake_exchange script[] = {
        { "POST", URL, 200, .answer = "{\"token\":\"a.b.c\"}",
          .body_contains = "\"runtimeData\":{\"data\":\"e30=\",\"dataType\":\"JSON\"}",
          .header = "Content-Type: application/json" },
        { 0 },
    };
    CLEANUP(str_freep) char *token = NULL;
    struct err e;

    assert_ok(attest(script, NULL, &token, &e));
    assert_string_equal(token, "a.b.c");
}

static void sends_the_user_agent_it_is_given(void **state)
{
    static const struct fake_exchange script[] = {
        { "POST", URL, 200, .answer = "{\"token\":\"a.b.c\"}",
          .header = "User-Agent: My App/1.0 (x)" },
        { 0 },
    };
    CLEANUP(str_freep) char *token = NULL;
    struct err e;

    assert_ok(attest(script, "My App/1.0 (x)", &token, &e));
}

static void tries_again_when_the_service_is_busy(void **state)
{
    static const struct fake_exchange script[] = {
        { "POST", URL, 503, .answer = "busy" },
        { "POST", URL, 429, .answer = "", .retry_after_s = 2 },
        { "POST", URL, 0, .answer = "" },
        { "POST", URL, 200, .answer = "{\"token\":\"a.b.c\"}" },
        { 0 },
    };
    CLEANUP(str_freep) char *token = NULL;
    struct err e;

    assert_ok(attest(script, "", &token, &e));
}

static void reports_a_refusal_with_the_services_words(void **state)
{
    static const struct {
        int status;
        const char *answer;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { 400, "{\"error\":{\"message\":\"A Deny claim was issued\"}}", ERR_HTTP,
          "pulling maa post response failed: {\"error\":{\"message\":\"A Deny claim was "
          "issued\"}}: http response status equal to 400 Bad Request" },
        { 403, "", ERR_HTTP, "http response status equal to 403 Forbidden" },
        { 302, "", ERR_HTTP, "302" },
        { 200, "{}", ERR_PARSE, "empty token" },
        { 200, "<html>", ERR_PARSE, "answer" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_exchange script[] = {
            { "POST", URL, cases[i].status, .answer = cases[i].answer }, { 0 }
        };
        char *token = NULL;
        struct err e;
        assert_fails(cases[i].code, cases[i].needle, attest(script, "x", &token, &e));
        assert_int_equal(e.detail, cases[i].code == ERR_HTTP ? cases[i].status : 0);
        assert_null(token);
    }
}

/* Keeps the bodies of requests and answers them all alike. */
struct recorder {
    struct http_client base;
    size_t n;
    struct buf bodies[8];
};

static void record(struct http_client *c, struct http_exchange *x)
{
    struct recorder *r = CONTAINER_OF(c, struct recorder, base);
    struct err e;

    assert_true(r->n < ARRAY_LEN(r->bodies));
    assert_ok(buf_add(&r->bodies[r->n++], x->request->body.p, x->request->body.n, &e));
    x->response.status = 200;
    assert_ok(buf_add_str(&x->response.body, "{\"token\":\"a.b.c\"}", &e));
    x->done(x, NULL);
}

static void every_request_has_a_nonce_of_64_bits_of_its_own(void **state)
{
    static const struct http_client_ops ops = { record, NULL, NULL };
    struct recorder r = { .base = { &ops } };
    const struct http_env env = { &r.base, clock_system(), NULL, 20000 };
    const struct maa_evidence ev = { span_str("r"), span_str("c"), span_str(""), span_str("{}") };
    uint64_t nonces[ARRAY_LEN(r.bodies)], all = 0;

    for (size_t i = 0; i < ARRAY_LEN(nonces); i++) {
        CLEANUP(str_freep) char *token = NULL;
        CLEANUP(str_freep) char *digits = NULL;
        struct err e;
        assert_ok(
            maa_attest(&env, &MAA, NULL, &ev, clock_now_ms(clock_system()) + 5000, &token, &e));
        const char *text = buf_cstr(&r.bodies[i]);
        assert_non_null(text);
        const char *at = strstr(text, "\"nonce\":");
        assert_non_null(at);
        assert_ok(str_from_span(span_of(at + 8, strlen(at + 8) - 1), &digits, &e));
        assert_ok(str_to_u64(digits, 10, UINT64_MAX, &nonces[i], &e));
        for (size_t k = 0; k < i; k++)
            assert_true(nonces[k] != nonces[i]);
        all |= nonces[i];
    }
    assert_true(all >> 56 != 0);
    for (size_t i = 0; i < r.n; i++)
        buf_done(&r.bodies[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_the_request_byte_for_byte),
        cmocka_unit_test(takes_the_token_out_of_an_answer),
        cmocka_unit_test(refuses_answers_without_a_token),
        cmocka_unit_test(posts_evidence_and_returns_the_token),
        cmocka_unit_test(sends_the_user_agent_it_is_given),
        cmocka_unit_test(tries_again_when_the_service_is_busy),
        cmocka_unit_test(reports_a_refusal_with_the_services_words),
        cmocka_unit_test(every_request_has_a_nonce_of_64_bits_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
