/* The body of POST /attest/SevSnpVm (protocols.md §1.2). */
#ifndef SIM_SIM_MAA_REQUEST_H
#define SIM_SIM_MAA_REQUEST_H

#include "base/buf.h"

enum maa_data_type { MAA_DATA_NONE, MAA_DATA_JSON, MAA_DATA_BINARY };

/* Data that the report vouches for, byte for byte as it was sent. */
struct maa_data {
    enum maa_data_type type;
    struct buf bytes;
};

struct maa_request {
    struct buf report, chain_pem;
    struct maa_data runtime, init_time;
    char *nonce; /* as text; NULL when none was sent */
};

void maa_request_done(struct maa_request *r);

/* Fails: ERR_PARSE with a sentence for the client, ERR_NOMEM. */
MUST_CHECK int maa_request_parse(struct span body, struct maa_request *out, struct err *e);

#endif
