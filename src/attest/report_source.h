/*
 * The seam to the secure processor: 64 bytes of REPORT_DATA in, a report out.
 * An implementation opens what it needs for each report and closes it again.
 */
#ifndef ATTEST_REPORT_SOURCE_H
#define ATTEST_REPORT_SOURCE_H

#include "attest/snp_report.h"
#include "http/call.h"

struct report_source;

struct report_source_ops {
    const char *name; /* "sev-guest", "sev", "simulated PSP", … */
    /*
     * Blocks, for up to a minute on real hardware; not for two callers at once.
     * Fails: ERR_UNSUPPORTED: there is no such interface here (no device, or what answers is not
     * a guest's report interface); ERR_SYS, ERR_CHECK (firmware status, size, REPORT_DATA),
     * ERR_NET, ERR_HTTP, ERR_TIMEOUT: it is there and failed.
     */
    int (*fetch)(struct report_source *s, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                 uint8_t out_report[static SNP_REPORT_SIZE], struct err *e);
    void (*close)(struct report_source *s);
};

struct report_source {
    const struct report_source_ops *ops;
};

/* A decorator's check that belongs to every source: the report carries the REPORT_DATA asked for.
 */
MUST_CHECK int report_source_fetch(struct report_source *s,
                                   const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                                   uint8_t out_report[static SNP_REPORT_SIZE], struct err *e);
void report_source_close(struct report_source *s); /* NULL is fine */

/* Mainline Linux: /dev/sev-guest, ioctl SNP_GET_REPORT. */
MUST_CHECK int source_sev_guest_new(const char *path, struct report_source **out, struct err *e);
/* Azure's 5.15 kernel: /dev/sev, ioctl MSG_REPORT. Not the host's device of the same name. */
MUST_CHECK int source_sev_new(const char *path, struct report_source **out, struct err *e);
/* The simulated PSP of cloudsim, for development mode: POST <url>/psp/report with
 * {"report_data": hex} gives {"report": hex}. env borrowed. */
MUST_CHECK int source_sim_new(const char *url, const struct http_env *env,
                              struct report_source **out, struct err *e);

/*
 * Takes several sources (owned from now on, even on failure) and asks them in order, going on as
 * long as one says ERR_UNSUPPORTED. When none is there: ERR_UNSUPPORTED with what was looked for.
 */
#define REPORT_SOURCE_MAX 4
MUST_CHECK int source_first_new(struct report_source *const *sources, size_t n,
                                struct report_source **out, struct err *e);

/* Name of the source that gave the last report, else of the object itself; static string. */
const char *report_source_name(const struct report_source *s);

#endif
