/* Any bytes as a report under one chain. What is accepted is signed, and nothing that a report
 * says passes unless its signature does. */
#include "attest/verify.h"

#include "fuzz/milan_chain.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum verify_result result_of(const struct verify_findings *f, const char *code)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->checks[i].code, code) == 0)
            return f->checks[i].result;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const statements[] = { "tcb", "chip_id", "hwid", "report_data",
                                              "host_data" };
    static struct amd_roots roots; /* read once: the process is the cache */
    static const uint8_t expected[SNP_REPORT_DATA_SIZE];
    struct verify_findings found;
    struct snp_report report;
    struct err e;

    if (roots.arks.n == 0) {
        const char *ark = strstr(strstr(milan_chain + 1, "-----BEGIN") + 1, "-----BEGIN");

        if (amd_roots_add_pem(&roots, span_str(ark), &e) != 0)
            abort();
    }
    const struct verify_input in = { .report = span_of(data, size),
                                     .chain_pem = span_str(milan_chain),
                                     .roots = &roots,
                                     .unix_s = 1772323200,
                                     .report_data = expected };
    verify_evidence(&in, &found);
    const bool is_sized = snp_report_parse(in.report, &report, &e) == 0;
    if (is_sized != (size == SNP_REPORT_SIZE) ||
        is_sized != (result_of(&found, "size") == VERIFY_PASS))
        abort();
    const bool is_signed = result_of(&found, "signature") == VERIFY_PASS;
    if (verify_is_accepted(&found) && !is_signed)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        if (result_of(&found, statements[i]) == VERIFY_PASS && !is_signed)
            abort();
    return 0;
}
