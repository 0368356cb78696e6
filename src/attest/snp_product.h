/* The processor generations whose reports can be judged, and what differs between them. */
#ifndef ATTEST_SNP_PRODUCT_H
#define ATTEST_SNP_PRODUCT_H

#include "base/buf.h"

#define SNP_TCB_SIZE 8

/* One byte of a TCB_VERSION and the certificate extension that states it. */
struct snp_tcb_part {
    const char *name; /* for people */
    const char *oid;
};

struct snp_product {
    const char *name;               /* as in "ARK-Milan" */
    const struct snp_tcb_part *tcb; /* SNP_TCB_SIZE parts, from the lowest address */
    size_t hwid_size;               /* bytes of CHIP_ID in use; the rest is zero */
};

/* Both give NULL for anything unknown; the result is static. */
const struct snp_product *snp_product_by_cpuid(uint8_t family, uint8_t model);
const struct snp_product *snp_product_by_name(struct span name); /* "Milan", also "Milan-B0" */

#endif
