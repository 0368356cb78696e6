#include "cmd/skr_options.h"

#include "base/flags.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static int check(const struct skr_options *o, struct err *e)
{
    if (strcmp(o->server_type, "grpc") == 0 || strcmp(o->server_type, "both") == 0)
        return err_set(e, ERR_UNSUPPORTED, "-server_type %s: the gRPC server is not in this build",
                       o->server_type);
    if (strcmp(o->server_type, "http") != 0)
        return err_set(e, ERR_ARG, "-server_type: use http, grpc or both");
    if (o->port < 1 || o->port > 65535)
        return err_set(e, ERR_ARG, "-port: %d is not a TCP port", o->port);
    if (!str_is_empty(o->infile) && str_is_empty(o->keypath))
        return err_set(e, ERR_ARG, "-infile needs -keypath, the wrapping key's path");
    if (!str_is_empty(o->infile) && str_is_empty(o->outfile))
        return err_set(e, ERR_ARG, "-infile needs -outfile, where the wrapped data goes");
    if (str_is_empty(o->infile) && (!str_is_empty(o->keypath) || !str_is_empty(o->outfile)))
        return err_set(e, ERR_ARG, "-keypath and -outfile need -infile, the data to wrap");
    return 0;
}

int skr_options_parse(int argc, char **argv, struct skr_options *out, struct err *e)
{
    struct skr_options o = { .base64 = "",
                             .log_level = "warning",
                             .log_file = "",
                             .log_format = "text",
                             .server_type = "http",
                             .infile = "",
                             .keypath = "",
                             .outfile = "",
                             .port = 8080,
                             .grpc_port = 50000 };
    const struct flag table[] = {
        { "allowTestingMismatchedTCB", FLAG_BOOL, &o.any_tcb,
          "for testing only: start with certificates of another TCB" },
        { "base64", FLAG_STRING, &o.base64, "base64 of the configuration, a JSON object" },
        { "grpc_port", FLAG_INT, &o.grpc_port, "TCP port of the gRPC server on loopback" },
        { "healthcheck", FLAG_BOOL, &o.healthcheck,
          "ask the skr that runs on -port whether it is ready; exit 0 or 1" },
        { "infile", FLAG_STRING, &o.infile, "wrap this file's content and exit" },
        { "insecure-dev", FLAG_BOOL, &o.insecure_dev,
          "development mode: a simulated processor and local services are allowed" },
        { "keypath", FLAG_STRING, &o.keypath, "path of the wrapping key, without -info.json" },
        { "log-format", FLAG_STRING, &o.log_format, "text or json" },
        { "logfile", FLAG_STRING, &o.log_file, "append the log to this file instead of stderr" },
        { "loglevel", FLAG_STRING, &o.log_level,
          "trace, debug, info, warning, error, fatal or panic" },
        { "outfile", FLAG_STRING, &o.outfile, "where the wrapped data goes" },
        { "port", FLAG_INT, &o.port, "TCP port of the HTTP server on loopback" },
        { "server_type", FLAG_STRING, &o.server_type, "http, grpc or both" },
        { "version", FLAG_BOOL, &o.version, "print the version and exit" },
        { NULL, FLAG_BOOL, NULL, NULL },
    };
    int rest = argc;

    switch (flags_parse(table, argc, argv, &rest, e)) {
    case FLAGS_OK:
        break;
    case FLAGS_HELP:
        flags_usage(table, argv[0], stderr);
        exit(0);
    case FLAGS_BAD:
        fprintf(stderr, "%s\n", e->msg);
        flags_usage(table, argv[0], stderr);
        exit(2);
    }
    if (check(&o, e) != 0)
        return -1;
    *out = o;
    return 0;
}
