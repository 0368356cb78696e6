/*
 * Which certificates the machine trusts is looked up as Go does it, whose programs these sidecars
 * replace: the first bundle that exists of the usual ones, and in addition every file of the
 * usual directories. Any of them may end a chain, an intermediate too.
 */
#include "crypto/roots.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/pkey.h"
#include "crypto/roots_index.h"

#include <openssl/ssl.h>

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BUNDLE 16777216
#define MAX_FILE   1048576 /* in a directory */
#define STACK_SIZE (256 * 1024)

static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, distroless */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Azure Linux, Fedora */
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
};
#define DEFAULT_DIRS "/etc/ssl/certs:/etc/pki/tls/certs"

struct roots {
    char *file, *dirs;    /* file: NULL for the usual bundles */
    pthread_mutex_t lock; /* guards the rest */
    X509_STORE *store;    /* NULL until it is loaded */
    pthread_t loader;
    bool has_loader; /* it was started; joined at the end */
};

int roots_new(const char *cert_file, const char *cert_dir, struct roots **out, struct err *e)
{
    struct roots *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return err_nomem(e);
    pthread_mutex_init(&r->lock, NULL);
    if ((!str_is_empty(cert_file) && str_dup(cert_file, &r->file, e) != 0) ||
        str_dup(str_is_empty(cert_dir) ? DEFAULT_DIRS : cert_dir, &r->dirs, e) != 0) {
        roots_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void roots_free(struct roots *r)
{
    if (r == NULL)
        return;
    if (r->has_loader)
        pthread_join(r->loader, NULL);
    X509_STORE_free(r->store);
    pthread_mutex_destroy(&r->lock);
    str_free(r->file);
    str_free(r->dirs);
    free(r);
}

struct loader {
    struct roots_index *index;
    struct stat bundle; /* Debian's lies among the single certificates */
};

static int add_bundle(struct loader *l, const char *path, struct err *e)
{
    CLEANUP(buf_done) struct buf pem = { 0 };

    if (file_read(path, MAX_BUNDLE, &pem, e) != 0)
        return -1;
    if (stat(path, &l->bundle) != 0)
        return err_sys(e, "%s", path);
    if (roots_index_add_pem(l->index, buf_span(&pem), e) != 0)
        return err_wrap(e, "%s", path);
    return 0;
}

static int add_file(struct loader *l, const char *file, struct err *e)
{
    if (add_bundle(l, file, e) != 0)
        return err_wrap(e, "SSL_CERT_FILE");
    if (roots_index_count(l->index) == 0)
        return err_set(e, ERR_PARSE, "SSL_CERT_FILE: no certificate in %s", file);
    return 0;
}

/* The first that can be read; none of them needs to be there. */
static int add_usual_bundle(struct loader *l, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++) {
        struct err why;

        if (add_bundle(l, bundles[i], &why) == 0)
            return 0;
        if (why.code != ERR_SYS) {
            *e = why;
            return -1;
        }
    }
    return 0;
}

/* Is it a file of its own? A name that leads to its neighbour, as c_rehash makes them, is not: the
 * neighbour has its own turn. Nor is the bundle, which had it. */
static bool is_own_file(const struct loader *l, int dir_fd, const char *name)
{
    char target[256];
    struct stat st;
    const ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

    if (n > 0 && memchr(target, '/', (size_t)n) == NULL)
        return false;
    return fstatat(dir_fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           (st.st_ino != l->bundle.st_ino || st.st_dev != l->bundle.st_dev);
}

static void dir_closep(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* What cannot be read is passed over, the whole directory too. */
static int add_dir(const struct loader *l, const char *path, struct err *e)
{
    CLEANUP(dir_closep) DIR *dir = opendir(path);
    const struct dirent *item;

    if (dir == NULL)
        return 0;
    while ((item = readdir(dir)) != NULL) {
        CLEANUP(str_freep) char *file = NULL;
        CLEANUP(buf_done) struct buf pem = { 0 };
        struct err why;

        if (!is_own_file(l, dirfd(dir), item->d_name))
            continue;
        if (str_printf(&file, e, "%s/%s", path, item->d_name) != 0)
            return -1;
        if (file_read(file, MAX_FILE, &pem, &why) == 0 &&
            roots_index_add_pem(l->index, buf_span(&pem), e) != 0)
            return err_wrap(e, "%s", file);
    }
    return 0;
}

static int add_dirs(const struct loader *l, const char *dirs, struct err *e)
{
    for (const char *p = dirs; *p != '\0';) {
        CLEANUP(str_freep) char *dir = NULL;
        const size_t n = strcspn(p, ":");

        if (str_from_span(span_of(p, n), &dir, e) != 0 || add_dir(l, dir, e) != 0)
            return -1;
        p += n + (p[n] == ':');
    }
    return 0;
}

static int load(const struct roots *r, X509_STORE **out, struct err *e)
{
    CLEANUP(roots_index_freep) struct roots_index *x = NULL;

    if (roots_index_new(&x, e) != 0)
        return -1;
    struct loader l = { .index = x };
    if ((r->file != NULL ? add_file(&l, r->file, e) : add_usual_bundle(&l, e)) != 0 ||
        add_dirs(&l, r->dirs, e) != 0)
        return -1;
    if (roots_index_count(x) == 0)
        return err_set(e, ERR_PARSE, "no trusted certificates in %s nor in %s", bundles[0],
                       r->dirs);
    if (roots_index_open_store(&x, out, e) != 0)
        return -1;
    X509_STORE_set_flags(*out, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

int roots_store(struct roots *r, X509_STORE **out, struct err *e)
{
    pthread_mutex_lock(&r->lock);
    const int result = r->store != NULL ? 0 : load(r, &r->store, e);
    if (result == 0)
        *out = r->store;
    pthread_mutex_unlock(&r->lock);
    return result;
}

int roots_load(struct roots *r, struct err *e)
{
    X509_STORE *store;

    return roots_store(r, &store, e);
}

static void *run_loader(void *arg)
{
    struct err e; /* the first use tries again, and reports it */

    return roots_load(arg, &e) == 0 ? arg : NULL;
}

static int start_thread(pthread_t *out, void *arg)
{
    pthread_attr_t attr;

    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return rc;
    rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
    if (rc == 0)
        rc = pthread_create(out, &attr, run_loader, arg);
    pthread_attr_destroy(&attr);
    return rc;
}

void roots_load_ahead(struct roots *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->store == NULL && !r->has_loader)
        r->has_loader = start_thread(&r->loader, r) == 0;
    pthread_mutex_unlock(&r->lock);
}

int roots_attach(struct roots *r, void *ssl_ctx, struct err *e)
{
    SSL_CTX *ctx = ssl_ctx;
    X509_STORE *store;

    if (roots_store(r, &store, e) != 0)
        return -1;
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return pkey_fail(e, ERR_CHECK, "TLS 1.2 is not available");
    SSL_CTX_set1_cert_store(ctx, store);
    return 0;
}
