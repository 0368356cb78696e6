/* THIM, the node's cache of the processor's certificates; the same JSON is mounted as a file. */
#ifndef AZURE_THIM_H
#define AZURE_THIM_H

#include "http/call.h"

#define THIM_DEFAULT_URL "http://169.254.169.254/metadata/THIM/amd/certification"

struct thim_certs {
    char *vcek_pem;    /* as delivered */
    char *chain_pem;   /* ASK, ARK; as delivered */
    char *tcbm;        /* hexadecimal text, as delivered */
    uint64_t tcb;      /* the same as a number */
    int64_t max_age_s; /* cacheControl, at most a year; 0: absent or not a number */
};

void thim_certs_done(struct thim_certs *c);

/* {"vcekCert","tcbm","certificateChain","cacheControl"}, names in any case, unknown ones ignored.
 * Fails: ERR_PARSE: not JSON, a member missing, empty or of another type, tcbm not 1..16 digits,
 * a certificate text without "-----BEGIN CERTIFICATE-----". */
MUST_CHECK int thim_parse(struct span json, struct thim_certs *out, struct err *e);

/* GET url with "Metadata: true", never through a proxy, retried by the metadata service's rules. */
MUST_CHECK int thim_fetch(const struct http_env *env, const char *url, int64_t deadline_ms,
                          struct thim_certs *out, struct err *e);

#endif
