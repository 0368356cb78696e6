/* The single checks of verify, each a function over the same state. Used by verify.c only. */
#ifndef ATTEST_VERIFY_CHECKS_H
#define ATTEST_VERIFY_CHECKS_H

#include "attest/vek_ext.h"
#include "attest/verify.h"

/* What checks that passed leave for those behind them; a check names what it needs. */
enum verify_fact {
    HAVE_REPORT = 1 << 0,  /* report */
    HAVE_PADDING = 1 << 1, /* R and S fit their 48 bytes */
    HAVE_CERTS = 1 << 2,   /* certs: VEK, ASK, ARK */
    HAVE_EXT = 1 << 3,     /* ext */
    HAVE_TCB = 1 << 4,     /* cert_tcb */
    HAVE_PRODUCT = 1 << 5, /* ext.product is the product */
    HAVE_ROOT = 1 << 6,    /* root */
    HAVE_KEY = 1 << 7,     /* the VEK's key is on P-384 */
    HAVE_CHIP_ID = 1 << 8, /* CHIP_ID is not masked */
};

struct verify_state {
    const struct verify_input *in;
    struct snp_report report;
    struct x509_list certs;
    struct vek_ext ext;
    uint8_t cert_tcb[SNP_TCB_SIZE];
    const struct x509_cert *root; /* the pinned one, never the delivered one */
};

enum { VERIFY_VEK, VERIFY_ASK, VERIFY_ARK, VERIFY_N_CERTS };

/* Returns the result and writes the sentence. */
typedef enum verify_result verify_fn(struct verify_state *s, struct verify_check *out);

enum verify_result verify_pass(struct verify_check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum verify_result verify_fail(struct verify_check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum verify_result verify_skip(struct verify_check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* verify_report.c: the report alone, and what is expected of it */
verify_fn verify_size, verify_version, verify_signature_algo, verify_signature_padding,
    verify_signature_reserved, verify_chip_id, verify_report_data, verify_host_data;

/* verify_certs.c: the certificates, and the report against them */
verify_fn verify_certificates, verify_cert_ext, verify_cert_integer, verify_product, verify_root,
    verify_cert_name, verify_cert_sigalg, verify_chain, verify_cert_time, verify_cert_key,
    verify_signing_key, verify_signature, verify_tcb, verify_hwid;

#endif
