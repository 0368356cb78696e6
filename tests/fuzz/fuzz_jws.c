/* Any bytes as a signed answer: neither peeking nor opening may do more than say no. The roots are
 * tests/data/jws/roots.pem, so that its files, the seeds, get as far as they can. */
#include "crypto/jws.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct signer_cache *load_signers(void)
{
    const char *source = getenv("SOURCE_ROOT");
    struct signer_cache *signers;
    struct roots *roots;
    struct err e;
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/data/jws/roots.pem", source != NULL ? source : ".");
    if (roots_new(path, "/nonexistent", &roots, &e) != 0 || roots_load(roots, &e) != 0 ||
        signer_cache_new(roots, &signers, &e) != 0) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    return signers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signer_cache *signers;
    json_t *header = NULL, *payload = NULL, *opened = NULL;
    struct err e;

    if (signers == NULL)
        signers = load_signers();
    const int peeked = jws_peek(span_of(data, size), &header, &payload, &e);
    if ((peeked == 0) != (header != NULL) || (peeked == 0) != (payload != NULL))
        abort();
    const int open =
        jws_open_x5c(span_of(data, size), signers, "vault.azure.net", 1790000000, &opened, &e);
    if ((open == 0) != (opened != NULL) || (open == 0 && peeked != 0))
        abort();
    json_decref(header);
    json_decref(payload);
    json_decref(opened);
    return 0;
}
