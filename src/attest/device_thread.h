/*
 * The one thread that talks to the report source. A report can block for a minute and cannot be
 * interrupted: callers wait with their own deadline and go away, the thread stays.
 */
#ifndef ATTEST_DEVICE_THREAD_H
#define ATTEST_DEVICE_THREAD_H

#include "attest/report_source.h"

struct device_thread;

/* Takes over the source, also on failure. */
MUST_CHECK int device_thread_new(struct report_source *source, struct device_thread **out,
                                 struct err *e);
/* All callers, those of the report under way too, get ERR_UNSUPPORTED at once, now and later. */
void device_thread_stop(struct device_thread *d);

/* Waits at most wait_ms for a report that is under way; if it does not end, the thread and the
 * source are left to the end of the process. */
void device_thread_close(struct device_thread *d, int64_t wait_ms);

/* Fails: as report_source_fetch(); ERR_TIMEOUT when deadline_ms (clock_system()) passes first. */
MUST_CHECK int device_thread_fetch(struct device_thread *d,
                                   const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                                   int64_t deadline_ms, uint8_t out_report[static SNP_REPORT_SIZE],
                                   struct err *e);

/* Name of the source in use, for logs and readiness; copied into out. */
void device_thread_source_name(struct device_thread *d, char *out, size_t size);

#endif
