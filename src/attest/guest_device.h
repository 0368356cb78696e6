/* A report source behind a device node: opened for each report, asked once, closed again. */
#ifndef ATTEST_GUEST_DEVICE_H
#define ATTEST_GUEST_DEVICE_H

#include "attest/guest_request.h"
#include "attest/report_source.h"

/* One system call on an open descriptor; path is for messages. */
typedef int guest_device_ask(int fd, const char *path, const struct guest_request *req,
                             uint8_t out_report[static SNP_REPORT_SIZE], struct err *e);

/* ops must have guest_device_fetch and guest_device_close. path is copied. */
MUST_CHECK int guest_device_new(const struct report_source_ops *ops, guest_device_ask *ask,
                                const char *path, struct report_source **out, struct err *e);

int guest_device_fetch(struct report_source *base,
                       const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                       uint8_t out_report[static SNP_REPORT_SIZE], struct err *e);
void guest_device_close(struct report_source *base);

#endif
