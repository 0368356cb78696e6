/* The services that are reached without the TLS of their names: metadata, certificates, tokens,
 * Entra, the processor; each request goes the whole way through faults and journal. */
#include "support/asserts.h"

#include "base/str.h"
#include "crypto/jws.h"
#include "sim/psp.h"
#include "sim/sim_token.h"
#include "support/sim_fixture.h"

#define TOKEN "/metadata/identity/oauth2/token"
#define VAULT "https://vault.azure.net"
#define LOGIN "login.localhost:8443"
#define FORM                                                                                       \
    "grant_type=client_credentials&client_id=me&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth" \
    "%3Aclient-assertion-type%3Ajwt-bearer"
#define ASSERTION "&client_assertion=e30.e30.c2ln"
#define SCOPE     "&scope=https%3A%2F%2Fmanagedhsm.azure.net%2F.default+openid+offline_access+profile"

static const struct sim_fixture_request VAULT_TOKEN = {
    .listener = SIM_PLAIN,
    .target = TOKEN "?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net",
    .headers = { { "Metadata", "true" } },
};

/* The answer to a request that must have this status; the caller's. */
static json_t *ask(struct sim_fixture *f, const struct sim_fixture_request *r, int status)
{
    CLEANUP(sim_reply_done) struct sim_reply reply = { 0 };

    sim_fixture_serve(f, r, &reply);
    if (reply.status != status)
        fail_msg("status %d instead of %d: %.*s", reply.status, status, (int)reply.body.n,
                 (const char *)reply.body.p);
    return sim_fixture_json(&reply);
}

static enum sim_token_verdict judge(struct sim_fixture *f, const char *token, const char *audience)
{
    char found[SIM_TOKEN_AUDIENCE_SIZE];

    return sim_token_check(f->sim, token, audience, found);
}

static void imds_gives_tokens_whose_members_are_strings(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(json_freep) json_t *answer = ask(f, &VAULT_TOKEN, 200);
    CLEANUP(json_freep) json_t *header = NULL;
    CLEANUP(json_freep) json_t *claims = NULL;
    const char *token = sim_fixture_string(answer, "access_token");
    const char *name = NULL;
    const json_t *value = NULL;
    struct err e;

    json_object_foreach (answer, name, value)
        assert_true(json_is_string(value));
    assert_string_equal(sim_fixture_string(answer, "expires_in"), "86399");
    assert_string_equal(sim_fixture_string(answer, "expires_on"), "1750086400");
    assert_string_equal(sim_fixture_string(answer, "not_before"), "1750000000");
    assert_string_equal(sim_fixture_string(answer, "resource"), VAULT);
    assert_string_equal(sim_fixture_string(answer, "token_type"), "Bearer");
    assert_ok(jws_peek(span_str(token), &header, &claims, &e));
    assert_string_equal(sim_fixture_string(header, "alg"), "RS256");
    assert_string_equal(sim_fixture_string(claims, "aud"), VAULT);
    assert_string_equal(sim_fixture_string(claims, "appid"), SIM_TOKEN_CLIENT);
    assert_true(str_starts_with(sim_fixture_string(claims, "xms_az_rid"),
                                "/subscriptions/" SIM_TOKEN_SUBSCRIPTION "/"));
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), SIM_FIXTURE_NOW + 86400);
}

static void imds_tells_the_client_id_that_was_asked_for(void **state)
{
    struct sim_fixture *f = *state;
    const struct sim_fixture_request r = {
        .listener = SIM_PLAIN,
        .target = TOKEN "?api-version=2018-02-01&client_id=abc&resource=https://a.blob.core.x",
        .headers = { { "metadata", "True" } },
    };
    CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);
    CLEANUP(json_freep) json_t *claims = NULL;
    struct err e;

    assert_string_equal(sim_fixture_string(answer, "client_id"), "abc");
    assert_string_equal(sim_fixture_string(answer, "resource"), "https://a.blob.core.x");
    assert_ok(jws_peek(span_str(sim_fixture_string(answer, "access_token")), NULL, &claims, &e));
    assert_string_equal(sim_fixture_string(claims, "appid"), "abc");
}

static void imds_refuses_as_documented(void **state)
{
#define QUERY "?api-version=2018-02-01"
#define GOOD  TOKEN QUERY "&resource=https%3A%2F%2Fvault.azure.net"
#define CALLER                                                                                     \
    {                                                                                              \
        "Metadata", "true"                                                                         \
    }
    static const struct {
        const char *method, *target, *headers[2][2];
        int status;
        const char *error;
    } cases[] = {
        { "GET", GOOD, { { 0 } }, 400, "bad_request_102" },
        { "GET", GOOD, { { "Metadata", "false" } }, 400, "bad_request_102" },
        { "GET", GOOD, { CALLER, { "X-Forwarded-For", "1.2.3.4" } }, 400, "invalid_request" },
        { "POST", GOOD, { CALLER }, 405, "method_not_allowed" },
        { "GET", TOKEN "?resource=https://x.y", { CALLER }, 400, "Bad request. api-version" },
        { "GET",
          TOKEN "?api-version=2017-01-01&resource=https://x.y",
          { CALLER },
          400,
          "Bad request. api-version" },
        { "GET", TOKEN QUERY, { CALLER }, 400, "invalid_request" },
        { "GET", TOKEN QUERY "&resource=", { CALLER }, 400, "invalid_request" },
        { "GET", GOOD "&resource=https://x.y", { CALLER }, 400, "invalid_request" },
        { "GET", GOOD "&client_id=", { CALLER }, 400, "invalid_request" },
        { "GET", GOOD "&client_id=a&object_id=b", { CALLER }, 400, "invalid_request" },
        { "GET", TOKEN QUERY "&resource=vault", { CALLER }, 400, "invalid_resource" },
        { "GET", TOKEN QUERY "&resource=%zz", { CALLER }, 400, "invalid_request" },
        { "GET", "/metadata/identity/nowhere", { CALLER }, 401, "unknown_source" },
        { "GET", "/metadata/nowhere", { CALLER }, 404, "not_found" },
        { "GET", "/metadata/THIM/amd/certification", { { 0 } }, 400, "bad_request_102" },
        { "GET", "/metadata/THIM/amd/other", { CALLER }, 404, "not_found" },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_fixture_request r = { .listener = SIM_PLAIN,
                                         .method = cases[i].method,
                                         .target = cases[i].target };
        memcpy(r.headers, cases[i].headers, sizeof(cases[i].headers));
        CLEANUP(json_freep) json_t *answer = ask(f, &r, cases[i].status);
        if (!str_starts_with(sim_fixture_string(answer, "error"), cases[i].error))
            fail_msg("row %zu: %s", i, sim_fixture_string(answer, "error"));
    }
#undef QUERY
#undef GOOD
#undef CALLER
}

static void thim_gives_the_chain_of_the_processor(void **state)
{
    struct sim_fixture *f = *state;
    const struct sim_fixture_request r = { .listener = SIM_PLAIN,
                                           .target = "/metadata/THIM/amd/certification",
                                           .headers = { { "Metadata", "true" } } };
    CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);

    assert_int_equal(json_object_size(answer), 4);
    assert_string_equal(sim_fixture_string(answer, "tcbm"), "7308000000000003");
    assert_true(str_starts_with(sim_fixture_string(answer, "vcekCert"), "-----BEGIN CERT"));
}

static void the_registry_knows_what_became_of_a_token(void **state)
{
    struct sim_fixture *f = *state;
    CLEANUP(json_freep) json_t *answer = ask(f, &VAULT_TOKEN, 200);
    const char *token = sim_fixture_string(answer, "access_token");

    assert_int_equal(judge(f, token, VAULT), SIM_TOKEN_GOOD);
    assert_int_equal(judge(f, token, "https://Vault.Azure.net/"), SIM_TOKEN_GOOD);
    assert_int_equal(judge(f, token, "https://managedhsm.azure.net"), SIM_TOKEN_WRONG_AUDIENCE);
    assert_int_equal(judge(f, "e30.e30.e30", VAULT), SIM_TOKEN_UNKNOWN);
    sim_tokens_revoke_all(f->sim);
    assert_int_equal(judge(f, token, VAULT), SIM_TOKEN_REVOKED);
    CLEANUP(json_freep) json_t *again = ask(f, &VAULT_TOKEN, 200);
    const char *fresh = sim_fixture_string(again, "access_token");
    assert_int_equal(judge(f, fresh, VAULT), SIM_TOKEN_GOOD);
    pthread_mutex_lock(&f->sim->lock);
    f->sim->state.clock_skew_s = 86399;
    pthread_mutex_unlock(&f->sim->lock);
    assert_int_equal(judge(f, fresh, VAULT), SIM_TOKEN_GOOD);
    pthread_mutex_lock(&f->sim->lock);
    f->sim->state.clock_skew_s = 86400;
    pthread_mutex_unlock(&f->sim->lock);
    assert_int_equal(judge(f, fresh, VAULT), SIM_TOKEN_EXPIRED);
    sim_tokens_clear(f->sim);
    assert_int_equal(judge(f, fresh, VAULT), SIM_TOKEN_UNKNOWN);
}

static void entra_describes_itself_under_the_name_it_was_called(void **state)
{
    static const char *const targets[] = {
        "/my-tenant/v2.0/.well-known/openid-configuration?",
        "//my-tenant/v2.0/.well-known/openid-configuration",
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct sim_fixture_request r = { .authority = LOGIN, .target = targets[i] };
        CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);
        assert_string_equal(sim_fixture_string(answer, "token_endpoint"),
                            "https://" LOGIN "/my-tenant/oauth2/v2.0/token");
        assert_string_equal(sim_fixture_string(answer, "issuer"),
                            "https://" LOGIN "/my-tenant/v2.0");
        sim_fixture_string(answer, "authorization_endpoint");
    }
}

static void entra_exchanges_an_assertion_for_a_token(void **state)
{
    struct sim_fixture *f = *state;
    const struct sim_fixture_request r = { .authority = LOGIN,
                                           .method = "POST",
                                           .target = "/t/oauth2/v2.0/token",
                                           .body = FORM ASSERTION SCOPE };
    CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);

    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")), 86399);
    assert_string_equal(sim_fixture_string(answer, "token_type"), "Bearer");
    assert_int_equal(
        judge(f, sim_fixture_string(answer, "access_token"), "https://managedhsm.azure.net"),
        SIM_TOKEN_GOOD);
}

static void entra_refuses_with_its_codes(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status, code;
    } cases[] = {
        { "POST", "/t/oauth2/v2.0/token", "", 400, 70003 },
        { "POST", "/t/oauth2/v2.0/token", "grant_type=client_credentials", 400, 900144 },
        { "POST", "/t/oauth2/v2.0/token", "grant_type=%", 400, 900144 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE, 401, 7000218 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE "&client_assertion=a.b", 400, 70021 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE "&client_assertion=a..b", 400, 70021 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE "&client_assertion=a.b.c.d", 400, 70021 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE "&client_assertion=a.b.", 400, 70021 },
        { "POST", "/t/oauth2/v2.0/token", FORM SCOPE "&client_assertion=a.b.c%0A", 400, 70021 },
        { "POST", "/t/oauth2/v2.0/token", FORM ASSERTION, 400, 1002012 },
        { "POST", "/t/oauth2/v2.0/token", FORM ASSERTION "&scope=openid", 400, 1002012 },
        { "POST", "/t/oauth2/v2.0/token", FORM ASSERTION "&scope=/.default", 400, 1002012 },
        { "GET", "/t/oauth2/v2.0/token", "", 405, 900561 },
        { "GET", "/t/nowhere", "", 404, 900561 },
        { "GET", "/", "", 404, 900561 },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sim_fixture_request r = { .authority = LOGIN,
                                               .method = cases[i].method,
                                               .target = cases[i].target,
                                               .body = cases[i].body };
        CLEANUP(json_freep) json_t *answer = ask(f, &r, cases[i].status);
        const json_t *codes = json_object_get(answer, "error_codes");
        if (json_integer_value(json_array_get(codes, 0)) != cases[i].code)
            fail_msg("row %zu: %s", i, sim_fixture_string(answer, "error_description"));
        sim_fixture_string(answer, "error");
        sim_fixture_string(answer, "trace_id");
    }
}

static void entra_takes_only_the_registered_assertion(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_fixture_request r = { .authority = LOGIN,
                                     .method = "POST",
                                     .target = "/t/oauth2/v2.0/token",
                                     .body = FORM ASSERTION SCOPE };
    struct err e;

    assert_ok(str_dup("x.y.z", &f->sim->federated_token, &e));
    CLEANUP(json_freep) json_t *refusal = ask(f, &r, 400);
    r.body = FORM SCOPE "&client_assertion=x.y.z";
    CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);
}

static void the_processor_answers_over_http(void **state)
{
    static const char body[] = "{\"report_data\":\""
                               "0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10"
                               "0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10"
                               "\"}";
    struct sim_fixture *f = *state;
    const struct sim_fixture_request r = {
        .listener = SIM_PLAIN, .method = "POST", .target = "/psp/report", .body = body
    };
    CLEANUP(json_freep) json_t *answer = ask(f, &r, 200);
    const char *hex = sim_fixture_string(answer, "report");

    assert_int_equal(strlen(hex), 2 * SNP_REPORT_SIZE);
    assert_memory_equal(hex + 0xa0, "0102030405060708090a", 20);
}

static void the_processor_refuses_bad_requests(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
    } cases[] = {
        { "GET", "/psp/report", "", 405 },
        { "POST", "/psp/nowhere", "{}", 404 },
        { "POST", "/psp/report", "", 400 },
        { "POST", "/psp/report", "{}", 400 },
        { "POST", "/psp/report", "{\"report_data\":7}", 400 },
        { "POST", "/psp/report", "{\"report_data\":\"00\"}", 400 },
        { "POST", "/psp/report", "{\"report_data\":\"zz\"}", 400 },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sim_fixture_request r = { .listener = SIM_PLAIN,
                                               .method = cases[i].method,
                                               .target = cases[i].target,
                                               .body = cases[i].body };
        CLEANUP(json_freep) json_t *answer = ask(f, &r, cases[i].status);
        sim_fixture_string(answer, "error");
    }
}

static void nobody_answers_for_other_hosts_and_paths(void **state)
{
    static const struct sim_fixture_request requests[] = {
        { .listener = SIM_PLAIN, .target = "/" },
        { .listener = SIM_PLAIN, .target = "/t/oauth2/v2.0/token", .authority = LOGIN },
        { .listener = SIM_TLS, .target = "/psp/report", .authority = "127.0.0.1" },
        { .listener = SIM_TLS, .target = "/", .authority = "login.localhost.evil" },
    };
    struct sim_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        CLEANUP(sim_reply_done) struct sim_reply reply = { 0 };
        sim_fixture_serve(f, &requests[i], &reply);
        assert_int_equal(reply.status, 404);
        assert_int_equal(reply.body.n, 0);
    }
}

#define FRESH(name) cmocka_unit_test_setup(name, sim_fixture_reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(imds_gives_tokens_whose_members_are_strings),
        FRESH(imds_tells_the_client_id_that_was_asked_for),
        FRESH(imds_refuses_as_documented),
        FRESH(thim_gives_the_chain_of_the_processor),
        FRESH(the_registry_knows_what_became_of_a_token),
        FRESH(entra_describes_itself_under_the_name_it_was_called),
        FRESH(entra_exchanges_an_assertion_for_a_token),
        FRESH(entra_refuses_with_its_codes),
        FRESH(entra_takes_only_the_registered_assertion),
        FRESH(the_processor_answers_over_http),
        FRESH(the_processor_refuses_bad_requests),
        FRESH(nobody_answers_for_other_hosts_and_paths),
    };

    return cmocka_run_group_tests(tests, sim_fixture_open, sim_fixture_close);
}
