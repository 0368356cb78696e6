/*
 * What skr does for its callers, apart from HTTP: reports, evidence, attestation tokens, keys.
 * One object for the process, safe for many threads.
 */
#ifndef SKR_SERVICE_H
#define SKR_SERVICE_H

#include "attest/uvm_info.h"
#include "crypto/signer_cache.h"
#include "skr/config.h"
#include "skr/failure.h"
#include "skr/key_pool.h"
#include "skr/readiness.h"
#include "skr/user_agent.h"

/* Collaborators, made by main(). Taken over: device, certs, identity, uvm, and env's client;
 * borrowed, and outliving the service: the rest. */
struct service_parts {
    const struct config *config;
    const struct http_env *env;
    struct roots *roots;
    struct signer_cache *signers; /* of vaults */
    struct device_thread *device;
    struct cert_store *certs;
    struct identity *identity;
    struct uvm_info uvm;
    bool insecure_dev, any_tcb;
};

struct session_store;

struct service {
    struct service_parts parts;
    struct endpoint_allow allow;
    struct buf reference; /* decoded reference info, or empty */
    struct err uvm_error; /* why the group's policy or reference info is no base64, or ERR_NONE */
    struct user_agent user_agent;
    struct readiness readiness;
    struct key_pool *keys;
    struct session_store *sessions;
};

/* Starts the background threads. parts is taken over on success only. */
MUST_CHECK int service_new(const struct service_parts *parts, struct service **out, struct err *e);

/* Ends the background threads and frees all. Only when no request runs any more. */
void service_free(struct service *s);

/* All below: -1 with a classified failure; outputs untouched then. deadline_ms on the clock. */

/* A report over SHA-256(data). */
MUST_CHECK int service_report(struct service *s, struct span data, int64_t deadline_ms,
                              uint8_t out_report[static SNP_REPORT_SIZE], struct failure *f);

/* The same with the certificates of its TCB; evidence_done(). */
MUST_CHECK int service_evidence(struct service *s, struct span data, int64_t deadline_ms,
                                struct evidence *out, struct failure *f);

/* An attestation token over data, which must be JSON; endpoint as the caller named it. */
MUST_CHECK int service_attest(struct service *s, const char *maa_endpoint, struct span data,
                              int64_t deadline_ms, char **out_token, struct failure *f);

/* Reference info as stored, "" when there is none. */
const char *service_reference_b64(const struct service *s);

bool service_is_ready(struct service *s, struct err *reason);

/* For this floor: attests to an endpoint that was parsed already. out_tcb: REPORTED_TCB of the
 * report that was judged. */
MUST_CHECK int service_attest_at(struct service *s, const struct endpoint *maa, struct span data,
                                 int64_t deadline_ms, char **out_token, uint64_t *out_tcb,
                                 struct failure *f);

/* For this floor: neither the last report nor the certificates in use are of another TCB. */
bool service_has_tcb(struct service *s, uint64_t reported_tcb);

/* Adds the time since start_ms to skr_stage_seconds. */
void service_observe(const struct service *s, enum stage stage, int64_t start_ms);

#endif
