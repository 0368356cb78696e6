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

/* Takes a report into ev. */
static int take_report(struct device_thread *device, const uint8_t *report_data,
                       int64_t deadline_ms, struct evidence *ev, struct evidence_state *state,
                       struct err *e)
{
    struct snp_report r;

    state->part = EVIDENCE_REPORT;
    if (device_thread_fetch(device, report_data, deadline_ms, ev->report, e) != 0)
        return -1;
    if (snp_report_parse(span_of(ev->report, sizeof(ev->report)), &r, e) != 0)
        return -1;
    *state = (struct evidence_state){ EVIDENCE_CERTS, true, r.reported_tcb };
    return 0;
}

int evidence_collect(struct device_thread *device, struct cert_store *certs,
                     const uint8_t report_data[static SNP_REPORT_DATA_SIZE], int64_t deadline_ms,
                     struct evidence *out, struct evidence_state *state, struct err *e)
{
    CLEANUP(evidence_done) struct evidence ev = { 0 };

    *state = (struct evidence_state){ 0 };
    if (take_report(device, report_data, deadline_ms, &ev, state, e) != 0)
        return -1;
    ev.chain = cert_store_current(certs);
    if (ev.chain == NULL || ev.chain->tcb != state->reported_tcb) {
        struct cert_chain *fresh = NULL;

        if (cert_store_refresh(certs, ev.chain, deadline_ms, &fresh, e) != 0)
            return -1;
        cert_chain_release(ev.chain);
        ev.chain = fresh;
        if (take_report(device, report_data, deadline_ms, &ev, state, e) != 0)
            return -1;
    }
    if (ev.chain->tcb != state->reported_tcb)
        return err_set(e, ERR_CHECK,
                       "SNP reported TCB value: %" PRIu64
                       " doesn't match Certificate TCB value: %" PRIu64,
                       state->reported_tcb, ev.chain->tcb);
    *out = ev;
    ev = (struct evidence){ 0 };
    return 0;
}
