/*
 * Where the host's texts come from: three files in one directory, or three variables. Nothing here
 * is trusted: the report vouches for the policy and the reference info, and signatures for the
 * certificates.
 */
#include "attest/uvm_info.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/b64.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CONTEXT_PREFIX "security-context-"

enum uvm_item { UVM_POLICY, UVM_REFERENCE, UVM_CERTS, UVM_N_ITEMS };

static const struct {
    const char *file, *variable;
} items[UVM_N_ITEMS] = {
    [UVM_POLICY] = { "security-policy-base64", "UVM_SECURITY_POLICY" },
    [UVM_REFERENCE] = { "reference-info-base64", "UVM_REFERENCE_INFO" },
    [UVM_CERTS] = { "host-amd-cert-base64", "UVM_HOST_AMD_CERTIFICATE" },
};

void uvm_info_done(struct uvm_info *u)
{
    str_free(u->policy_b64);
    str_free(u->reference_b64);
    str_free(u->origin);
    thim_certs_done(&u->certs);
    *u = (struct uvm_info){ 0 };
}

static void close_dir(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

static bool is_directory(DIR *parent, const char *name)
{
    struct stat st;

    return fstatat(dirfd(parent), name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* The lexically first directory of the kind under root into *out_name, NULL for none. */
static int find_context(const char *root, char **out_name, size_t *out_n, struct err *e)
{
    CLEANUP(close_dir) DIR *d = opendir(root);
    CLEANUP(str_freep) char *first = NULL;

    *out_n = 0;
    if (d == NULL)
        return errno == ENOENT ? 0 : err_sys(e, "opening %s", root);
    errno = 0;
    for (const struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        if (!str_starts_with(entry->d_name, CONTEXT_PREFIX) || !is_directory(d, entry->d_name)) {
            errno = 0;
            continue;
        }
        ++*out_n;
        if (first == NULL || strcmp(entry->d_name, first) < 0) {
            str_free(TAKE(first));
            if (str_dup(entry->d_name, &first, e) != 0)
                return -1;
        }
        errno = 0;
    }
    if (errno != 0)
        return err_sys(e, "reading directory %s", root);
    *out_name = TAKE(first);
    return 0;
}

static int choose_directory(const struct uvm_info_paths *paths, char **out, struct err *e)
{
    CLEANUP(str_freep) char *name = NULL;
    size_t n = 0;

    if (!str_is_empty(paths->configured))
        return str_dup(paths->configured, out, e);
    if (find_context(paths->root, &name, &n, e) != 0)
        return -1;
    if (name == NULL)
        return str_dup(paths->kata, out, e);
    if (str_printf(out, e, "%s%s%s", paths->root, str_ends_with(paths->root, "/") ? "" : "/",
                   name) != 0)
        return -1;
    if (n > 1)
        log_warning("%zu directories %s/" CONTEXT_PREFIX "*; taking the first, %s", n, paths->root,
                    *out);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* A text without its trailing white space; *out becomes NULL when nothing is left. */
static int copy_trimmed(struct span text, char **out, struct err *e)
{
    CLEANUP(str_freep) char *copy = NULL;

    while (text.n > 0 && is_blank((char)text.p[text.n - 1]))
        text.n--;
    if (text.n > 0 && str_from_span(text, &copy, e) != 0)
        return -1;
    str_free(*out);
    *out = TAKE(copy);
    return 0;
}

static int load_file(const char *dir, const char *file, char **out, struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf content = { 0 };

    if (str_printf(&path, e, "%s/%s", dir, file) != 0)
        return -1;
    if (file_read(path, UVM_FILE_MAX, &content, e) != 0)
        return e->code == ERR_SYS && e->detail == ENOENT ? 0 : -1;
    if (copy_trimmed(buf_span(&content), out, e) != 0)
        return err_wrap(e, "%s", path);
    return 0;
}

/* A variable that is set takes the place of the file's text. */
static int load_variable(char *(*getenv_fn)(const char *name), const char *name, char **text,
                         bool *out_any, struct err *e)
{
    CLEANUP(str_freep) char *copy = NULL;
    const char *value = getenv_fn(name);

    if (value == NULL)
        return 0;
    if (strlen(value) > UVM_FILE_MAX)
        return err_set(e, ERR_PARSE, "%s is longer than %zu bytes", name, UVM_FILE_MAX);
    if (copy_trimmed(span_str(value), &copy, e) != 0)
        return err_wrap(e, "%s", name);
    if (copy == NULL)
        return 0;
    str_free(*text);
    *text = TAKE(copy);
    *out_any = true;
    return 0;
}

static int parse_certs(const char *text, struct thim_certs *out, struct err *e)
{
    CLEANUP(buf_done) struct buf json = { 0 };

    if (b64_decode(span_str(text), &json, e) != 0)
        return -1;
    return thim_parse(buf_span(&json), out, e);
}

/* Certificates can be fetched from elsewhere, so bad ones are no reason to stop. */
static int take_certs(const char *text, struct uvm_info *u, struct err *e)
{
    if (text == NULL)
        return 0;
    if (parse_certs(text, &u->certs, e) == 0) {
        u->has_certs = true;
        return 0;
    }
    if (e->code == ERR_NOMEM)
        return -1;
    log_warning("the host's AMD certificates are left aside: %s", e->msg);
    return 0;
}

static void free_texts(char *(*texts)[UVM_N_ITEMS])
{
    for (size_t i = 0; i < UVM_N_ITEMS; i++)
        str_free((*texts)[i]);
}

int uvm_info_load(const struct uvm_info_paths *paths, char *(*getenv_fn)(const char *name),
                  struct uvm_info *out, struct err *e)
{
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    CLEANUP(free_texts) char *texts[UVM_N_ITEMS] = { NULL };
    bool from_environment = false;

    if (choose_directory(paths, &u.origin, e) != 0)
        return -1;
    for (size_t i = 0; i < UVM_N_ITEMS; i++)
        if (load_file(u.origin, items[i].file, &texts[i], e) != 0)
            return -1;
    if (texts[UVM_REFERENCE] == NULL)
        for (size_t i = 0; i < UVM_N_ITEMS; i++)
            if (load_variable(getenv_fn, items[i].variable, &texts[i], &from_environment, e) != 0)
                return -1;
    if (take_certs(texts[UVM_CERTS], &u, e) != 0)
        return -1;
    if (from_environment) {
        str_free(TAKE(u.origin));
        if (str_dup("environment", &u.origin, e) != 0)
            return -1;
    }
    u.policy_b64 = TAKE(texts[UVM_POLICY]);
    u.reference_b64 = TAKE(texts[UVM_REFERENCE]);
    *out = u;
    u = (struct uvm_info){ 0 };
    return 0;
}
