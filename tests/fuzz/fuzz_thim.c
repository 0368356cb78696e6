/* Whatever a node answers: certificates with a TCB that its digits say, or a refusal. */
#include "azure/thim.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(thim_certs_done) struct thim_certs c = { 0 };
    uint64_t tcb = 0;
    struct err e;

    if (thim_parse(span_of(data, size), &c, &e) != 0) {
        if (e.code != ERR_PARSE || c.vcek_pem != NULL)
            abort();
        return 0;
    }
    if (strstr(c.vcek_pem, "-----BEGIN CERTIFICATE-----") == NULL ||
        strstr(c.chain_pem, "-----BEGIN CERTIFICATE-----") == NULL || strlen(c.tcbm) > 16 ||
        str_to_u64(c.tcbm, 16, UINT64_MAX, &tcb, &e) != 0 || tcb != c.tcb || c.max_age_s < 0)
        abort();
    return 0;
}
