/*
 * The throw-away public keys of the simulated cloud, kept in a directory so that a second start
 * makes none: a TLS CA, and an AMD-shaped root and intermediate (ARK, ASK) with one VCEK for each
 * TCB. Private keys are files of mode 0600. Safe for many threads.
 */
#ifndef SIM_PKI_H
#define SIM_PKI_H

#include "crypto/signer.h"
#include "crypto/x509.h"

struct pki;

#define PKI_CHIP_ID_SIZE 64

struct pki_tcb {
    uint8_t boot_loader, tee, snp, microcode;
};

/* Milan's layout as a number; its hexadecimal form is "tcbm", its little-endian bytes the report's.
 */
uint64_t pki_tcb_number(struct pki_tcb tcb);

/* dir is made when it is missing; extra names (comma separated or NULL) join the certificate of
 * the TLS server. Fails: ERR_SYS, ERR_PARSE (damaged files), ERR_NOMEM. */
MUST_CHECK int pki_open(const char *dir, const char *const *server_names, const char *extra_names,
                        struct pki **out, struct err *e);
void pki_close(struct pki *p);

/* Borrowed for the life of the object; PEM. */
struct span pki_tls_ca(const struct pki *p);
const struct x509_cert *pki_tls_ca_cert(const struct pki *p);
const struct signer *pki_tls_ca_key(const struct pki *p); /* issues what signs vault answers */
struct span pki_ark(const struct pki *p);
struct span pki_amd_chain(const struct pki *p);   /* ASK, ARK */
struct span pki_server_cert(const struct pki *p); /* leaf, CA */
struct span pki_server_key(const struct pki *p);
const uint8_t *pki_chip_id(const struct pki *p); /* PKI_CHIP_ID_SIZE bytes */

/* A key with its certificate. Borrowed for the life of the pki. */
struct pki_identity {
    struct signer *key;
    struct x509_cert *cert;
    struct buf pem; /* of the certificate */
};

/* The VCEK of a TCB: made on the first call for it, then kept. */
MUST_CHECK int pki_vcek(struct pki *p, struct pki_tcb tcb, const struct pki_identity **out,
                        struct err *e);

enum pki_role {
    PKI_SERVER, /* RSA-2048, issued by the TLS CA for the host name "name", serverAuth */
    PKI_SELF,   /* RSA-2048, self-signed, common name "name" */
};

/* Made on the first call for a role and name, then kept, also in the directory. name is a host name
 * or similar: letters, digits, '.', '-'. Fails: ERR_ARG, ERR_SYS, ERR_NOMEM. */
MUST_CHECK int pki_identity(struct pki *p, enum pki_role role, const char *name,
                            const struct pki_identity **out, struct err *e);

#endif
