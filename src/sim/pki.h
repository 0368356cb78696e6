/*
 * The throw-away public keys of the simulated cloud: a TLS CA, and an AMD-shaped root and
 * intermediate (ARK, ASK) with one VCEK for each TCB. Keys and roots are kept in a directory, so
 * that a second start makes none; key files have mode 0600. Certificates of hosts are issued anew
 * at each start. Safe for many threads.
 */
#ifndef SIM_PKI_H
#define SIM_PKI_H

#include "sim/amd_issue.h"

struct pki;

/*
 * dir           made when it is missing
 * server_names  for the certificate of the TLS server; NULL-terminated
 * extra_names   more of them, comma separated, or NULL
 * now_s         certificates are valid from the day before
 * Fails: ERR_SYS, ERR_CHECK (another process uses the directory), ERR_PARSE (a damaged file; the
 * message names it), ERR_NOMEM.
 */
MUST_CHECK int pki_open(const char *dir, const char *const *server_names, const char *extra_names,
                        int64_t now_s, struct pki **out, struct err *e);
void pki_close(struct pki *p);

/* Borrowed for the life of the object; PEM. */
struct span pki_tls_ca(const struct pki *p);
const struct x509_cert *pki_tls_ca_cert(const struct pki *p);
const struct signer *pki_tls_ca_key(const struct pki *p); /* issues what signs vault answers */
struct span pki_ark(const struct pki *p);
struct span pki_amd_chain(const struct pki *p);   /* ASK, ARK */
struct span pki_server_cert(const struct pki *p); /* leaf, CA */
struct span pki_server_key(const struct pki *p);
const uint8_t *pki_chip_id(const struct pki *p); /* AMD_ISSUE_CHIP_ID_SIZE bytes */

/* A key with its certificate. Borrowed for the life of the pki. */
struct pki_identity {
    struct signer *key;
    struct x509_cert *cert;
    struct buf pem; /* of the certificate */
};

/* The VCEK of a TCB: made on the first call for it, then kept. Fails: ERR_SYS, ERR_PARSE,
 * ERR_NOMEM. */
MUST_CHECK int pki_vcek(struct pki *p, struct amd_tcb tcb, const struct pki_identity **out,
                        struct err *e);

enum pki_role {
    PKI_SERVER, /* RSA-2048, issued by the TLS CA for the host "name", serverAuth */
    PKI_SELF,   /* RSA-2048, self-signed, common name "name" */
};

/* Made on the first call for a role and name, then kept. name: letters, digits, '.', '-'.
 * Fails: ERR_ARG (name), ERR_SYS, ERR_PARSE, ERR_NOMEM. */
MUST_CHECK int pki_identity(struct pki *p, enum pki_role role, const char *name,
                            const struct pki_identity **out, struct err *e);

#endif
