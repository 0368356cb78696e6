/*
 * The certificates that this machine trusts for TLS and for signed vault answers.
 *
 * Read once, ahead or at the first use, whatever thread comes first. SSL_CERT_FILE names the bundle
 * that replaces the system's; SSL_CERT_DIR (colon separated) names directories of single
 * certificates instead of the default one. A named file that cannot be read is an error, a
 * directory is not.
 */
#ifndef CRYPTO_ROOTS_H
#define CRYPTO_ROOTS_H

#include "base/buf.h"

struct roots;

/* Takes the two variables' values (NULL when unset); reads nothing yet. */
MUST_CHECK int roots_new(const char *cert_file, const char *cert_dir, struct roots **out,
                         struct err *e);
void roots_free(struct roots *r); /* waits for a thread that reads ahead */

/* Reads them now; later calls are free. Fails: ERR_SYS, ERR_PARSE (no certificate in the file). */
MUST_CHECK int roots_load(struct roots *r, struct err *e);

/* Has a thread read them, so that a use that is near need not; returns at once. What goes wrong is
 * told to the first use. */
void roots_load_ahead(struct roots *r);

/* Gives an SSL_CTX (as libcurl hands it out) these roots, and TLS 1.2 or later.
 * Fails as roots_load(). */
MUST_CHECK int roots_attach(struct roots *r, void *ssl_ctx, struct err *e);

#endif
