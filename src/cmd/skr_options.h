/* The command line of skr. */
#ifndef CMD_SKR_OPTIONS_H
#define CMD_SKR_OPTIONS_H

#include "base/log.h"

struct skr_options {
    const char *base64, *log_level, *log_file, *log_format, *server_type;
    const char *infile, *keypath, *outfile;
    int port, grpc_port;
    bool any_tcb, insecure_dev, healthcheck, version;
};

/*
 * Parses; on -h and on a mistake writes usage and ends the process (0, 2), as deployed scripts
 * expect. Values that parse and are wrong come back as an error.
 */
MUST_CHECK int skr_options_parse(int argc, char **argv, struct skr_options *out, struct err *e);

#endif
