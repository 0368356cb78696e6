/* Secure key release: from a verified token and a key to the signed answer. */
#ifndef SIM_VAULT_RELEASE_H
#define SIM_VAULT_RELEASE_H

#include "sim/vault_attack.h"
#include "sim/vault_reply.h"
#include "sim/vault_signer.h"
#include "sim/vault_wrap.h"

/* What the payload of an answer is made of; all borrowed. */
struct vault_payload {
    enum vault_product product;
    const struct vault_key *key;
    const char *authority; /* host or host:port, as called */
    const char *url_path;  /* "name" or "name/version", as the URL had it */
    const char *api_version;
    const char *enc, *nonce; /* nonce may be NULL */
    const char *kty;
    const char *wrap_kid;
    struct span ciphertext;
};

/* Appends the payload in the product's order of members (protocols.md §2.6). Pure. */
MUST_CHECK int vault_payload_format(const struct vault_payload *p, struct buf *out, struct err *e);

/* Answers POST …/release. key is the version that the URL names; it and what the store holds must
 * stay unchanged for the time of the call. */
MUST_CHECK int vault_release(struct vault_call *c, const struct vault_key *key,
                             struct vault_signers *signers, enum vault_attack attack,
                             struct err *e);

#endif
