/*
 * What AMD states about a processor in the extensions of its certificate (VCEK or VLEK), arc
 * 1.3.6.1.4.1.3704.1: product, the security patch levels of its TCB, and whose key it is.
 */
#ifndef ATTEST_VEK_EXT_H
#define ATTEST_VEK_EXT_H

#include "attest/snp_product.h"
#include "crypto/x509.h"

enum vek_kind { VEK_VCEK, VEK_VLEK }; /* of one chip, or of a provider's fleet */

struct vek_ext {
    const struct snp_product *product;
    enum vek_kind kind;
    struct span hwid;              /* VCEK; borrowed from the certificate */
    struct span spl[SNP_TCB_SIZE]; /* DER, in the order of the product's TCB; borrowed */
};

/* Fails: ERR_PARSE: an extension is missing or repeated, the product is unknown, or the
 * certificate names a chip and a provider, or neither. */
MUST_CHECK int vek_ext_parse(const struct x509_cert *c, struct vek_ext *out, struct err *e);

/* The patch levels as a TCB_VERSION. Fails: ERR_PARSE for one that is no INTEGER of 0..255 in
 * DER; the message names it. */
MUST_CHECK int vek_ext_tcb(const struct vek_ext *ext, uint8_t out[static SNP_TCB_SIZE],
                           struct err *e);

/* One INTEGER of 0..255: tag, length, no negative, no padding beyond DER's, nothing behind. */
MUST_CHECK int vek_ext_parse_spl(struct span der, uint8_t *out, struct err *e);

#endif
