/*
 * ATTESTATION_REPORT as confidential container groups on Milan get it (AMD 56860); little-endian.
 *
 *   000 VERSION 3            004 GUEST_SVN 2       008 POLICY 0x3001f     010 FAMILY_ID 01 00…
 *   020 IMAGE_ID 02 00…      030 VMPL 0            034 SIGNATURE_ALGO 1   038 CURRENT_TCB
 *   040 PLATFORM_INFO 0x25   048 flags 0           050 REPORT_DATA        090 MEASUREMENT
 *   0C0 HOST_DATA            0E0 ID_KEY_DIGEST     140 REPORT_ID          160 REPORT_ID_MA ff…
 *   180 REPORTED_TCB         188 CPUID 19 01 01    1A0 CHIP_ID            1E0 COMMITTED_TCB
 *   1E8 CURRENT 29 55 1      1EC COMMITTED 29 55 1 1F0 LAUNCH_TCB
 *   2A0 R, 2E8 S: 72 bytes each, of which 48 count; the signature is over 000..29F
 */
#include "sim/psp.h"

#include "base/random.h"
#include "crypto/digest.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFF_VERSION        0x000
#define OFF_GUEST_SVN      0x004
#define OFF_POLICY         0x008
#define OFF_FAMILY_ID      0x010
#define OFF_IMAGE_ID       0x020
#define OFF_SIGNATURE_ALGO 0x034
#define OFF_CURRENT_TCB    0x038
#define OFF_PLATFORM_INFO  0x040
#define OFF_REPORT_DATA    0x050
#define OFF_MEASUREMENT    0x090
#define OFF_HOST_DATA      0x0c0
#define OFF_ID_KEY_DIGEST  0x0e0
#define OFF_REPORT_ID      0x140
#define OFF_REPORT_ID_MA   0x160
#define OFF_REPORTED_TCB   0x180
#define OFF_CPUID          0x188
#define OFF_CHIP_ID        0x1a0
#define OFF_COMMITTED_TCB  0x1e0
#define OFF_CURRENT        0x1e8
#define OFF_COMMITTED      0x1ec
#define OFF_LAUNCH_TCB     0x1f0
#define OFF_R              SNP_REPORT_SIGNED_SIZE
#define OFF_S              (OFF_R + COMPONENT_SIZE)

#define COMPONENT_SIZE 72
#define REPORT_ID_SIZE 32
#define SHORT_SIZE     1000
#define POLICY_ACI     UINT64_C(0x3001f) /* ABI 0.31, SMT, and the bit that is always 1 */
#define PLATFORM_MILAN UINT64_C(0x25)    /* SMT, ECC, ALIAS_CHECK_COMPLETE */
#define START_TCB      ((struct amd_tcb){ .boot_loader = 3, .tee = 0, .snp = 8, .microcode = 115 })
#define THIM_MAX_AGE   "86400"

static_assert(OFF_S + COMPONENT_SIZE <= SNP_REPORT_SIZE, "the signature is inside the report");
static_assert(OFF_CHIP_ID + SNP_CHIP_ID_SIZE == OFF_COMMITTED_TCB, "fields touch");
static_assert(AMD_ISSUE_CHIP_ID_SIZE == SNP_CHIP_ID_SIZE, "one chip id");

struct psp {
    struct pki *pki;
    uint8_t first_host_data[SNP_HOST_DATA_SIZE];
    uint8_t measurement[SNP_MEASUREMENT_SIZE], id_key_digest[SHA384_SIZE];
    uint8_t report_id[REPORT_ID_SIZE];

    pthread_mutex_t lock; /* of the settings */
    struct psp_settings settings;
};

static const char *const FAULT_NAMES[] = {
    [PSP_FAIL_STATUS] = "status",
    [PSP_WRONG_REPORT_DATA] = "wrong_report_data",
    [PSP_SHORT] = "short",
    [PSP_BAD_SIGNATURE] = "bad_signature",
};

const char *psp_fault_name(enum psp_fault fault)
{
    return FAULT_NAMES[fault];
}

int psp_fault_parse(const char *name, enum psp_fault *out, struct err *e)
{
    for (size_t i = 1; i < ARRAY_LEN(FAULT_NAMES); i++) {
        if (strcmp(name, FAULT_NAMES[i]) == 0) {
            *out = (enum psp_fault)i;
            return 0;
        }
    }
    return err_set(e, ERR_PARSE,
                   "unknown fault \"%.40s\": use status, wrong_report_data, short or bad_signature",
                   name);
}

void psp_reset(struct psp *p)
{
    struct psp_settings s = { .tcb = START_TCB };

    memcpy(s.host_data, p->first_host_data, sizeof(s.host_data));
    psp_configure(p, &s);
}

int psp_open(struct pki *pki, const uint8_t host_data[static SNP_HOST_DATA_SIZE], struct psp **out,
             struct err *e)
{
    struct psp *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return err_nomem(e);
    pthread_mutex_init(&p->lock, NULL);
    p->pki = pki;
    memcpy(p->first_host_data, host_data, sizeof(p->first_host_data));
    random_fill(p->report_id, sizeof(p->report_id));
    if (digest_sha384(span_str("cloudsim utility VM"), p->measurement, e) != 0 ||
        digest_sha384(span_str("cloudsim ID key"), p->id_key_digest, e) != 0) {
        psp_close(p);
        return -1;
    }
    psp_reset(p);
    *out = p;
    return 0;
}

void psp_close(struct psp *p)
{
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct psp_settings psp_settings(struct psp *p)
{
    pthread_mutex_lock(&p->lock);
    const struct psp_settings copy = p->settings;
    pthread_mutex_unlock(&p->lock);
    return copy;
}

void psp_configure(struct psp *p, const struct psp_settings *s)
{
    pthread_mutex_lock(&p->lock);
    p->settings = *s;
    pthread_mutex_unlock(&p->lock);
}

static void put_le(uint8_t *to, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void fill_body(const struct psp *p, const struct psp_settings *s, const uint8_t *report_data,
                      uint8_t r[static SNP_REPORT_SIZE])
{
    static const uint8_t cpuid[] = { 0x19, 0x01, 0x01 };    /* family, model, stepping */
    static const uint8_t firmware[] = { 0x1d, 0x37, 0x01 }; /* build, minor, major: 1.55.29 */
    static const size_t tcbs[] = { OFF_CURRENT_TCB, OFF_REPORTED_TCB, OFF_COMMITTED_TCB,
                                   OFF_LAUNCH_TCB };

    memset(r, 0, SNP_REPORT_SIZE);
    put_le(r + OFF_VERSION, 3, 4);
    put_le(r + OFF_GUEST_SVN, 2, 4);
    put_le(r + OFF_POLICY, POLICY_ACI, 8);
    r[OFF_FAMILY_ID] = 1;
    r[OFF_IMAGE_ID] = 2;
    put_le(r + OFF_SIGNATURE_ALGO, 1, 4);
    put_le(r + OFF_PLATFORM_INFO, PLATFORM_MILAN, 8);
    memcpy(r + OFF_REPORT_DATA, report_data, SNP_REPORT_DATA_SIZE);
    memcpy(r + OFF_MEASUREMENT, p->measurement, sizeof(p->measurement));
    memcpy(r + OFF_HOST_DATA, s->host_data, sizeof(s->host_data));
    memcpy(r + OFF_ID_KEY_DIGEST, p->id_key_digest, sizeof(p->id_key_digest));
    memcpy(r + OFF_REPORT_ID, p->report_id, sizeof(p->report_id));
    memset(r + OFF_REPORT_ID_MA, 0xff, REPORT_ID_SIZE);
    memcpy(r + OFF_CPUID, cpuid, sizeof(cpuid));
    memcpy(r + OFF_CHIP_ID, pki_chip_id(p->pki), SNP_CHIP_ID_SIZE);
    memcpy(r + OFF_CURRENT, firmware, sizeof(firmware));
    memcpy(r + OFF_COMMITTED, firmware, sizeof(firmware));
    for (size_t i = 0; i < ARRAY_LEN(tcbs); i++)
        put_le(r + tcbs[i], amd_tcb_number(s->tcb), 8);
}

static int sign(struct psp *p, struct amd_tcb tcb, uint8_t r[static SNP_REPORT_SIZE], struct err *e)
{
    const struct pki_identity *vcek = NULL;
    uint8_t sig_r[SIGNER_P384_SIZE], sig_s[SIGNER_P384_SIZE];

    if (pki_vcek(p->pki, tcb, &vcek, e) != 0 ||
        signer_ecdsa_p384(vcek->key, span_of(r, SNP_REPORT_SIGNED_SIZE), sig_r, sig_s, e) != 0)
        return -1;
    for (size_t i = 0; i < SIGNER_P384_SIZE; i++) {
        r[OFF_R + i] = sig_r[SIGNER_P384_SIZE - 1 - i];
        r[OFF_S + i] = sig_s[SIGNER_P384_SIZE - 1 - i];
    }
    return 0;
}

int psp_report(struct psp *p, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
               struct buf *out, struct err *e)
{
    const struct psp_settings s = psp_settings(p);
    uint8_t data[SNP_REPORT_DATA_SIZE];
    uint8_t report[SNP_REPORT_SIZE];

    if (s.fault == PSP_FAIL_STATUS)
        return err_set(e, ERR_UNSUPPORTED, "the firmware answers status 0x16");
    memcpy(data, report_data, sizeof(data));
    if (s.fault == PSP_WRONG_REPORT_DATA)
        data[0] ^= 1;
    fill_body(p, &s, data, report);
    if (sign(p, s.tcb, report, e) != 0)
        return err_wrap(e, "signing a report");
    if (s.fault == PSP_BAD_SIGNATURE)
        report[OFF_R] ^= 1;
    return buf_add(out, report, s.fault == PSP_SHORT ? SHORT_SIZE : sizeof(report), e);
}

int psp_thim(struct psp *p, json_t **out, struct err *e)
{
    const struct psp_settings s = psp_settings(p);
    const struct amd_tcb tcb = s.thim_is_stale ? s.thim_tcb : s.tcb;
    const struct span chain = pki_amd_chain(p->pki);
    const struct pki_identity *vcek = NULL;
    char tcbm[17];

    if (pki_vcek(p->pki, tcb, &vcek, e) != 0)
        return -1;
    snprintf(tcbm, sizeof(tcbm), "%016llx", (unsigned long long)amd_tcb_number(tcb));
    json_t *v = json_pack("{ss% ss ss% ss}", "vcekCert", vcek->pem.p, vcek->pem.n, "tcbm", tcbm,
                          "certificateChain", chain.p, chain.n, "cacheControl", THIM_MAX_AGE);
    if (v == NULL)
        return err_nomem(e);
    *out = v;
    return 0;
}
