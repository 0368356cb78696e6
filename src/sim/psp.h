/*
 * The simulated processor: builds SEV-SNP reports (Milan, version 3) and signs them with the VCEK
 * of its TCB. Also what the node's certificate cache (THIM) knows, which may lag behind.
 * Safe for many threads.
 */
#ifndef SIM_PSP_H
#define SIM_PSP_H

#include "attest/snp_report.h"
#include "codec/json.h"
#include "sim/pki.h"

struct psp;

enum psp_fault {
    PSP_NO_FAULT,
    PSP_FAIL_STATUS,       /* the firmware refuses */
    PSP_WRONG_REPORT_DATA, /* validly signed, for other report data */
    PSP_SHORT,             /* fewer bytes than a report has */
    PSP_BAD_SIGNATURE,
};

/* "status", "wrong_report_data", "short", "bad_signature"; NULL for PSP_NO_FAULT. */
const char *psp_fault_name(enum psp_fault fault);
MUST_CHECK int psp_fault_parse(const char *name, enum psp_fault *out, struct err *e);

struct psp_settings {
    struct amd_tcb tcb;
    bool thim_is_stale; /* THIM serves thim_tcb instead of tcb */
    struct amd_tcb thim_tcb;
    uint8_t host_data[SNP_HOST_DATA_SIZE];
    enum psp_fault fault;
    int64_t delay_ms;
};

/* pki is borrowed. Fails: ERR_NOMEM. */
MUST_CHECK int psp_open(struct pki *pki, const uint8_t host_data[static SNP_HOST_DATA_SIZE],
                        struct psp **out, struct err *e);
void psp_close(struct psp *p);
void psp_reset(struct psp *p);

struct psp_settings psp_settings(struct psp *p); /* a consistent copy */
void psp_configure(struct psp *p, const struct psp_settings *s);

/* Appends the report's bytes; faults are applied, but for the delay, which is the caller's.
 * Fails: ERR_UNSUPPORTED (PSP_FAIL_STATUS), ERR_SYS, ERR_NOMEM. */
MUST_CHECK int psp_report(struct psp *p, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                          struct buf *out, struct err *e);

/* THIM's JSON: vcekCert, tcbm, certificateChain, cacheControl; the caller's. */
MUST_CHECK int psp_thim(struct psp *p, json_t **out, struct err *e);

#endif
