/* The key-release sidecar: flags, log, hardening, parts, server, drain. */
#include "base/harden.h"
#include "build_id.h"
#include "cmd/skr_build.h"
#include "crypto/wipe.h"
#include "http/client_curl.h"
#include "server/skr_routes.h"
#include "skr/annotation.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES      65536
#define RECEIVE_MS     30000
#define IDLE_MS        120000
#define HEALTHCHECK_MS 5000

static const char DEV_BANNER[] =
    "*** -insecure-dev: INSECURE DEVELOPMENT MODE. Local services and a simulated processor are "
    "accepted; nothing released here is protected. ***";

/* The signals that end the service are taken by sigwait(): blocked before any thread exists. */
static void block_signals(sigset_t *out)
{
    signal(SIGTERM, SIG_DFL); /* a shell ignores SIGINT for what it starts in the background */
    signal(SIGINT, SIG_DFL);
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    pthread_sigmask(SIG_BLOCK, out, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct skr_options *o, struct skr *s, size_t max_files, const sigset_t *end,
                 struct err *e)
{
    struct skr_routes ctx = { .service = s->service, .metrics = s->metrics };
    const struct httpd_config hc = { .port = o->port,
                                     .routes = skr_routes,
                                     .fault = skr_routes_fault,
                                     .ctx = &ctx,
                                     .clk = clock_system(),
                                     .metrics = s->metrics,
                                     .request_ms = s->config.timeouts.request_ms,
                                     .receive_ms = RECEIVE_MS,
                                     .idle_ms = IDLE_MS,
                                     .max_files = max_files,
                                     .insecure_dev = o->insecure_dev };
    struct httpd *httpd = NULL;
    size_t n_cut = 0;
    int sig = 0;

    if (httpd_start(&hc, &httpd, e) != 0)
        return -1;
    log_info("serving on port %d", o->port);
    sigwait(end, &sig);
    log_info("%s: draining", strsignal(sig));
    httpd_stop(httpd, s->config.timeouts.drain_ms, &n_cut);
    if (n_cut != 0) { /* their workers still use everything: it goes with the process */
        log_warning("%zu requests were cut off after %lld ms", n_cut,
                    (long long)s->config.timeouts.drain_ms);
        _Exit(EXIT_FAILURE);
    }
    return 0;
}

static int run(const struct skr_options *o, struct err *e)
{
    struct skr s = { .service = NULL };
    size_t max_files = 0;
    sigset_t end;

    if (o->insecure_dev)
        fprintf(stderr, "%s\n", DEV_BANNER);
    block_signals(&end);
    if (harden_raise_files(MAX_FILES, &max_files, e) != 0 || harden_process(e) != 0)
        return -1;
    if (skr_build(o, &s, e) != 0)
        return -1;
    const int rc = serve(o, &s, max_files, &end, e);
    skr_free(&s);
    return rc;
}

static int wrap(const struct skr_options *o, struct err *e)
{
    if (annotation_wrap_file(o->infile, o->keypath, o->outfile, e) != 0)
        return -1;
    printf("Success! The wrapped data is saved to %s\n", o->outfile);
    return 0;
}

static int healthcheck(const struct skr_options *o, struct err *e)
{
    const struct http_client_curl_config cc = { .connect_timeout_ms = HEALTHCHECK_MS };
    CLEANUP(http_response_done) struct http_response r = { 0 };
    struct http_client *client = NULL;
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/readyz", o->port);
    const struct http_request req = {
        .method = "GET", .url = url, .timeout_ms = HEALTHCHECK_MS, .no_proxy = true
    };
    if (http_client_curl_new(&cc, &client, e) != 0)
        return -1;
    const int rc = http_perform(client, &req, &r, e);
    http_client_close(client);
    if (rc != 0)
        return err_wrap(e, "port %d", o->port);
    if (r.status != 200)
        return err_set(e, ERR_CHECK, "port %d is not ready: %.*s", o->port, (int)r.body.n,
                       (const char *)r.body.p);
    return 0;
}

int main(int argc, char **argv)
{
    struct skr_options o;
    enum log_level level = LOG_WARNING;
    enum log_format format = LOG_TEXT;
    struct err e;

    if (wipe_install(&e) != 0 || skr_options_parse(argc, argv, &o, &e) != 0 ||
        log_level_parse(o.log_level, &level, &e) != 0 ||
        log_format_parse(o.log_format, &format, &e) != 0 ||
        log_open(o.log_file, level, format, &e) != 0) {
        fprintf(stderr, "skr: %s\n", e.msg);
        return EXIT_FAILURE;
    }
    if (o.version) {
        printf("skr %s (build %s)\n", SKR_VERSION, BUILD_ID);
        return EXIT_SUCCESS;
    }
    const int rc = o.healthcheck ? healthcheck(&o, &e) : o.infile[0] ? wrap(&o, &e) : run(&o, &e);
    if (rc != 0)
        log_error("%s", e.msg);
    log_close();
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
