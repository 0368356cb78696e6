/* Any bytes as a patch level, and as a certificate whose extensions are read. */
#include "attest/vek_ext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There is one spelling of each number: what was accepted is what an encoder writes. */
static void check_spl(struct span der)
{
    uint8_t v = 0;
    struct err e;

    if (vek_ext_parse_spl(der, &v, &e) != 0)
        return;
    const uint8_t low[] = { 2, 1, v }, high[] = { 2, 2, 0, v };
    if (!span_equal(der, v < 0x80 ? span_of(low, sizeof(low)) : span_of(high, sizeof(high))))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(x509_cert_freep) struct x509_cert *c = NULL;
    uint8_t tcb[SNP_TCB_SIZE];
    struct vek_ext ext;
    struct err e;

    check_spl(span_of(data, size));
    if (x509_cert_from_der(span_of(data, size), &c, &e) != 0 || vek_ext_parse(c, &ext, &e) != 0)
        return 0;
    if (ext.product == NULL || (ext.kind == VEK_VCEK && ext.hwid.n > size))
        abort();
    for (size_t i = 0; i < SNP_TCB_SIZE; i++)
        check_spl(ext.spl[i]);
    if (vek_ext_tcb(&ext, tcb, &e) != 0)
        return 0;
    for (size_t i = 0; i < SNP_TCB_SIZE; i++)
        if (tcb[i] != ext.spl[i].p[ext.spl[i].n - 1])
            abort();
    return 0;
}
