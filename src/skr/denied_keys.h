/* A bounded set of keys whose release was denied. Not safe for threads. */
#ifndef SKR_DENIED_KEYS_H
#define SKR_DENIED_KEYS_H

#include "azure/endpoint.h"
#include "crypto/digest.h"

#define DENIED_KEYS_MAX 32

struct denied_keys { /* {0} is empty */
    uint8_t digests[DENIED_KEYS_MAX][SHA256_SIZE];
    size_t n;
};

/* True: the key is remembered from now on. False: it was there before, or the set is full, or
 * memory is short. */
bool denied_keys_add(struct denied_keys *d, const struct endpoint *vault,
                     const struct key_ref *key);

#endif
