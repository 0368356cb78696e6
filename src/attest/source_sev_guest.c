/* Mainline Linux: SNP_GET_REPORT. */
#include "attest/guest_device.h"

#include <errno.h>

/* The driver insists on room for more than a report. */
union answer {
    struct guest_response response;
    uint8_t room[SEV_GUEST_RESPONSE_SIZE];
};
_Static_assert(sizeof(union answer) == SEV_GUEST_RESPONSE_SIZE, "snp_report_resp");

static int ask(int fd, const char *path, const struct guest_request *req,
               uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    union answer answer = { .room = { 0 } };
    struct sev_guest_ioctl arg;

    guest_request_fill_sev_guest(req, &answer, &arg);
    if (ioctl(fd, SEV_GUEST_GET_REPORT, &arg) != 0)
        return guest_request_fail_ioctl(path, errno, arg.fw_error, arg.vmm_error, e);
    return guest_response_parse(&answer.response, out_report, e);
}

int source_sev_guest_new(const char *path, struct report_source **out, struct err *e)
{
    static const struct report_source_ops ops = { "sev-guest", guest_device_fetch,
                                                  guest_device_close };

    return guest_device_new(&ops, ask, path, out, e);
}
