#include "base/file.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(buf_done) struct buf b = { 0 };
    uint8_t *to = NULL;

    if (fd < 0)
        return err_sys(e, "opening %s", path);
    for (;;) {
        if (buf_reserve(&b, 4096, &to, e) != 0)
            return -1;
        const ssize_t n = read(fd, to, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "reading %s", path);
        if (n == 0)
            break;
        b.n += (size_t)n;
        if (b.n > max)
            return err_set(e, ERR_PARSE, "%s is longer than %zu bytes", path, max);
    }
    buf_done(out);
    *out = b;
    b = (struct buf){ 0 };
    return 0;
}

static int write_all(int fd, struct span s)
{
    while (s.n > 0) {
        const ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        s.p += n;
        s.n -= (size_t)n;
    }
    return fsync(fd);
}

int file_write(const char *path, struct span content, struct err *e)
{
    CLEANUP(str_freep) char *tmp = NULL;

    if (str_printf(&tmp, e, "%s.XXXXXX", path) != 0)
        return -1;
    CLEANUP(close_fd) int fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return err_sys(e, "creating a file beside %s", path);
    if (write_all(fd, content) != 0 || rename(tmp, path) != 0) {
        err_sys(e, "writing %s", path);
        unlink(tmp);
        return -1;
    }
    return 0;
}
