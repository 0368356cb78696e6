#include "support/asserts.h"

#include "skr/failure.h"

static void every_cause_has_its_status_and_code(void **state)
{
    static const struct {
        enum stage stage;
        enum err_code code;
        int detail;
        int status;
        const char *name;
        bool retryable;
        int upstream;
    } cases[] = {
        { STAGE_REQUEST, ERR_ARG, 0, 400, "invalid_request", false, 0 },
        { STAGE_REQUEST, ERR_PARSE, 0, 400, "invalid_request", false, 0 },
        { STAGE_REQUEST, ERR_CHECK, 0, 400, "host_not_allowed", false, 0 },
        { STAGE_REPORT, ERR_UNSUPPORTED, 0, 503, "no_report_source", true, 0 },
        { STAGE_REPORT, ERR_SYS, 5, 500, "report_failed", false, 0 },
        { STAGE_REPORT, ERR_CHECK, 0, 500, "report_failed", false, 0 },
        { STAGE_REPORT, ERR_TIMEOUT, 0, 504, "timeout", true, 0 },
        { STAGE_CERTS, ERR_NET, 0, 503, "certificates_unavailable", true, 0 },
        { STAGE_CERTS, ERR_HTTP, 500, 503, "certificates_unavailable", true, 500 },
        { STAGE_CERTS, ERR_PARSE, 0, 503, "certificates_unavailable", true, 0 },
        { STAGE_CERTS, ERR_CHECK, 0, 503, "tcb_mismatch", true, 0 },
        { STAGE_ATTEST, ERR_HTTP, 400, 403, "attestation_denied", false, 400 },
        { STAGE_ATTEST, ERR_HTTP, 401, 403, "attestation_denied", false, 401 },
        { STAGE_ATTEST, ERR_HTTP, 403, 403, "attestation_denied", false, 403 },
        { STAGE_ATTEST, ERR_HTTP, 404, 502, "upstream_invalid", false, 404 },
        { STAGE_ATTEST, ERR_HTTP, 302, 502, "upstream_invalid", false, 302 },
        { STAGE_ATTEST, ERR_HTTP, 429, 503, "throttled", true, 429 },
        { STAGE_ATTEST, ERR_HTTP, 408, 504, "timeout", true, 408 },
        { STAGE_ATTEST, ERR_HTTP, 500, 502, "upstream_failed", true, 500 },
        { STAGE_ATTEST, ERR_NET, 0, 502, "upstream_failed", true, 0 },
        { STAGE_ATTEST, ERR_TLS, 0, 502, "upstream_invalid", false, 0 },
        { STAGE_ATTEST, ERR_PARSE, 0, 502, "upstream_invalid", false, 0 },
        { STAGE_ATTEST, ERR_TIMEOUT, 0, 504, "timeout", true, 0 },
        { STAGE_ATTEST, ERR_NOMEM, 0, 500, "internal", false, 0 },
        { STAGE_TOKEN, ERR_HTTP, 400, 502, "token_refused", true, 400 },
        { STAGE_TOKEN, ERR_HTTP, 403, 502, "token_refused", true, 403 },
        { STAGE_TOKEN, ERR_HTTP, 404, 502, "upstream_failed", true, 404 },
        { STAGE_TOKEN, ERR_HTTP, 410, 502, "upstream_failed", true, 410 },
        { STAGE_TOKEN, ERR_HTTP, 429, 503, "throttled", true, 429 },
        { STAGE_TOKEN, ERR_SYS, 2, 500, "internal", false, 0 },
        { STAGE_RELEASE, ERR_HTTP, 503, 502, "upstream_failed", true, 503 },
        { STAGE_RELEASE, ERR_CHECK, 0, 502, "upstream_invalid", false, 0 },
        { STAGE_UNWRAP, ERR_CHECK, 0, 502, "unwrap_failed", false, 0 },
        { STAGE_UNWRAP, ERR_NOMEM, 0, 500, "internal", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failure f = { .status = 0 };
        err_set(&f.err, cases[i].code, "why");
        f.err.detail = cases[i].detail;
        assert_int_equal(failure_at(&f, cases[i].stage), -1);
        assert_int_equal(f.status, cases[i].status);
        assert_string_equal(f.code, cases[i].name);
        assert_int_equal(f.retryable, cases[i].retryable);
        assert_int_equal(f.upstream_status, cases[i].upstream);
        assert_int_equal(f.retry_after_s >= 0, f.status == 503);
        failure_done(&f);
    }
}

static void a_vault_s_refusal_is_told_by_its_cause(void **state)
{
    static const struct {
        enum akv_refusal refusal;
        int detail, status;
        const char *name;
    } cases[] = {
        { AKV_TOKEN, 401, 403, "access_denied" },
        { AKV_ACCESS, 403, 403, "access_denied" },
        { AKV_POLICY, 403, 403, "policy_denied" },
        { AKV_STATEMENT, 403, 403, "attestation_denied" },
        { AKV_NOT_FOUND, 404, 403, "key_not_found" },
        { AKV_OTHER, 409, 403, "release_refused" },
        { AKV_NOT_REFUSED, 429, 503, "throttled" },
        { AKV_NOT_REFUSED, 500, 502, "upstream_failed" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failure f = { .status = 0 };
        err_set(&f.err, ERR_HTTP, "why");
        f.err.detail = cases[i].detail;
        failure_refused(&f, cases[i].refusal);
        assert_int_equal(f.status, cases[i].status);
        assert_string_equal(f.code, cases[i].name);
        assert_string_equal(stage_name(f.stage), "release");
    }
}

static void passes_retry_after_on(void **state)
{
    struct failure f = { .status = 0 };

    (void)state;
    err_set(&f.err, ERR_HTTP, "busy");
    f.err.detail = 429;
    f.err.retry_after_s = 17;
    failure_at(&f, STAGE_ATTEST);
    assert_int_equal(f.retry_after_s, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_has_its_status_and_code),
        cmocka_unit_test(a_vault_s_refusal_is_told_by_its_cause),
        cmocka_unit_test(passes_retry_after_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
