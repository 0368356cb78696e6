/* The AMD root keys (ARK) that are trusted: AMD's own for each product, and injected ones. */
#ifndef ATTEST_AMD_ROOTS_H
#define ATTEST_AMD_ROOTS_H

#include "crypto/x509.h"

struct amd_roots {
    struct x509_list arks;
};

/* AMD's published roots for Milan, Genoa and Turin, compiled in. */
MUST_CHECK int amd_roots_add_builtin(struct amd_roots *r, struct err *e);
/* Every certificate of a PEM text. */
MUST_CHECK int amd_roots_add_pem(struct amd_roots *r, struct span pem, struct err *e);
void amd_roots_done(struct amd_roots *r);

/* The trusted root with this certificate's public key and subject name, or NULL. Borrowed.
 * Verify under the one returned, not under the one delivered. */
const struct x509_cert *amd_roots_find(const struct amd_roots *r,
                                       const struct x509_cert *delivered);

#endif
