/* The simulated PSP, for development mode: it signs, this only asks. */
#include "attest/report_source.h"

#include "base/str.h"
#include "codec/hex.h"
#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

struct source_sim {
    struct report_source base;
    char *url; /* of the report resource */
    const struct http_env *env;
};

static int parse_answer(struct span body, uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    CLEANUP(json_freep) json_t *answer = NULL;
    CLEANUP(buf_done) struct buf report = { 0 };
    const char *hex = NULL;

    if (json_parse(body, &answer, e) != 0 || json_get_string(answer, "report", &hex, e) != 0)
        return -1;
    if (hex == NULL)
        return err_set(e, ERR_PARSE, "no member \"report\"");
    if (hex_decode(span_str(hex), &report, e) != 0)
        return -1;
    if (report.n != SNP_REPORT_SIZE)
        return err_set(e, ERR_CHECK, "a report of %zu bytes, not %d", report.n, SNP_REPORT_SIZE);
    memcpy(out_report, report.p, SNP_REPORT_SIZE);
    return 0;
}

static int fetch(struct report_source *base, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                 uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    const struct source_sim *s = CONTAINER_OF(base, struct source_sim, base);
    CLEANUP(http_response_done) struct http_response resp = { 0 };
    CLEANUP(buf_done) struct buf body = { 0 };
    char hex[2 * SNP_REPORT_DATA_SIZE + 1];

    hex_format(report_data, SNP_REPORT_DATA_SIZE, hex);
    if (buf_printf(&body, e, "{\"report_data\":\"%s\"}", hex) != 0)
        return -1;
    const struct http_call call = {
        .service = "psp",
        .retry = RETRY_SERVICE,
        .deadline_ms = clock_now_ms(s->env->clk) + s->env->exchange_ms,
        .request = { .method = "POST",
                     .url = s->url,
                     .headers = { { "Content-Type", "application/json" } },
                     .body = buf_span(&body),
                     .no_proxy = true },
    };
    if (http_call(s->env, &call, &resp, e) != 0)
        return err_wrap(e, "simulated PSP");
    if (parse_answer(buf_span(&resp.body), out_report, e) != 0)
        return err_wrap(e, "answer of the simulated PSP");
    return 0;
}

static void close_source(struct report_source *base)
{
    struct source_sim *s = CONTAINER_OF(base, struct source_sim, base);

    str_free(s->url);
    free(s);
}

int source_sim_new(const char *url, const struct http_env *env, struct report_source **out,
                   struct err *e)
{
    static const struct report_source_ops ops = { "simulated PSP", fetch, close_source };
    CLEANUP(str_freep) char *full = NULL;
    struct source_sim *s = NULL;

    if (str_printf(&full, e, "%s%spsp/report", url, str_ends_with(url, "/") ? "" : "/") != 0)
        return -1;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_nomem(e);
    s->base.ops = &ops;
    s->url = TAKE(full);
    s->env = env;
    *out = &s->base;
    return 0;
}
