/* Inside crypto/ only: walking through PEM texts (RFC 7468). */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include "base/buf.h"

#include <openssl/bio.h>

enum pem_next { PEM_NEXT_FOUND, PEM_NEXT_BROKEN, PEM_NEXT_END };

/*
 * The next block of this label, such as "CERTIFICATE"; blocks of other labels and the text between
 * blocks are passed over. FOUND: *out is its content, the caller's, OPENSSL_clear_free(). BROKEN:
 * a block of any label is damaged or carries header lines; the next call goes on behind it.
 */
enum pem_next pem_next(BIO *bio, const char *label, uint8_t **out, size_t *out_n);

#endif
