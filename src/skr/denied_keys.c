#include "skr/denied_keys.h"

#include <string.h>

bool denied_keys_add(struct denied_keys *d, const struct endpoint *vault, const struct key_ref *key)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t digest[SHA256_SIZE];
    char name[KEY_NAME_SIZE + KEY_VERSION_SIZE];
    struct err e;

    key_ref_format(key, name);
    if (buf_printf(&text, &e, "%s/%s", vault->authority, name) != 0 ||
        digest_sha256(buf_span(&text), digest, &e) != 0)
        return false;
    for (size_t i = 0; i < d->n; i++)
        if (span_equal(span_of(d->digests[i], SHA256_SIZE), span_of(digest, SHA256_SIZE)))
            return false;
    if (d->n == DENIED_KEYS_MAX)
        return false;
    memcpy(d->digests[d->n++], digest, SHA256_SIZE);
    return true;
}
