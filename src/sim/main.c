/* cloudsim: the local cloud. Flags, parts, listeners, files for clients; then it serves until
 * SIGTERM or SIGINT. */
#include "base/file.h"
#include "base/flags.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/str.h"
#include "sim/listeners.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES       8192
#define MAX_POLICY_FILE (1024 * 1024)

static const char DEFAULT_POLICY[] =
    "package policy\n\napi_version := \"0.10.0\"\nframework_version := \"0.2.3\"\n\n"
    "allow_all := true\n";

struct options {
    const char *dir, *names, *extra_names, *policy, *amd_roots, *accept_report;
    const char *log_level, *log_file, *log_format;
    struct listeners_config listeners;
};

static int open_log(const struct options *o, struct err *e)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;

    if (log_level_parse(o->log_level, &level, e) != 0 ||
        log_format_parse(o->log_format, &format, e) != 0)
        return -1;
    return log_open(o->log_file, level, format, e);
}

static int make_config(const struct options *o, struct sim_config *c, struct err *e)
{
    c->dir = o->dir;
    c->extra_names = str_is_empty(o->extra_names) ? NULL : o->extra_names;
    c->amd_roots_builtin = strcmp(o->amd_roots, "builtin") == 0;
    if (!c->amd_roots_builtin && o->amd_roots[0] != '\0')
        return err_set(e, ERR_ARG, "flag -amd_roots: use builtin, or leave it out");
    if (names_kind_parse(o->names, &c->names, e) != 0)
        return err_wrap(e, "flag -names");
    if (!str_is_empty(o->accept_report) &&
        file_read(o->accept_report, MAX_POLICY_FILE, &c->accept_report, e) != 0)
        return err_wrap(e, "flag -accept_report");
    if (str_is_empty(o->policy))
        return buf_add_str(&c->policy, DEFAULT_POLICY, e);
    if (file_read(o->policy, MAX_POLICY_FILE, &c->policy, e) != 0)
        return err_wrap(e, "flag -policy");
    return 0;
}

static void config_done(struct sim_config *c)
{
    buf_done(&c->accept_report);
    buf_done(&c->policy);
}

static int print_summary(const struct sim *sim, const char *dir, const struct outputs_places *p,
                         struct err *e)
{
    CLEANUP(str_freep) char *maa = NULL;
    CLEANUP(str_freep) char *akv = NULL;
    CLEANUP(str_freep) char *hsm = NULL;

    if (outputs_endpoint(sim, NAMES_MAA, p->tls_port, &maa, e) != 0 ||
        outputs_endpoint(sim, NAMES_AKV, p->tls_port, &akv, e) != 0 ||
        outputs_endpoint(sim, NAMES_HSM, p->tls_port, &hsm, e) != 0)
        return -1;
    printf("attestation  %s\nkey vault    %s\nmanaged HSM  %s\n"
           "metadata     http://%s:%d\ncontrol      http://%s:%d\n"
           "environment  . %s/env.sh\nready\n",
           maa, akv, hsm, p->plain_address, p->plain_port, p->control_address, p->control_port,
           dir);
    return fflush(stdout) != 0 ? err_sys(e, "writing to standard output") : 0;
}

static void freep(char **p)
{
    free(*p);
}

static void wait_for_end(const sigset_t *ends)
{
    int signal_number = 0;

    sigwait(ends, &signal_number);
    log_info("ended by signal %d", signal_number);
}

static int serve(const struct options *o, const struct sim_config *config, const sigset_t *ends,
                 struct err *e)
{
    CLEANUP(sim_closep) struct sim *sim = NULL;
    struct listeners listeners;

    if (sim_open(config, clock_system(), &sim, e) != 0)
        return -1;
    CLEANUP(freep) char *dir = realpath(config->dir, NULL);
    if (dir == NULL)
        return err_sys(e, "finding the directory %s", config->dir);
    if (listeners_open(&o->listeners, sim, &listeners, e) != 0)
        return -1;
    const int r = outputs_write(sim, dir, &listeners.places, e) != 0
                      ? -1
                      : print_summary(sim, dir, &listeners.places, e);
    if (r == 0)
        wait_for_end(ends);
    sim_stop(sim);
    listeners_close(&listeners);
    return r;
}

static int run(const struct options *o, struct err *e)
{
    CLEANUP(config_done) struct sim_config config = { 0 };
    size_t max_files = 0;
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before threads exist, so that all inherit it */
    if (open_log(o, e) != 0 || harden_raise_files(MAX_FILES, &max_files, e) != 0 ||
        make_config(o, &config, e) != 0)
        return -1;
    return serve(o, &config, &ends, e);
}

int main(int argc, char **argv)
{
    struct options o = {
        .dir = "./cloudsim-state",
        .names = "localhost",
        .extra_names = "",
        .policy = "",
        .amd_roots = "",
        .accept_report = "",
        .log_level = "info",
        .log_file = "",
        .log_format = "text",
        .listeners = { .tls_port = 8443,
                       .plain_port = 8180,
                       .control_port = 8190,
                       .tls_list = "",
                       .plain_list = "" },
    };
    const struct flag table[] = {
        { "dir", FLAG_STRING, &o.dir,
          "keeps keys and certificates, and gets the files for clients" },
        { "tls_port", FLAG_INT, &o.listeners.tls_port, "TLS port of the services; 0: any" },
        { "http_port", FLAG_INT, &o.listeners.plain_port,
          "port of IMDS, THIM and the PSP; 0: any" },
        { "control_port", FLAG_INT, &o.listeners.control_port, "port of the control API; 0: any" },
        { "tls_listen", FLAG_STRING, &o.listeners.tls_list, "ip:port,... instead of -tls_port" },
        { "http_listen", FLAG_STRING, &o.listeners.plain_list,
          "ip:port,... instead of -http_port" },
        { "names", FLAG_STRING, &o.names, "host names: localhost or azure" },
        { "extra_names", FLAG_STRING, &o.extra_names,
          "more names for the TLS certificate, a,b,..." },
        { "policy", FLAG_STRING, &o.policy,
          "file whose SHA-256 is HOST_DATA; a small one by default" },
        { "amd_roots", FLAG_STRING, &o.amd_roots, "builtin: MAA takes real AMD roots, too" },
        { "accept_report", FLAG_STRING, &o.accept_report,
          "file with a report that MAA takes as it is" },
        { "loglevel", FLAG_STRING, &o.log_level, "trace, debug, info, warning or error" },
        { "logfile", FLAG_STRING, &o.log_file, "append log lines here instead of stderr" },
        { "log-format", FLAG_STRING, &o.log_format, "text or json" },
        { 0 },
    };
    struct err e;
    int rest = 0;

    const enum flags_result r = flags_parse(table, argc, argv, &rest, &e);
    if (r == FLAGS_OK && rest == argc) {
        if (run(&o, &e) == 0)
            return EXIT_SUCCESS;
        log_error("%s", e.msg);
        return EXIT_FAILURE;
    }
    if (r != FLAGS_HELP)
        fprintf(stderr, "%s\n", r == FLAGS_BAD ? e.msg : "unexpected argument");
    flags_usage(table, "cloudsim", r == FLAGS_HELP ? stdout : stderr);
    return r == FLAGS_HELP ? EXIT_SUCCESS : 2;
}
