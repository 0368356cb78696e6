/*
 * Extensions of a VCEK, below the arc 1.3.6.1.4.1.3704.1, in the order of real ones:
 *
 *   .1 structVersion 0   .2 productName   .3.1 boot loader   .3.2 TEE   .3.4 … .3.7 zero
 *   .3.3 SNP   .3.8 microcode   .4 HWID (the bytes themselves, no inner tag)
 */
#include "sim/amd_issue.h"

#include <string.h>
#include <time.h>

#define PRODUCT    "Milan-B0"
#define ARC        "1.3.6.1.4.1.3704.1"
#define ROOT_YEARS 25
#define VCEK_YEARS 7
#define ARK_SERIAL 0x10000
#define ASK_SERIAL 0x10001
#define SMALL_SIZE 4 /* of a DER integer up to 255 */
#define N_INTEGERS 9
#define N_DN       6

uint64_t amd_tcb_number(struct amd_tcb tcb)
{
    return (uint64_t)tcb.microcode << 56 | (uint64_t)tcb.snp << 48 | (uint64_t)tcb.tee << 8 |
           tcb.boot_loader;
}

static int64_t years_after(int64_t unix_s, int years)
{
    const time_t from = (time_t)unix_s;
    struct tm t;

    gmtime_r(&from, &t);
    t.tm_year += years;
    return (int64_t)timegm(&t);
}

static void name_of(const char *common_name, struct x509_name_part out[static N_DN])
{
    const struct x509_name_part name[N_DN] = {
        { "OU", "Engineering" },
        { "C", "US" },
        { "L", "Santa Clara" },
        { "ST", "CA" },
        { "O", "Advanced Micro Devices" },
        { "CN", common_name },
    };

    memcpy(out, name, sizeof(name));
}

int amd_issue_ark(const struct signer *key, int64_t not_before, struct x509_cert **out,
                  struct err *e)
{
    struct x509_name_part name[N_DN];

    name_of("ARK-Milan", name);
    const struct x509_description d = {
        .subject = name,
        .n_subject = N_DN,
        .serial = ARK_SERIAL,
        .not_before = not_before,
        .not_after = years_after(not_before, ROOT_YEARS),
        .key = key,
        .signature = X509_SIGN_PSS_SHA384,
        .ca = true,
        .key_usage = X509_USE_KEY_CERT_SIGN | X509_USE_CRL_SIGN,
        .key_ids = true,
    };
    return x509_issue(&d, out, e);
}

int amd_issue_ask(const struct signer *key, const struct x509_cert *ark,
                  const struct signer *ark_key, int64_t not_before, struct x509_cert **out,
                  struct err *e)
{
    struct x509_name_part name[N_DN];

    name_of("SEV-Milan", name);
    const struct x509_description d = {
        .subject = name,
        .n_subject = N_DN,
        .serial = ASK_SERIAL,
        .not_before = not_before,
        .not_after = years_after(not_before, ROOT_YEARS),
        .key = key,
        .issuer = ark,
        .issuer_key = ark_key,
        .signature = X509_SIGN_PSS_SHA384,
        .ca = true,
        .limit_path = true,
        .path_len = 0,
        .key_usage = X509_USE_KEY_CERT_SIGN,
        .key_ids = true,
    };
    return x509_issue(&d, out, e);
}

/* A DER INTEGER; from 0x80 on a zero byte keeps it positive. */
static struct span small_integer(uint8_t value, uint8_t room[static SMALL_SIZE])
{
    const uint8_t n = value >= 0x80 ? 2 : 1;

    room[0] = 0x02;
    room[1] = n;
    room[2] = 0;
    room[1 + n] = value;
    return span_of(room, 2U + n);
}

int amd_issue_vcek(const struct signer *key, const struct x509_cert *ask,
                   const struct signer *ask_key, struct amd_tcb tcb,
                   const uint8_t chip_id[static AMD_ISSUE_CHIP_ID_SIZE], int64_t not_before,
                   struct x509_cert **out, struct err *e)
{
    static const char product[] = "\x16\x08" PRODUCT; /* IA5String */
    uint8_t room[N_INTEGERS][SMALL_SIZE];
    const struct x509_raw_extension extensions[] = {
        { ARC ".1", small_integer(0, room[0]), false },
        { ARC ".2", span_of(product, sizeof(product) - 1), false },
        { ARC ".3.1", small_integer(tcb.boot_loader, room[1]), false },
        { ARC ".3.2", small_integer(tcb.tee, room[2]), false },
        { ARC ".3.4", small_integer(0, room[3]), false },
        { ARC ".3.5", small_integer(0, room[4]), false },
        { ARC ".3.6", small_integer(0, room[5]), false },
        { ARC ".3.7", small_integer(0, room[6]), false },
        { ARC ".3.3", small_integer(tcb.snp, room[7]), false },
        { ARC ".3.8", small_integer(tcb.microcode, room[8]), false },
        { ARC ".4", span_of(chip_id, AMD_ISSUE_CHIP_ID_SIZE), false },
    };
    struct x509_name_part name[N_DN];

    name_of("SEV-VCEK", name);
    const struct x509_description d = {
        .subject = name,
        .n_subject = N_DN,
        .serial = 0,
        .not_before = not_before,
        .not_after = years_after(not_before, VCEK_YEARS),
        .key = key,
        .issuer = ask,
        .issuer_key = ask_key,
        .signature = X509_SIGN_PSS_SHA384,
        .extensions = extensions,
        .n_extensions = ARRAY_LEN(extensions),
    };
    return x509_issue(&d, out, e);
}
