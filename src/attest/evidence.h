/* A report and the certificates of its REPORTED_TCB, which always belong together. */
#ifndef ATTEST_EVIDENCE_H
#define ATTEST_EVIDENCE_H

#include "attest/cert_store.h"
#include "attest/device_thread.h"

struct evidence {
    uint8_t report[SNP_REPORT_SIZE];
    struct cert_chain *chain; /* a reference */
};

void evidence_done(struct evidence *ev);

/* Set whether or not the rest succeeds: which half failed, and what the last report said. */
enum evidence_part { EVIDENCE_REPORT, EVIDENCE_CERTS };
struct evidence_state {
    enum evidence_part part;
    bool has_report;
    uint64_t reported_tcb; /* of the last report that was taken */
};

/*
 * Takes a report for report_data and pairs it with certificates. When the TCBs differ: refresh the
 * certificates, take another report, compare again, else ERR_CHECK
 * "SNP reported TCB value: N doesn't match Certificate TCB value: M" (decimal).
 * Fails: as device_thread_fetch() (part EVIDENCE_REPORT), cert_store_refresh() (EVIDENCE_CERTS).
 */
MUST_CHECK int evidence_collect(struct device_thread *device, struct cert_store *certs,
                                const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                                int64_t deadline_ms, struct evidence *out,
                                struct evidence_state *state, struct err *e);

#endif
