/* Public files get mode 0644: a client may run as somebody else. */
#include "sim/outputs.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "sim/pki.h"
#include "sim/psp.h"

#include <errno.h>
#include <sys/stat.h>

#define CONTEXT_DIR "security-context"
#define HTTPS_PORT  443

static int write_public(const char *dir, const char *name, struct span content, struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;

    if (str_printf(&path, e, "%s/%s", dir, name) != 0 || file_write(path, content, e) != 0)
        return -1;
    return chmod(path, 0644) != 0 ? err_sys(e, "making %s readable", path) : 0;
}

static int write_base64(const char *dir, const char *name, struct span content, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    return b64_encode(content, B64_STD, &text, e) != 0
               ? -1
               : write_public(dir, name, buf_span(&text), e);
}

static int write_context(struct sim *sim, const char *dir, struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(json_freep) json_t *certs = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };

    if (str_printf(&path, e, "%s/%s", dir, CONTEXT_DIR) != 0)
        return -1;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return err_sys(e, "making the directory %s", path);
    if (psp_thim(sim->psp, &certs, e) != 0 || json_format(certs, false, &text, e) != 0 ||
        write_base64(path, "security-policy-base64", buf_span(&sim->config->policy), e) != 0)
        return -1;
    return write_base64(path, "host-amd-cert-base64", buf_span(&text), e);
}

int outputs_endpoint(const struct sim *sim, enum names_family family, int port, char **out,
                     struct err *e)
{
    const char *host = names_default_host(sim->config->names, family);

    return port == HTTPS_PORT ? str_dup(host, out, e) : str_printf(out, e, "%s:%d", host, port);
}

/* export NAME='value', with the quotes of the value escaped for sh. */
static int add_export(struct buf *out, const char *name, const char *value, struct err *e)
{
    if (buf_printf(out, e, "export %s='", name) != 0)
        return -1;
    for (; *value != '\0'; value++) {
        const int r = *value == '\'' ? buf_add_str(out, "'\\''", e) : buf_add(out, value, 1, e);
        if (r != 0)
            return -1;
    }
    return buf_add_str(out, "'\n", e);
}

static int add_paths(const char *dir, struct buf *out, struct err *e)
{
    CLEANUP(str_freep) char *ca = NULL;
    CLEANUP(str_freep) char *context = NULL;

    if (str_printf(&ca, e, "%s/ca.pem", dir) != 0 ||
        str_printf(&context, e, "%s/%s", dir, CONTEXT_DIR) != 0)
        return -1;
    return add_export(out, "SSL_CERT_FILE", ca, e) != 0
               ? -1
               : add_export(out, "UVM_SECURITY_CONTEXT_DIR", context, e);
}

static int add_endpoints(const struct sim *sim, int port, struct buf *out, struct err *e)
{
    static const struct {
        enum names_family family;
        const char *variable, *scheme;
    } endpoints[] = {
        { NAMES_MAA, "CLOUDSIM_MAA", "" },
        { NAMES_AKV, "CLOUDSIM_AKV", "" },
        { NAMES_HSM, "CLOUDSIM_HSM", "" },
        { NAMES_LOGIN, "AZURE_AUTHORITY_HOST", "https://" },
    };

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        CLEANUP(str_freep) char *endpoint = NULL;
        CLEANUP(str_freep) char *value = NULL;
        if (outputs_endpoint(sim, endpoints[i].family, port, &endpoint, e) != 0 ||
            str_printf(&value, e, "%s%s", endpoints[i].scheme, endpoint) != 0 ||
            add_export(out, endpoints[i].variable, value, e) != 0)
            return -1;
    }
    return 0;
}

/* CLOUDSIM_THIM has no scheme: it is what the configuration's certcache.endpoint wants. */
static int add_urls(const struct outputs_places *p, struct buf *out, struct err *e)
{
    CLEANUP(str_freep) char *plain = NULL;
    CLEANUP(str_freep) char *thim = NULL;
    CLEANUP(str_freep) char *control = NULL;

    if (str_printf(&plain, e, "http://%s:%d", p->plain_address, p->plain_port) != 0 ||
        str_printf(&control, e, "http://%s:%d", p->control_address, p->control_port) != 0 ||
        str_printf(&thim, e, "%s:%d/metadata/THIM/amd/certification", p->plain_address,
                   p->plain_port) != 0)
        return -1;
    if (add_export(out, "AZURE_POD_IDENTITY_AUTHORITY_HOST", plain, e) != 0 ||
        add_export(out, "CLOUDSIM_IMDS", plain, e) != 0 ||
        add_export(out, "CLOUDSIM_PSP", plain, e) != 0 ||
        add_export(out, "CLOUDSIM_THIM", thim, e) != 0)
        return -1;
    return add_export(out, "CLOUDSIM_CONTROL", control, e);
}

int outputs_format_env(const struct sim *sim, const char *dir, const struct outputs_places *places,
                       struct buf *out, struct err *e)
{
    if (add_paths(dir, out, e) != 0 || add_urls(places, out, e) != 0)
        return -1;
    return add_endpoints(sim, places->tls_port, out, e);
}

static int write_ports(const char *dir, const struct outputs_places *p, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };

    if (buf_printf(&text, e, "{\"tls\":%d,\"http\":%d,\"control\":%d}\n", p->tls_port,
                   p->plain_port, p->control_port) != 0)
        return -1;
    return write_public(dir, "ports.json", buf_span(&text), e);
}

int outputs_write(struct sim *sim, const char *dir, const struct outputs_places *places,
                  struct err *e)
{
    CLEANUP(buf_done) struct buf env = { 0 };

    if (write_public(dir, "ca.pem", pki_tls_ca(sim->pki), e) != 0 ||
        write_public(dir, "ark.pem", pki_ark(sim->pki), e) != 0 ||
        write_context(sim, dir, e) != 0 || outputs_format_env(sim, dir, places, &env, e) != 0 ||
        write_public(dir, "env.sh", buf_span(&env), e) != 0)
        return -1;
    return write_ports(dir, places, e);
}
