/* Certificates in the shape of AMD's Milan chain: ARK, ASK, and a VCEK for each TCB. */
#ifndef SIM_AMD_ISSUE_H
#define SIM_AMD_ISSUE_H

#include "crypto/x509_issue.h"

#define AMD_ISSUE_CHIP_ID_SIZE 64

/* Security patch levels; microcode up to 255, the others up to 127. */
struct amd_tcb {
    uint8_t boot_loader, tee, snp, microcode;
};

/* As one number, whose hexadecimal form is "tcbm" and whose little-endian bytes are the report's.
 */
uint64_t amd_tcb_number(struct amd_tcb tcb);

MUST_CHECK int amd_issue_ark(const struct signer *key, int64_t not_before, struct x509_cert **out,
                             struct err *e);
MUST_CHECK int amd_issue_ask(const struct signer *key, const struct x509_cert *ark,
                             const struct signer *ark_key, int64_t not_before,
                             struct x509_cert **out, struct err *e);
MUST_CHECK int amd_issue_vcek(const struct signer *key, const struct x509_cert *ask,
                              const struct signer *ask_key, struct amd_tcb tcb,
                              const uint8_t chip_id[static AMD_ISSUE_CHIP_ID_SIZE],
                              int64_t not_before, struct x509_cert **out, struct err *e);

#endif
