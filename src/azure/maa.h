/* Microsoft Azure Attestation: evidence in, token out. */
#ifndef AZURE_MAA_H
#define AZURE_MAA_H

#include "azure/endpoint.h"
#include "http/call.h"

struct maa_evidence {
    struct span report;        /* the 1184 bytes */
    struct span cert_chain;    /* PEM: VCEK, ASK, ARK */
    struct span uvm_reference; /* one COSE_Sign1, or empty: "Endorsements" is left out then */
    struct span runtime_data;  /* a JSON text; exactly the bytes whose SHA-256 is REPORT_DATA */
};

/* The request body, byte for byte as contract: compact, in this order, base64url with padding,
 * nonce an unsigned 64-bit decimal number. Appends. */
MUST_CHECK int maa_format_request(const struct maa_evidence *ev, uint64_t nonce, struct buf *out,
                                  struct err *e);

/* {"token": JWT}, the name in any case; three non-empty base64url parts. Fails: ERR_PARSE. */
MUST_CHECK int maa_parse_token(struct span body, char **out_token, struct err *e);

/*
 * POST https://<endpoint>/attest/SevSnpVM?api-version=2020-10-01, with retries.
 * Fails: as http_call() (400, 401, 403: the evidence is refused), ERR_PARSE.
 */
MUST_CHECK int maa_attest(const struct http_env *env, const struct endpoint *maa,
                          const char *user_agent, const struct maa_evidence *ev,
                          int64_t deadline_ms, char **out_token, struct err *e);

#endif
