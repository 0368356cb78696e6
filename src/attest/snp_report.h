/*
 * The SEV-SNP attestation report (AMD 56860, ATTESTATION_REPORT), versions 2 to 5: 1184 bytes,
 * little-endian. The bytes are what is signed and are never rebuilt from the struct.
 */
#ifndef ATTEST_SNP_REPORT_H
#define ATTEST_SNP_REPORT_H

#include "base/buf.h"

#define SNP_REPORT_SIZE        1184
#define SNP_REPORT_SIGNED_SIZE 0x2a0
#define SNP_REPORT_DATA_SIZE   64
#define SNP_HOST_DATA_SIZE     32
#define SNP_MEASUREMENT_SIZE   48
#define SNP_CHIP_ID_SIZE       64

struct snp_report {
    uint32_t version, guest_svn;
    uint64_t policy;
    uint8_t family_id[16], image_id[16];
    uint32_t vmpl, signature_algo;
    uint64_t current_tcb, platform_info;
    uint32_t flags; /* AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY */
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint8_t measurement[SNP_MEASUREMENT_SIZE];
    uint8_t host_data[SNP_HOST_DATA_SIZE];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    uint64_t reported_tcb; /* the TCB whose VCEK signs; the number whose hex form is "tcbm" */
    uint8_t cpuid_family, cpuid_model, cpuid_step; /* version 3 and later, else 0 */
    uint8_t chip_id[SNP_CHIP_ID_SIZE];
    uint64_t committed_tcb, launch_tcb;
    uint8_t current_build, current_minor, current_major;
    uint8_t committed_build, committed_minor, committed_major;
    uint8_t signature_r[72], signature_s[72]; /* little-endian */
};

#define SNP_POLICY_SMT        (UINT64_C(1) << 16)
#define SNP_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define SNP_POLICY_DEBUG      (UINT64_C(1) << 19)

/* Fails: ERR_PARSE for another size than SNP_REPORT_SIZE. */
MUST_CHECK int snp_report_parse(struct span bytes, struct snp_report *out, struct err *e);

/* REPORT_DATA for a caller's data: SHA-256 of it, then 32 zero bytes. */
MUST_CHECK int snp_report_data(struct span runtime_data, uint8_t out[static SNP_REPORT_DATA_SIZE],
                               struct err *e);

#endif
