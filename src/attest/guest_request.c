/*
 * What is sent, and what the answers mean. The one decision: which failures say "this is not a
 * guest's report interface" (go on to the next source) and which say "it is, and it failed".
 */
#include "attest/guest_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MSG_REPORT_REQ 5
#define MSG_REPORT_RSP 6
#define MSG_VERSION    1

#define FIRMWARE_NOT_RUN 0xff /* what kernels preset: the firmware was never asked */

void guest_request_fill(const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                        struct guest_request *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->report_data, report_data, SNP_REPORT_DATA_SIZE);
}

void guest_request_fill_sev_guest(const struct guest_request *req, void *response,
                                  struct sev_guest_ioctl *out)
{
    memset(out, 0, sizeof(*out));
    out->msg_version = MSG_VERSION;
    out->req_data = (uintptr_t)req;
    out->resp_data = (uintptr_t)response;
}

void guest_request_fill_sev(const struct guest_request *req, void *response, struct sev_ioctl *out)
{
    memset(out, 0, sizeof(*out));
    out->req_msg_type = MSG_REPORT_REQ;
    out->rsp_msg_type = MSG_REPORT_RSP;
    out->msg_version = MSG_VERSION;
    out->request_len = sizeof(*req);
    out->request_uaddr = (uintptr_t)req;
    out->response_len = SEV_RESPONSE_SIZE;
    out->response_uaddr = (uintptr_t)response;
}

static const char *firmware_error_name(uint32_t code)
{
    static const char *const names[] = {
        [0x01] = "invalid platform state",
        [0x02] = "invalid guest state",
        [0x03] = "invalid configuration",
        [0x04] = "invalid length",
        [0x05] = "platform already owned",
        [0x06] = "invalid certificate",
        [0x07] = "policy failure",
        [0x08] = "inactive",
        [0x09] = "invalid address",
        [0x0a] = "bad signature",
        [0x0b] = "bad measurement",
        [0x0c] = "ASID already owned",
        [0x0d] = "invalid ASID",
        [0x0e] = "WBINVD required",
        [0x0f] = "DF_FLUSH required",
        [0x10] = "invalid guest",
        [0x11] = "invalid command",
        [0x12] = "guest already active",
        [0x13] = "hardware error",
        [0x14] = "hardware unsafe",
        [0x15] = "unsupported",
        [0x16] = "invalid parameter",
        [0x17] = "out of resources",
        [0x18] = "secure data invalid",
        [0x19] = "invalid page size",
        [0x1a] = "invalid page state",
        [0x1b] = "invalid metadata entry",
        [0x1c] = "invalid page owner",
        [0x1d] = "AEAD overflow",
        [0x1f] = "ring buffer mode exited",
        [0x20] = "RMP initialization required",
        [0x21] = "bad SVN",
        [0x22] = "bad version",
        [0x23] = "shutdown required",
        [0x24] = "update failed",
        [0x25] = "restore required",
        [0x26] = "RMP initialization failed",
        [0x27] = "invalid key",
        [FIRMWARE_NOT_RUN] = "not run",
    };

    if (code >= ARRAY_LEN(names) || names[code] == NULL)
        return "unknown";
    return names[code];
}

static const char *vmm_error_name(uint32_t code)
{
    switch (code) {
    case 1:
        return "invalid length";
    case 2:
        return "busy";
    default:
        return "unknown";
    }
}

int guest_response_parse(const struct guest_response *r, uint8_t out_report[static SNP_REPORT_SIZE],
                         struct err *e)
{
    if (r->status != 0)
        return err_set(e, ERR_CHECK, "the firmware answered with status 0x%02x: %s", r->status,
                       firmware_error_name(r->status));
    if (r->report_size != SNP_REPORT_SIZE)
        return err_set(e, ERR_CHECK, "the firmware announced a report of %u bytes, not %d",
                       r->report_size, SNP_REPORT_SIZE);
    memcpy(out_report, r->report, SNP_REPORT_SIZE);
    return 0;
}

static int fail_sys(const char *what, const char *path, int error, const char *more, struct err *e)
{
    errno = error;
    return err_sys(e, "%s %s%s", what, path, more);
}

static int fail_unsupported(const char *what, const char *path, int error, const char *more,
                            struct err *e)
{
    fail_sys(what, path, error, more, e);
    e->code = ERR_UNSUPPORTED;
    e->detail = 0;
    return -1;
}

int guest_request_fail_open(const char *path, int error, struct err *e)
{
    if (error == ENOENT || error == ENXIO || error == ENODEV)
        return fail_unsupported("opening", path, error, "", e);
    return fail_sys("opening", path, error, "", e);
}

/* What an errno of the ioctl means beyond its text. */
static const char *hint_of(int error)
{
    switch (error) {
    case ENOTTY:
        return " (it is no guest report interface, or the kernel has disabled this guest's "
               "communication key, VMPCK, until the next start)";
    case EINVAL:
    case ENODEV:
    case ENXIO:
    case EOPNOTSUPP:
        return " (it is no guest report interface)";
    case ETIMEDOUT:
        return " (the host kept answering busy; the kernel now disables the communication key)";
    case EBADMSG:
        return " (the answer was not authentic; the kernel now disables the communication key)";
    default:
        return "";
    }
}

static bool is_no_guest_interface(int error)
{
    return error == ENOTTY || error == EINVAL || error == ENODEV || error == ENXIO ||
           error == EOPNOTSUPP;
}

int guest_request_fail_ioctl(const char *path, int error, uint32_t fw_error, uint32_t vmm_error,
                             struct err *e)
{
    char more[256];
    size_t n = 0;

    if (is_no_guest_interface(error))
        return fail_unsupported("asking", path, error, hint_of(error), e);
    n += (size_t)snprintf(more, sizeof(more), " for a report%s", hint_of(error));
    if (fw_error != 0)
        n += (size_t)snprintf(more + n, sizeof(more) - n, " (firmware error 0x%02x: %s)", fw_error,
                              firmware_error_name(fw_error));
    if (vmm_error != 0)
        snprintf(more + n, sizeof(more) - n, " (hypervisor error %u: %s)", vmm_error,
                 vmm_error_name(vmm_error));
    return fail_sys("asking", path, error, more, e);
}
