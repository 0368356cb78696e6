/*
 * The guest's message to the secure processor as two kernels carry it: mainline's /dev/sev-guest
 * and Azure's 5.15 /dev/sev. Layouts, and pure functions around the system call.
 */
#ifndef ATTEST_GUEST_REQUEST_H
#define ATTEST_GUEST_REQUEST_H

#include "attest/snp_report.h"

#include <sys/ioctl.h>

/* MSG_REPORT_REQ: offset 0 report_data, 64 vmpl, 68 reserved. */
struct guest_request {
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint32_t vmpl;
    uint8_t reserved[28];
};
_Static_assert(sizeof(struct guest_request) == 96, "MSG_REPORT_REQ");
_Static_assert(offsetof(struct guest_request, vmpl) == 64, "MSG_REPORT_REQ");

/* MSG_REPORT_RSP: offset 0 status, 4 report_size, 8 reserved, 32 report. */
struct guest_response {
    uint32_t status;
    uint32_t report_size;
    uint8_t reserved[24];
    uint8_t report[SNP_REPORT_SIZE];
};
_Static_assert(sizeof(struct guest_response) == 1216, "MSG_REPORT_RSP");
_Static_assert(offsetof(struct guest_response, report) == 32, "MSG_REPORT_RSP");

/* mainline: struct snp_guest_request_ioctl, ioctl SNP_GET_REPORT; the answer's room is fixed */
struct sev_guest_ioctl {
    uint8_t msg_version;
    uint64_t req_data;
    uint64_t resp_data;
    uint32_t fw_error;
    uint32_t vmm_error;
};
_Static_assert(sizeof(struct sev_guest_ioctl) == 32, "snp_guest_request_ioctl");
_Static_assert(offsetof(struct sev_guest_ioctl, resp_data) == 16, "snp_guest_request_ioctl");
_Static_assert(offsetof(struct sev_guest_ioctl, vmm_error) == 28, "snp_guest_request_ioctl");
#define SEV_GUEST_GET_REPORT    _IOWR('S', 0, struct sev_guest_ioctl)
#define SEV_GUEST_RESPONSE_SIZE 4000
_Static_assert(SEV_GUEST_GET_REPORT == 0xc0205300, "SNP_GET_REPORT");

/* Azure 5.15: struct sev_snp_guest_request, ioctl MSG_REPORT; less room for the answer fails */
struct sev_ioctl {
    uint8_t req_msg_type;
    uint8_t rsp_msg_type;
    uint8_t msg_version;
    uint16_t request_len;
    uint64_t request_uaddr;
    uint16_t response_len;
    uint64_t response_uaddr;
    uint32_t error;
};
_Static_assert(sizeof(struct sev_ioctl) == 40, "sev_snp_guest_request");
_Static_assert(offsetof(struct sev_ioctl, request_len) == 4, "sev_snp_guest_request");
_Static_assert(offsetof(struct sev_ioctl, response_uaddr) == 24, "sev_snp_guest_request");
_Static_assert(offsetof(struct sev_ioctl, error) == 32, "sev_snp_guest_request");
#define SEV_MSG_REPORT    _IOWR('S', 1, struct sev_ioctl)
#define SEV_RESPONSE_SIZE 1280
_Static_assert(SEV_MSG_REPORT == 0xc0285301, "MSG_REPORT");

/* Fill whole structs; the pointers are stored, not followed. VMPL 0, key selection by firmware. */
void guest_request_fill(const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                        struct guest_request *out);
void guest_request_fill_sev_guest(const struct guest_request *req, void *response,
                                  struct sev_guest_ioctl *out);
void guest_request_fill_sev(const struct guest_request *req, void *response, struct sev_ioctl *out);

/* The report of an answer whose system call succeeded.
 * Fails: ERR_CHECK for a firmware status or another report size. */
MUST_CHECK int guest_response_parse(const struct guest_response *r,
                                    uint8_t out_report[static SNP_REPORT_SIZE], struct err *e);

/*
 * Turn the errno of a failed open() or ioctl() into *e and return -1: ERR_UNSUPPORTED when it says
 * that there is no guest interface behind the path, else ERR_SYS with names for the codes.
 */
int guest_request_fail_open(const char *path, int error, struct err *e);
int guest_request_fail_ioctl(const char *path, int error, uint32_t fw_error, uint32_t vmm_error,
                             struct err *e);

#endif
