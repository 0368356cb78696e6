/* Nothing is kept open between reports: a descriptor would outlive a driver that is reloaded, and
 * an idle process has no business holding the device. */
#include "attest/guest_device.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct guest_device {
    struct report_source base;
    guest_device_ask *ask;
    char *path;
};

int guest_device_new(const struct report_source_ops *ops, guest_device_ask *ask, const char *path,
                     struct report_source **out, struct err *e)
{
    CLEANUP(str_freep) char *copy = NULL;
    struct guest_device *d = NULL;

    if (str_dup(path, &copy, e) != 0)
        return -1;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return err_nomem(e);
    d->base.ops = ops;
    d->ask = ask;
    d->path = TAKE(copy);
    *out = &d->base;
    return 0;
}

int guest_device_fetch(struct report_source *base,
                       const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                       uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    struct guest_device *d = CONTAINER_OF(base, struct guest_device, base);
    struct guest_request req;
    const int fd = open(d->path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return guest_request_fail_open(d->path, errno, e);
    guest_request_fill(report_data, &req);
    const int rc = d->ask(fd, d->path, &req, out_report, e);
    close(fd);
    return rc;
}

void guest_device_close(struct report_source *base)
{
    struct guest_device *d = CONTAINER_OF(base, struct guest_device, base);

    str_free(d->path);
    free(d);
}
