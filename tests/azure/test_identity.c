#include "support/asserts.h"

#include "azure/identity.h"
#include "base/str.h"
#include "support/token_service.h"

#define VAULT   "https://vault.azure.net"
#define HSM     "https://managedhsm.azure.net"
#define N_TRIES 8
#define FAR_MS  1000000000 /* no test moves the clock that far */

static const struct identity_config MANAGED = { .imds_url = "http://169.254.169.254" };

struct fixture {
    struct token_service service;
    struct identity *id;
};

static void setup(struct fixture *f, const struct identity_config *config)
{
    struct err e;

    token_service_init(&f->service);
    assert_ok(identity_new(config, &f->service.env, &f->id, &e));
}

static void teardown(struct fixture *f)
{
    identity_free(f->id);
    token_service_done(&f->service);
}

static int ask(struct fixture *f, const char *resource, char **token, struct err *e)
{
    const int64_t deadline_ms = clock_now_ms(&f->service.clk.base) + FAR_MS;

    return identity_token(f->id, resource, "login.microsoftonline.com", deadline_ms, token, e);
}

static void assert_token(struct fixture *f, const char *resource, const char *want)
{
    CLEANUP(str_freep) char *token = NULL;
    struct err e;

    assert_ok(ask(f, resource, &token, &e));
    assert_string_equal(token, want);
}

static void advance(struct fixture *f, int64_t s)
{
    atomic_fetch_add(&f->service.clk.ms, s * 1000);
}

/* Until the background thread has stored what it got: the next answer tells. */
static void assert_token_soon(struct fixture *f, const char *resource, const char *want)
{
    for (int i = 0; i < 500; i++) {
        CLEANUP(str_freep) char *token = NULL;
        struct err e;
        assert_ok(ask(f, resource, &token, &e));
        if (strcmp(token, want) == 0)
            return;
        clock_sleep_ms(clock_system(), 10);
    }
    fail_msg("%s did not come", want);
}

static void asks_the_metadata_service(void **state)
{
    struct identity_config config = MANAGED;
    struct fixture f;

    setup(&f, &config);
    assert_string_equal(identity_kind(f.id), "managed identity");
    assert_token(&f, VAULT, "token1");
    assert_string_equal(f.service.url, "GET http://169.254.169.254/metadata/identity/oauth2/token"
                                       "?api-version=2018-02-01"
                                       "&resource=https%3A%2F%2Fvault.azure.net");
    assert_string_equal(f.service.headers, "Metadata: true\n");
    assert_string_equal(f.service.body, "");
    assert_true(f.service.no_proxy);
    teardown(&f);

    config.client_id = "11&2";
    config.imds_url = "http://127.0.0.1:8099/";
    config.workload_client_id = "some but not all of a workload identity";
    config.workload_tenant_id = "";
    setup(&f, &config);
    assert_token(&f, HSM, "token1");
    assert_string_equal(f.service.url,
                        "GET http://127.0.0.1:8099/metadata/identity/oauth2/token"
                        "?api-version=2018-02-01"
                        "&resource=https%3A%2F%2Fmanagedhsm.azure.net&client_id=11%262");
    teardown(&f);
}

static void tokens_are_kept_for_each_resource(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    assert_token(&f, VAULT, "token1");
    assert_token(&f, VAULT, "token1");
    assert_token(&f, HSM, "token2");
    assert_token(&f, VAULT, "token1");
    assert_token(&f, HSM, "token2");
    assert_int_equal(token_service_asked(&f.service), 2);
    assert_metric(&f.service, "skr_token_cache_total{result=\"miss\"} 2");
    assert_metric(&f.service, "skr_token_cache_total{result=\"hit\"} 3");
    assert_metric(&f.service,
                  "skr_token_requests_total{kind=\"managed_identity\",result=\"ok\"} 2");
    assert_metric(&f.service, "skr_token_fetched_seconds{resource=\"" VAULT "\"} 1700000001");
    assert_metric(&f.service, "skr_token_expiry_seconds{resource=\"" VAULT "\"} 1700003601");
    teardown(&f);
}

static void renews_ahead_while_the_old_token_is_served(void **state)
{
    static const struct {
        const char *form;
        int64_t fresh_s; /* the last second without a renewal */
    } cases[] = {
        { "{\"access_token\":\"token#\",\"expires_in\":86400}", 86400 - 86400 / 5 - 1 },
        { "{\"access_token\":\"token#\",\"expires_in\":\"1000\"}", 1000 - 300 - 1 },
        { "{\"access_token\":\"token#\",\"expires_in\":400}", 400 - 200 - 1 },
        { "{\"access_token\":\"token#\"}", 60 - 30 - 1 },
        { "{\"access_token\":\"token#\",\"expires_in\":8}", 8 - 4 - 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        setup(&f, &MANAGED);
        token_service_answer(&f.service, 200, cases[i].form);
        assert_token(&f, VAULT, "token1");
        advance(&f, cases[i].fresh_s);
        assert_token(&f, VAULT, "token1");
        clock_sleep_ms(clock_system(), 20); /* a thread would have asked */
        assert_int_equal(token_service_asked(&f.service), 1);

        token_service_hold(&f.service, true);
        advance(&f, 1);
        for (int n = 0; n < 5; n++)
            assert_token(&f, VAULT, "token1"); /* starts one thread, waits for none */
        token_service_wait_asked(&f.service, 2);
        assert_token(&f, VAULT, "token1");
        token_service_hold(&f.service, false);
        assert_token_soon(&f, VAULT, "token2");
        assert_int_equal(token_service_asked(&f.service), 2);
        teardown(&f);
    }
}

static void a_token_near_its_end_is_not_served(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    assert_token(&f, VAULT, "token1");
    advance(&f, 3600 - 10);
    assert_token(&f, VAULT, "token2");
    advance(&f, 100000);
    assert_token(&f, VAULT, "token3");
    assert_int_equal(token_service_asked(&f.service), 3);

    /* The answer named no end: a minute. */
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\"}");
    advance(&f, 3600);
    assert_token(&f, VAULT, "token4");
    advance(&f, 50);
    assert_token(&f, VAULT, "token5");
    teardown(&f);
}

static void a_token_of_seconds_is_served_for_most_of_them(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\",\"expires_in\":8}");
    assert_token(&f, VAULT, "token1");
    advance(&f, 3);
    assert_token(&f, VAULT, "token1");
    assert_int_equal(token_service_asked(&f.service), 1);
    advance(&f, 3); /* a quarter is left */
    assert_token(&f, VAULT, "token2");
    assert_int_equal(token_service_asked(&f.service), 2);

    /* Two seconds may not survive the journey to the next one who asks. */
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\",\"expires_in\":2}");
    advance(&f, 6);
    assert_token(&f, VAULT, "token3");
    assert_token(&f, VAULT, "token4");
    teardown(&f);
}

static void a_failed_renewal_is_tried_again_until_it_succeeds(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    assert_token(&f, VAULT, "token1");
    token_service_answer(&f.service, 400, "{\"error\":\"invalid_request\",\"n\":#}");
    advance(&f, 3000);
    assert_token(&f, VAULT, "token1");
    token_service_wait_asked(&f.service, 2);
    assert_token(&f, VAULT, "token1"); /* the thread pauses: no further request for a second */
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\",\"expires_in\":3600}");
    assert_token_soon(&f, VAULT, "token3");
    assert_metric(&f.service,
                  "skr_token_requests_total{kind=\"managed_identity\",result=\"http\"} 1");
    advance(&f, 3000); /* and the next renewal gets a thread again */
    assert_token(&f, VAULT, "token3");
    assert_token_soon(&f, VAULT, "token4");
    teardown(&f);
}

static void freeing_ends_the_pause_of_a_renewal(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    assert_token(&f, VAULT, "token1");
    assert_token(&f, HSM, "token2");
    token_service_answer(&f.service, 400, "#");
    advance(&f, 3000);
    assert_token(&f, VAULT, "token1");
    assert_token(&f, HSM, "token2");
    token_service_wait_asked(&f.service, 4);
    const int64_t start_ms = clock_now_ms(clock_system());
    teardown(&f);
    assert_true(clock_now_ms(clock_system()) - start_ms < 900);
}

static void dropping_removes_that_very_token(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    identity_drop(f.id, VAULT, "token1"); /* none is there yet */
    assert_token(&f, VAULT, "token1");
    identity_drop(f.id, HSM, "token1");
    identity_drop(f.id, VAULT, "token");
    identity_drop(f.id, VAULT, "token11");
    assert_token(&f, VAULT, "token1");

    /* Two callers were refused with the same token: the first gets a new one, which the second
     * keeps. */
    identity_drop(f.id, VAULT, "token1");
    assert_token(&f, VAULT, "token2");
    identity_drop(f.id, VAULT, "token1");
    assert_token(&f, VAULT, "token2");
    assert_int_equal(token_service_asked(&f.service), 2);
    teardown(&f);
}

struct caller {
    struct fixture *f;
    pthread_t thread;
    int rc;
    char *token;
    struct err e;
};

static void *call(void *arg)
{
    struct caller *c = arg;

    c->rc = ask(c->f, VAULT, &c->token, &c->e);
    return NULL;
}

static void start_callers(struct fixture *f, struct caller callers[static N_TRIES])
{
    for (size_t i = 0; i < N_TRIES; i++) {
        callers[i] = (struct caller){ .f = f };
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
}

static void many_callers_make_one_request(void **state)
{
    struct caller callers[N_TRIES];
    struct fixture f;

    setup(&f, &MANAGED);
    token_service_hold(&f.service, true);
    start_callers(&f, callers);
    token_service_wait_asked(&f.service, 1);
    clock_sleep_ms(clock_system(), 200);
    token_service_hold(&f.service, false);
    for (size_t i = 0; i < N_TRIES; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, 0);
        assert_string_equal(callers[i].token, "token1");
        str_free(callers[i].token);
    }
    assert_int_equal(token_service_asked(&f.service), 1);
    assert_metric(&f.service, "skr_token_cache_total{result=\"miss\"} 1");
    teardown(&f);
}

static void those_who_wait_share_the_failure(void **state)
{
    struct caller callers[N_TRIES];
    struct fixture f;
    unsigned n_same = 0;

    setup(&f, &MANAGED);
    token_service_answer(&f.service, 400,
                         "{\"error\":\"invalid_request\",\"error_description\":\"Identity not "
                         "found, request #\"}");
    token_service_hold(&f.service, true);
    start_callers(&f, callers);
    token_service_wait_asked(&f.service, 1);
    clock_sleep_ms(clock_system(), 200);
    token_service_hold(&f.service, false);
    for (size_t i = 0; i < N_TRIES; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, -1);
        assert_null(callers[i].token);
        assert_int_equal(callers[i].e.code, ERR_HTTP);
        assert_int_equal(callers[i].e.detail, 400);
        assert_non_null(strstr(callers[i].e.msg, "no access token for " VAULT ": "));
        n_same += strstr(callers[i].e.msg, "Identity not found, request 1\"") != NULL;
    }
    assert_true(n_same > 1);
    assert_int_equal(token_service_asked(&f.service), N_TRIES - n_same + 1);
    teardown(&f);
}

static void callers_and_renewals_run_together(void **state)
{
    struct fixture f;

    setup(&f, &MANAGED);
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\",\"expires_in\":100}");
    for (int round = 0; round < 20; round++) {
        struct caller callers[N_TRIES];
        start_callers(&f, callers);
        advance(&f, round % 3 == 0 ? 95 : 55);
        for (size_t i = 0; i < N_TRIES; i++) {
            pthread_join(callers[i].thread, NULL);
            assert_int_equal(callers[i].rc, 0);
            if (i == 0)
                identity_drop(f.id, VAULT, callers[i].token);
            str_free(callers[i].token);
        }
    }
    teardown(&f);
}

static void the_metadata_service_is_given_time(void **state)
{
    struct fixture f;
    char *token = NULL;
    struct err e;

    setup(&f, &MANAGED);
    token_service_answer(&f.service, 410, "#");
    assert_fails(ERR_HTTP,
                 "no access token for " VAULT ": token request to the instance metadata "
                 "service failed: ",
                 ask(&f, VAULT, &token, &e));
    assert_int_equal(e.detail, 410);
    assert_int_equal(token_service_asked(&f.service), 4);
    assert_true(clock_now_ms(&f.service.clk.base) >= 8000); /* 1, 2 and 4 s of pauses */
    assert_metric(&f.service, "skr_retries_total{service=\"imds\",cause=\"http_4xx\"} 3");

    /* Nothing of a failure is remembered. */
    token_service_answer(&f.service, 200, "{\"access_token\":\"token#\",\"expires_in\":9999}");
    assert_token(&f, VAULT, "token5");
    teardown(&f);
}

static void crooked_answers_are_failures(void **state)
{
    static const struct {
        int status;
        const char *form;
        enum err_code code;
    } cases[] = {
        { 0, "#", ERR_NET },
        { 200, "#", ERR_PARSE },
        { 200, "{\"access_token\":\"a b #\"}", ERR_PARSE },
        { 200, "{\"access_token\":#}", ERR_PARSE },
        { 200, "{\"access_token\":\"SECRET#\",\"expires_in\":0}", ERR_PARSE },
        { 302, "#", ERR_HTTP },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        char *token = NULL;
        struct err e;
        setup(&f, &MANAGED);
        token_service_answer(&f.service, cases[i].status, cases[i].form);
        assert_fails(cases[i].code, "no access token for " VAULT, ask(&f, VAULT, &token, &e));
        assert_null(token);
        assert_null(strstr(e.msg, "SECRET"));
        teardown(&f);
    }
}

static void nobody_waits_beyond_the_deadline(void **state)
{
    struct fixture f;
    char *token = NULL;
    struct err e;

    setup(&f, &MANAGED);
    assert_fails(ERR_TIMEOUT, "no time is left",
                 identity_token(f.id, VAULT, NULL, clock_now_ms(&f.service.clk.base), &token, &e));

    struct caller leader = { .f = &f };
    token_service_hold(&f.service, true);
    assert_int_equal(pthread_create(&leader.thread, NULL, call, &leader), 0);
    token_service_wait_asked(&f.service, 1);
    assert_fails(
        ERR_TIMEOUT, "",
        identity_token(f.id, VAULT, NULL, clock_now_ms(&f.service.clk.base) + 30, &token, &e));
    token_service_hold(&f.service, false);
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.rc, 0);
    str_free(leader.token);
    teardown(&f);
}

static void refuses_addresses_that_are_none(void **state)
{
    static const char *const urls[] = { "",
                                        "http://",
                                        "http://169.254.169.254/metadata",
                                        "http://u@169.254.169.254",
                                        "ftp://169.254.169.254",
                                        "http://169.254.169.254:0",
                                        "http://169.254.169.254?x" };
    struct token_service service;

    token_service_init(&service);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const struct identity_config config = { .imds_url = urls[i] };
        struct identity *id = NULL;
        struct err e;
        assert_fails(ERR_ARG, "instance metadata service",
                     identity_new(&config, &service.env, &id, &e));
        assert_null(id);
    }
    identity_free(NULL);
    token_service_done(&service);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_the_metadata_service),
        cmocka_unit_test(tokens_are_kept_for_each_resource),
        cmocka_unit_test(renews_ahead_while_the_old_token_is_served),
        cmocka_unit_test(a_token_near_its_end_is_not_served),
        cmocka_unit_test(a_token_of_seconds_is_served_for_most_of_them),
        cmocka_unit_test(a_failed_renewal_is_tried_again_until_it_succeeds),
        cmocka_unit_test(freeing_ends_the_pause_of_a_renewal),
        cmocka_unit_test(dropping_removes_that_very_token),
        cmocka_unit_test(many_callers_make_one_request),
        cmocka_unit_test(those_who_wait_share_the_failure),
        cmocka_unit_test(callers_and_renewals_run_together),
        cmocka_unit_test(the_metadata_service_is_given_time),
        cmocka_unit_test(crooked_answers_are_failures),
        cmocka_unit_test(nobody_waits_beyond_the_deadline),
        cmocka_unit_test(refuses_addresses_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
