/* A directory of keys and certificates that outlive the process; one process uses it at a time. */
#ifndef SIM_KEYDIR_H
#define SIM_KEYDIR_H

#include "crypto/signer.h"
#include "crypto/x509.h"

struct keydir {
    char *path; /* of DIR/pki */
    int lock_fd;
};

enum keydir_kind { KEYDIR_RSA_2048, KEYDIR_RSA_4096, KEYDIR_P256, KEYDIR_P384 };

/* Makes dir and dir/pki where they are missing, and locks them.
 * Fails: ERR_SYS, ERR_CHECK (another process uses it), ERR_NOMEM. */
MUST_CHECK int keydir_open(struct keydir *d, const char *dir, struct err *e);
void keydir_close(struct keydir *d);

/* The private key NAME.key.pem: read, or made and written with mode 0600. The caller's.
 * Fails: ERR_PARSE (damaged; the message names the file), ERR_SYS, ERR_NOMEM. */
MUST_CHECK int keydir_key(const struct keydir *d, const char *name, enum keydir_kind kind,
                          struct signer **out, struct err *e);

/* The certificate NAME.cert.pem; *out is NULL when there is no such file. Fails: likewise. */
MUST_CHECK int keydir_read_cert(const struct keydir *d, const char *name, struct x509_cert **out,
                                struct err *e);
MUST_CHECK int keydir_write_cert(const struct keydir *d, const char *name, struct span pem,
                                 struct err *e);

/* n random bytes that stay the same: the file NAME. Fails: likewise. */
MUST_CHECK int keydir_random(const struct keydir *d, const char *name, uint8_t *out, size_t n,
                             struct err *e);

#endif
