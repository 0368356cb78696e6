/*
 * The pairing of a report with certificates. Firmware can be updated under a running guest, so the
 * TCB may change between any two steps: only the report taken last is returned, and only when the
 * chain taken last is of its TCB.
 */
#include "attest/evidence.h"

#include <inttypes.h>

void evidence_done(struct evidence *ev)
{
    cert_chain_releasep(&ev->chain);
    *ev = (struct evidence){ 0 };
}

/* Takes a report into ev; its REPORTED_TCB goes to *out_tcb. */
static int take_report(struct device_thread *device, const uint8_t *report_data,
                       int64_t deadline_ms, struct evidence *ev, uint64_t *out_tcb, struct err *e)
{
    struct snp_report r;

    if (device_thread_fetch(device, report_data, deadline_ms, ev->report, e) != 0)
        return -1;
    if (snp_report_parse(span_of(ev->report, sizeof(ev->report)), &r, e) != 0)
        return -1;
    *out_tcb = r.reported_tcb;
    return 0;
}

static int fail_in(enum evidence_part part, enum evidence_part *out_part)
{
    *out_part = part;
    return -1;
}

int evidence_collect(struct device_thread *device, struct cert_store *certs,
                     const uint8_t report_data[static SNP_REPORT_DATA_SIZE], int64_t deadline_ms,
                     struct evidence *out, enum evidence_part *out_part, struct err *e)
{
    CLEANUP(evidence_done) struct evidence ev = { 0 };
    uint64_t tcb = 0;

    if (take_report(device, report_data, deadline_ms, &ev, &tcb, e) != 0)
        return fail_in(EVIDENCE_REPORT, out_part);
    ev.chain = cert_store_current(certs);
    if (ev.chain == NULL || ev.chain->tcb != tcb) {
        struct cert_chain *fresh = NULL;

        if (cert_store_refresh(certs, ev.chain, deadline_ms, &fresh, e) != 0)
            return fail_in(EVIDENCE_CERTS, out_part);
        cert_chain_release(ev.chain);
        ev.chain = fresh;
        if (take_report(device, report_data, deadline_ms, &ev, &tcb, e) != 0)
            return fail_in(EVIDENCE_REPORT, out_part);
    }
    if (ev.chain->tcb != tcb) {
        err_set(e, ERR_CHECK,
                "SNP reported TCB value: %" PRIu64 " doesn't match Certificate TCB value: %" PRIu64,
                tcb, ev.chain->tcb);
        return fail_in(EVIDENCE_CERTS, out_part);
    }
    *out = ev;
    ev = (struct evidence){ 0 };
    return 0;
}
