#include "sim/keydir.h"

#include "base/file.h"
#include "base/random.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (64 * 1024)

static int make_directory(const char *path, mode_t mode, struct err *e)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return err_sys(e, "making the directory %s", path);
    return 0;
}

static int lock_directory(struct keydir *d, struct err *e)
{
    CLEANUP(str_freep) char *file = NULL;

    if (str_printf(&file, e, "%s/lock", d->path) != 0)
        return -1;
    d->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return err_sys(e, "opening %s", file);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(e, ERR_CHECK, "another process uses %s", d->path);
    return err_sys(e, "locking %s", file);
}

int keydir_open(struct keydir *d, const char *dir, struct err *e)
{
    struct keydir fresh = { .lock_fd = -1 };

    if (str_printf(&fresh.path, e, "%s/pki", dir) != 0)
        return -1;
    if (make_directory(dir, 0755, e) != 0 || make_directory(fresh.path, 0700, e) != 0 ||
        lock_directory(&fresh, e) != 0) {
        keydir_close(&fresh);
        return -1;
    }
    *d = fresh;
    return 0;
}

void keydir_close(struct keydir *d)
{
    if (d->path != NULL && d->lock_fd >= 0)
        close(d->lock_fd);
    str_free(d->path);
    *d = (struct keydir){ .lock_fd = -1 };
}

/* Without such a file: 0, and *out_found is false. */
static int read_part(const struct keydir *d, const char *file, struct buf *out, bool *out_found,
                     struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;

    if (str_printf(&path, e, "%s/%s", d->path, file) != 0)
        return -1;
    if (file_read(path, MAX_FILE, out, e) == 0) {
        *out_found = true;
        return 0;
    }
    *out_found = false;
    return e->code == ERR_SYS && e->detail == ENOENT ? 0 : -1;
}

static int write_part(const struct keydir *d, const char *file, struct span content, struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;

    if (str_printf(&path, e, "%s/%s", d->path, file) != 0)
        return -1;
    return file_write(path, content, e);
}

static int make_key(enum keydir_kind kind, struct signer **out, struct err *e)
{
    switch (kind) {
    case KEYDIR_RSA_2048:
        return signer_new_rsa(2048, out, e);
    case KEYDIR_RSA_4096:
        return signer_new_rsa(4096, out, e);
    case KEYDIR_P256:
        return signer_new_ec(SIGNER_P256, out, e);
    case KEYDIR_P384:
        return signer_new_ec(SIGNER_P384, out, e);
    }
    return err_set(e, ERR_ARG, "a key of no kind");
}

int keydir_key(const struct keydir *d, const char *name, enum keydir_kind kind, struct signer **out,
               struct err *e)
{
    CLEANUP(str_freep) char *file = NULL;
    CLEANUP(buf_done) struct buf pem = { 0 };
    CLEANUP(signer_freep) struct signer *key = NULL;
    bool found = false;

    if (str_printf(&file, e, "%s.key.pem", name) != 0 || read_part(d, file, &pem, &found, e) != 0)
        return -1;
    if (found)
        return signer_from_pem(buf_span(&pem), out, e) == 0 ? 0 : err_wrap(e, "%s", file);
    if (make_key(kind, &key, e) != 0 || signer_write_pem(key, &pem, e) != 0 ||
        write_part(d, file, buf_span(&pem), e) != 0)
        return -1;
    *out = TAKE(key);
    return 0;
}

int keydir_read_cert(const struct keydir *d, const char *name, struct x509_cert **out,
                     struct err *e)
{
    CLEANUP(str_freep) char *file = NULL;
    CLEANUP(buf_done) struct buf pem = { 0 };
    CLEANUP(x509_list_done) struct x509_list list = { 0 };
    bool found = false;

    if (str_printf(&file, e, "%s.cert.pem", name) != 0 || read_part(d, file, &pem, &found, e) != 0)
        return -1;
    if (!found) {
        *out = NULL;
        return 0;
    }
    if (x509_list_from_pem(buf_span(&pem), &list, e) != 0)
        return err_wrap(e, "%s", file);
    *out = TAKE(list.certs[0]);
    return 0;
}

int keydir_write_cert(const struct keydir *d, const char *name, struct span pem, struct err *e)
{
    CLEANUP(str_freep) char *file = NULL;

    return str_printf(&file, e, "%s.cert.pem", name) != 0 ? -1 : write_part(d, file, pem, e);
}

int keydir_random(const struct keydir *d, const char *name, uint8_t *out, size_t n, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    bool found = false;

    if (read_part(d, name, &bytes, &found, e) != 0)
        return -1;
    if (!found) {
        random_fill(out, n);
        return write_part(d, name, span_of(out, n), e);
    }
    if (bytes.n != n)
        return err_set(e, ERR_PARSE, "%s has %zu bytes instead of %zu", name, bytes.n, n);
    memcpy(out, bytes.p, n);
    return 0;
}
