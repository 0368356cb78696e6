#include "support/asserts.h"

#include "base/str.h"
#include "codec/b64.h"
#include "codec/json.h"
#include "sim/sim_maa_claims.h"

/* A report with every byte another than its neighbours, so that fields cannot be mixed up. */
static void make_report(uint8_t out[SNP_REPORT_SIZE])
{
    for (size_t i = 0; i < SNP_REPORT_SIZE; i++)
        out[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(out, "\x03\0\0\0\x02\0\0\0\x1f\0\x03\0\0\0\0\0", 16);
    memcpy(out + 0x30, "\0\0\0\0\x01\0\0\0", 8);
    memcpy(out + 0x180, "\x03\x01\0\0\0\0\x08\x73", 8);
    out[0x188] = 0x19;
}

static char *body_with(const char *runtime, const char *type, const char *nonce)
{
    CLEANUP(buf_done) struct buf evidence = { 0 };
    CLEANUP(buf_done) struct buf outer = { 0 };
    CLEANUP(buf_done) struct buf data = { 0 };
    uint8_t report[SNP_REPORT_SIZE];
    char *out = NULL;
    struct err e;

    make_report(report);
    assert_ok(buf_add_str(&evidence, "{\"SnpReport\":\"", &e));
    assert_ok(b64_encode(span_of(report, sizeof(report)), B64_URL_PADDED, &evidence, &e));
    assert_ok(buf_add_str(&evidence, "\",\n \"VcekCertChain\":\"UEVN\"}", &e));
    assert_ok(b64_encode(buf_span(&evidence), B64_URL_PADDED, &outer, &e));
    assert_ok(b64_encode(span_str(runtime), B64_STD, &data, &e));
    assert_ok(str_printf(&out, &e,
                         "{\"report\":\"%s\",\"runtimeData\":{\"data\":\"%s\",\"dataType\":\"%s\"},"
                         "\"initTimeData\":{\"data\":\"\",\"dataType\":\"\"}%s}",
                         buf_cstr(&outer), data.n == 0 ? "" : buf_cstr(&data), type, nonce));
    return out;
}

static void parse(const char *runtime, const char *type, const char *nonce, struct maa_request *r)
{
    CLEANUP(str_freep) char *body = body_with(runtime, type, nonce);
    struct err e;

    assert_ok(maa_request_parse(span_str(body), r, &e));
}

static void format(const struct maa_request *r, struct buf *out)
{
    struct snp_report report;
    struct err e;

    assert_ok(snp_report_parse(buf_span(&r->report), &report, &e));
    const struct maa_claims c = { .issuer = "https://x.attest.localhost:8443",
                                  .jti = "00ff",
                                  .now = 1680231197,
                                  .request = r,
                                  .report = &report };
    assert_ok(maa_claims_format(&c, out, &e));
}

static void echoes_every_nonce_as_text(void **state)
{
    static const struct {
        const char *sent, *echoed;
    } cases[] = {
        { ",\"nonce\":3413764049005270139", "3413764049005270139" },
        { ",\"nonce\": 18446744073709551615 ", "18446744073709551615" },
        { ",\"nonce\":9223372036854775808", "9223372036854775808" },
        { ",\"nonce\":0", "0" },
        { ",\"nonce\":\"any \\\"text\\\"\"", "any \"text\"" },
        { ",\"nonce\":null", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(maa_request_done) struct maa_request r = { 0 };

        parse("{}", "JSON", cases[i].sent, &r);
        if (cases[i].echoed == NULL)
            assert_null(r.nonce);
        else
            assert_string_equal(r.nonce, cases[i].echoed);
    }
}

static void writes_all_claims_in_ordinal_order(void **state)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };
    CLEANUP(json_freep) json_t *claims = NULL;
    const char *name = NULL, *before = "";
    json_t *value = NULL;
    struct err e;

    parse(" { \"b\" : [ 18446744073709551615 , \"a b\" ] , \"a\" : 1.50 } ", "JSON", ",\"nonce\":7",
          &r);
    format(&r, &out);
    assert_ok(json_parse(buf_span(&out), &claims, &e));
    json_object_foreach (claims, name, value) {
        assert_true(strcmp(before, name) < 0);
        before = name;
    }
    assert_int_equal(json_object_size(claims), 27);
    /* quoted as sent: order, numbers and strings; only blanks between tokens go */
    assert_non_null(strstr(buf_cstr(&out),
                           "\"x-ms-runtime\":{\"b\":[18446744073709551615,\"a b\"],\"a\":1.50}"));
}

static void takes_each_claim_from_its_field(void **state)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };
    CLEANUP(buf_done) struct buf hex = { 0 };
    static const char *const texts[] = {
        ("{\"exp\":1680259997,\"iat\":1680231197,\"iss\":\"https://x.attest.localhost:8443\","
         "\"jti\":\"00ff\",\"nbf\":1680231197,\"x-ms-attestation-type\":\"sevsnpvm\","),
        "\"x-ms-sevsnpvm-bootloader-svn\":3,",
        "\"x-ms-sevsnpvm-tee-svn\":1,",
        "\"x-ms-sevsnpvm-snpfw-svn\":8,",
        "\"x-ms-sevsnpvm-microcode-svn\":115,",
        "\"x-ms-sevsnpvm-guestsvn\":2,",
        "\"x-ms-sevsnpvm-is-debuggable\":false,",
        "\"x-ms-sevsnpvm-migration-allowed\":false,",
        "\"x-ms-sevsnpvm-smt-allowed\":true,",
        "\"x-ms-sevsnpvm-vmpl\":0,\"x-ms-ver\":\"1.0\"}",
    };
    static const struct {
        const char *name;
        size_t at, n;
    } fields[] = {
        { "familyId", 0x10, 16 },          { "imageId", 0x20, 16 },   { "reportdata", 0x50, 64 },
        { "launchmeasurement", 0x90, 48 }, { "hostdata", 0xc0, 32 },  { "idkeydigest", 0xe0, 48 },
        { "authorkeydigest", 0x110, 48 },  { "reportid", 0x140, 32 },
    };
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    parse("{}", "JSON", "", &r);
    format(&r, &out);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strstr(buf_cstr(&out), texts[i]) == NULL)
            fail_msg("%s is not in %s", texts[i], buf_cstr(&out));
    make_report(report);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        buf_done(&hex);
        assert_ok(buf_printf(&hex, &e, "\"x-ms-sevsnpvm-%s\":\"", fields[i].name));
        for (size_t k = 0; k < fields[i].n; k++)
            assert_ok(buf_printf(&hex, &e, "%02x", report[fields[i].at + k]));
        assert_ok(buf_add_str(&hex, "\",", &e));
        if (strstr(buf_cstr(&out), buf_cstr(&hex)) == NULL)
            fail_msg("%s is not in %s", buf_cstr(&hex), buf_cstr(&out));
    }
}

static void reads_the_patch_levels_of_turin_where_they_are(void **state)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };

    parse("{}", "JSON", "", &r);
    memcpy(r.report.p + 0x180, "\x01\x02\x03\x04\0\0\0\x51", 8);
    r.report.p[0x188] = 0x1a;
    format(&r, &out);
    assert_non_null(strstr(buf_cstr(&out), "bootloader-svn\":2,"));
    assert_non_null(strstr(buf_cstr(&out), "tee-svn\":3,"));
    assert_non_null(strstr(buf_cstr(&out), "snpfw-svn\":4,"));
    assert_non_null(strstr(buf_cstr(&out), "microcode-svn\":81,"));
}

static void puts_binary_data_into_a_claim_of_its_own(void **state)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };

    parse("\xff\xfe?", "Binary", "", &r);
    format(&r, &out);
    assert_non_null(strstr(buf_cstr(&out), "\"x-ms-maa-ehd\":\"__4_\","));
    assert_null(strstr(buf_cstr(&out), "x-ms-runtime"));
}

static void needs_no_runtime_data(void **state)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };

    parse("", "", "", &r);
    assert_int_equal(r.runtime.type, MAA_DATA_NONE);
    format(&r, &out);
    assert_null(strstr(buf_cstr(&out), "x-ms-runtime"));
}

static void refuses_malformed_requests(void **state)
{
    CLEANUP(str_freep) char *bad_nonce = body_with("{}", "JSON", ",\"nonce\":-1");
    CLEANUP(str_freep) char *real_nonce = body_with("{}", "JSON", ",\"nonce\":1e3");
    CLEANUP(str_freep) char *list_nonce = body_with("{}", "JSON", ",\"nonce\":[1]");
    CLEANUP(str_freep) char *no_json = body_with("text", "JSON", "");
    CLEANUP(str_freep) char *array = body_with("[1]", "JSON", "");
    CLEANUP(str_freep) char *type = body_with("{}", "YAML", "");
    const struct {
        const char *body, *needle;
    } cases[] = {
        { "", "the body" },
        { "[]", "not a JSON object" },
        { "{}", "report is missing" },
        { "{\"report\":7}", "report" },
        { "{\"report\":\"!\"}", "report is not base64url" },
        { "{\"report\":\"e30\"}", "SnpReport is missing" },
        { "{\"report\":\"W10\"}", "SnpReport is missing" },
        { "{\"report\":\"dGV4dA\"}", "report" },
        { "{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIn0=\"}", "VcekCertChain is missing" },
        { bad_nonce, "nonce" },
        { real_nonce, "nonce" },
        { list_nonce, "nonce" },
        { no_json, "runtimeData" },
        { array, "runtimeData is not a JSON object" },
        { type, "dataType is neither" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct maa_request r = { 0 };
        struct err e;

        assert_fails(ERR_PARSE, cases[i].needle,
                     maa_request_parse(span_str(cases[i].body), &r, &e));
        assert_null(r.report.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_every_nonce_as_text),
        cmocka_unit_test(writes_all_claims_in_ordinal_order),
        cmocka_unit_test(takes_each_claim_from_its_field),
        cmocka_unit_test(reads_the_patch_levels_of_turin_where_they_are),
        cmocka_unit_test(puts_binary_data_into_a_claim_of_its_own),
        cmocka_unit_test(needs_no_runtime_data),
        cmocka_unit_test(refuses_malformed_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
