/*
 * Inside crypto/ only: certificates kept as bytes and found by their subject. OpenSSL's own store
 * parses every root of the system, of which a process meets one or two.
 */
#ifndef CRYPTO_ROOTS_INDEX_H
#define CRYPTO_ROOTS_INDEX_H

#include "base/buf.h"

#include <openssl/x509_vfy.h>

struct roots_index; /* immutable once a store has it */

MUST_CHECK int roots_index_new(struct roots_index **out, struct err *e);
void roots_index_free(struct roots_index *x);
void roots_index_freep(struct roots_index **x);

/* Adds every certificate of a PEM text that is not there yet; what is damaged is passed over. */
MUST_CHECK int roots_index_add_pem(struct roots_index *x, struct span pem, struct err *e);

size_t roots_index_count(const struct roots_index *x);

/* A store that takes its certificates from the index when they are asked for. The index becomes
 * the store's, on success. */
MUST_CHECK int roots_index_open_store(struct roots_index **x, X509_STORE **out, struct err *e);

#endif
