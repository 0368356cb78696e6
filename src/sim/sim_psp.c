#include "sim/sim_psp.h"

#include "base/str.h"
#include "codec/hex.h"
#include "sim/psp.h"

#include <string.h>

const char *sim_psp_op(const struct sim_request *req)
{
    return strcmp(req->path, "/psp/report") == 0 ? "report" : "other";
}

static int refuse(struct sim_reply *out, int status, const char *why, struct err *e)
{
    sim_reply_verdict(out, "%s", why);
    return sim_reply_json(out, status, json_pack("{ss}", "error", why), e);
}

/* The member "report_data" into out. False: it is not there in this form. */
static bool read_report_data(const struct sim_request *req,
                             uint8_t out[static SNP_REPORT_DATA_SIZE])
{
    CLEANUP(json_freep) json_t *body = NULL;
    CLEANUP(buf_done) struct buf bytes = { 0 };
    const char *hex = NULL;
    struct err why;

    if (sim_request_json(req, &body, &why) != 0 ||
        json_get_string(body, "report_data", &hex, &why) != 0 || hex == NULL ||
        hex_decode(span_str(hex), &bytes, &why) != 0 || bytes.n != SNP_REPORT_DATA_SIZE)
        return false;
    memcpy(out, bytes.p, bytes.n);
    return true;
}

int sim_psp_handle(struct sim *sim, const struct sim_request *req, struct sim_reply *out,
                   struct err *e)
{
    uint8_t data[SNP_REPORT_DATA_SIZE];
    CLEANUP(buf_done) struct buf report = { 0 };
    CLEANUP(buf_done) struct buf hex = { 0 };

    if (strcmp(req->op, "report") != 0)
        return refuse(out, 404, "the path is /psp/report", e);
    if (strcmp(req->method, "POST") != 0)
        return refuse(out, 405, "the method is POST", e);
    if (!read_report_data(req, data))
        return refuse(out, 400, "member \"report_data\" is not 128 hexadecimal digits", e);
    sim_sleep(sim, psp_settings(sim->psp).delay_ms);
    if (psp_report(sim->psp, data, &report, e) != 0)
        return e->code == ERR_UNSUPPORTED ? refuse(out, 422, e->msg, e) : -1;
    if (hex_encode(buf_span(&report), &hex, e) != 0)
        return -1;
    sim_reply_verdict(out, "report of %zu bytes", report.n);
    return sim_reply_json(out, 200, json_pack("{ss%}", "report", hex.p, hex.n), e);
}
