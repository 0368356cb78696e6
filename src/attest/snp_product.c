/* The table of generations. A new one is a row here, and a root. */
#include "attest/snp_product.h"

#include <string.h>

#define SPL(n) "1.3.6.1.4.1.3704.1.3." #n

/* Milan and Genoa keep four parts that have no name yet between TEE and SNP. */
static const struct snp_tcb_part tcb_of_family_19[SNP_TCB_SIZE] = {
    { "boot loader", SPL(1) }, { "TEE", SPL(2) },   { "spl_4", SPL(4) }, { "spl_5", SPL(5) },
    { "spl_6", SPL(6) },       { "spl_7", SPL(7) }, { "SNP", SPL(3) },   { "microcode", SPL(8) },
};

static const struct snp_tcb_part tcb_of_family_1a[SNP_TCB_SIZE] = {
    { "FMC", SPL(9) },   { "boot loader", SPL(1) }, { "TEE", SPL(2) },   { "SNP", SPL(3) },
    { "spl_5", SPL(5) }, { "spl_6", SPL(6) },       { "spl_7", SPL(7) }, { "microcode", SPL(8) },
};

static const struct snp_product milan = { "Milan", tcb_of_family_19, 64 };
static const struct snp_product genoa = { "Genoa", tcb_of_family_19, 64 };
static const struct snp_product turin = { "Turin", tcb_of_family_1a, 8 };

/* Bergamo and Siena are Genoa to the key distribution service. */
static const struct {
    uint8_t family, first_model, last_model;
    const struct snp_product *product;
} models[] = {
    { 0x19, 0x00, 0x0f, &milan },
    { 0x19, 0x10, 0x1f, &genoa },
    { 0x19, 0xa0, 0xaf, &genoa },
    { 0x1a, 0x00, 0x11, &turin },
};

const struct snp_product *snp_product_by_cpuid(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (family == models[i].family && model >= models[i].first_model &&
            model <= models[i].last_model)
            return models[i].product;
    return NULL;
}

const struct snp_product *snp_product_by_name(struct span name)
{
    static const struct snp_product *const all[] = { &milan, &genoa, &turin };
    size_t n = 0;

    while (n < name.n && name.p[n] != '-')
        n++;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (span_equal(span_of(name.p, n), span_str(all[i]->name)))
            return all[i];
    return NULL;
}
