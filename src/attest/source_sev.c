/*
 * Azure's 5.15 kernel: MSG_REPORT. No other command is ever sent, because on a host the same path
 * is the management device of the secure processor; that one refuses MSG_REPORT with EINVAL.
 */
#include "attest/guest_device.h"

#include <errno.h>

/* Behind the report comes what the driver strips from the encrypted message. */
union answer {
    struct guest_response response;
    uint8_t room[SEV_RESPONSE_SIZE];
};
_Static_assert(sizeof(union answer) == SEV_RESPONSE_SIZE, "response_len");

static int ask(int fd, const char *path, const struct guest_request *req,
               uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    union answer answer = { .room = { 0 } };
    struct sev_ioctl arg;

    guest_request_fill_sev(req, &answer, &arg);
    if (ioctl(fd, SEV_MSG_REPORT, &arg) != 0)
        return guest_request_fail_ioctl(path, errno, arg.error, 0, e);
    return guest_response_parse(&answer.response, out_report, e);
}

int source_sev_new(const char *path, struct report_source **out, struct err *e)
{
    static const struct report_source_ops ops = { "sev", guest_device_fetch, guest_device_close };

    return guest_device_new(&ops, ask, path, out, e);
}
