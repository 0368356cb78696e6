/*
 * LD_PRELOAD library: /dev/sev-guest for a program that is measured, with an answer that costs
 * nothing. The report is a prepared one (the file that FAKE_DEVICE_REPORT names) with the caller's
 * REPORT_DATA copied in; its signature is therefore wrong, which nobody looks at in /attest/raw.
 *
 * Without the variable, or for any other path, everything goes to the C library.
 */
#include "attest/guest_request.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICE             "/dev/sev-guest"
#define REPORT_DATA_OFFSET 0x50

typedef int open_function(const char *path, int flags, ...);
typedef int ioctl_function(int fd, unsigned long request, ...);

/* Written by the constructor alone, before main(). */
static uint8_t prepared[SNP_REPORT_SIZE];
static bool is_prepared;
static open_function *real_open;
static ioctl_function *real_ioctl;

int open(const char *path, int flags, ...);
int ioctl(int fd, unsigned long request, ...);

__attribute__((constructor)) static void prepare(void)
{
    const char *path = getenv("FAKE_DEVICE_REPORT");

    *(void **)&real_open = dlsym(RTLD_NEXT, "open");
    *(void **)&real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    const int fd = path != NULL ? real_open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    is_prepared = read(fd, prepared, sizeof(prepared)) == (ssize_t)sizeof(prepared);
    close(fd);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & (O_CREAT | O_TMPFILE))
        mode = va_arg(args, mode_t);
    va_end(args);
    return real_open(is_prepared && strcmp(path, DEVICE) == 0 ? "/dev/null" : path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
    struct sev_guest_ioctl *arg;
    va_list args;

    va_start(args, request);
    arg = va_arg(args, struct sev_guest_ioctl *);
    va_end(args);
    if (!is_prepared || request != SEV_GUEST_GET_REPORT)
        return real_ioctl(fd, request, arg);
    const struct guest_request *req = (const struct guest_request *)(uintptr_t)arg->req_data;
    struct guest_response *answer = (struct guest_response *)(uintptr_t)arg->resp_data;
    *answer = (struct guest_response){ .report_size = SNP_REPORT_SIZE };
    memcpy(answer->report, prepared, sizeof(prepared));
    memcpy(answer->report + REPORT_DATA_OFFSET, req->report_data, sizeof(req->report_data));
    return 0;
}
