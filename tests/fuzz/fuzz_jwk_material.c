/* Whatever bytes a vault releases: they become a JWK that says what they are, or nothing. The same
 * bytes announced as their own public part must be accepted again. */
#include "crypto/jwk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_as(enum jwk_kty kty, struct span material)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(json_freep) json_t *again = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    struct err e;
    const int rc = jwk_from_material(kty, material, NULL, NULL, &jwk, &e);

    if ((rc == 0) != (jwk != NULL))
        abort();
    if (rc != 0)
        return;
    if (jwk_from_material(kty, material, jwk, NULL, &again, &e) != 0 || !json_equal(jwk, again))
        abort();
    if (kty == JWK_RSA && jwk_to_rsa(jwk, &k, &e) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum jwk_kty kinds[] = { JWK_OCT, JWK_RSA, JWK_EC };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        try_as(kinds[i], span_of(data, size));
    return 0;
}
