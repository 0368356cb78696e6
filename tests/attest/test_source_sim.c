#include "support/asserts.h"

#include "attest/report_source.h"
#include "base/str.h"
#include "codec/hex.h"
#include "support/fake_clock.h"
#include "support/fake_http.h"

#define URL "http://127.0.0.1:9999/psp/report"

static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 0xab, 0xcd };

/* {"report": hex} of a report of n bytes that carries the data. */
static void format_answer(size_t n, char **out)
{
    static uint8_t report[SNP_REPORT_SIZE + 1];
    char hex[2 * sizeof(report) + 1];
    struct err e;

    memcpy(report + 0x50, data, sizeof(data));
    hex_format(report, n, hex);
    assert_ok(str_printf(out, &e, "{\"report\":\"%s\"}", hex));
}

static int ask(const char *url, const struct fake_exchange *script, uint8_t *out, struct err *e)
{
    struct fake_http http;
    struct fake_clock clk;
    struct report_source *source = NULL;

    fake_http_init(&http, script);
    fake_clock_init(&clk, 1700000000);
    const struct http_env env = { .client = &http.base, .clk = &clk.base, .exchange_ms = 20000 };
    assert_int_equal(source_sim_new(url, &env, &source, e), 0);
    assert_string_equal(report_source_name(source), "simulated PSP");
    const int rc = report_source_fetch(source, data, out, e);
    report_source_close(source);
    fake_http_finish(&http);
    return rc;
}

static void asks_the_simulated_psp(void **state)
{
    static const char *const urls[] = { "http://127.0.0.1:9999", "http://127.0.0.1:9999/" };
    CLEANUP(str_freep) char *answer = NULL;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    format_answer(SNP_REPORT_SIZE, &answer);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        assert_ok(
            ask(urls[i],
                (struct fake_exchange[]){
                    { "POST", URL, 200, answer, 0, "{\"report_data\":\"abcd000000", NULL }, { 0 } },
                report, &e));
    assert_memory_equal(report + 0x50, data, sizeof(data));
}

static void refuses_what_is_no_report(void **state)
{
    CLEANUP(str_freep) char *short_one = NULL;
    CLEANUP(str_freep) char *long_one = NULL;
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    struct err e;

    format_answer(SNP_REPORT_SIZE - 1, &short_one);
    format_answer(SNP_REPORT_SIZE + 1, &long_one);
    const struct {
        int status;
        const char *answer;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { 200, "", ERR_PARSE, "answer of the simulated PSP" },
        { 200, "[]", ERR_PARSE, "answer of the simulated PSP" },
        { 200, "{}", ERR_PARSE, "no member \"report\"" },
        { 200, "{\"report\":null}", ERR_PARSE, "no member \"report\"" },
        { 200, "{\"report\":7}", ERR_PARSE, "report" },
        { 200, "{\"report\":\"zz\"}", ERR_PARSE, "answer of the simulated PSP" },
        { 200, "{\"report\":\"\"}", ERR_CHECK, "0 bytes" },
        { 200, short_one, ERR_CHECK, "1183 bytes" },
        { 200, long_one, ERR_CHECK, "1185 bytes" },
        { 403, "no", ERR_HTTP, "simulated PSP" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_fails(
            cases[i].code, cases[i].needle,
            ask("http://127.0.0.1:9999",
                (struct fake_exchange[]){
                    { "POST", URL, cases[i].status, cases[i].answer, 0, NULL, NULL }, { 0 } },
                report, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_the_simulated_psp),
        cmocka_unit_test(refuses_what_is_no_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
