/*
 * Reads the fields of a report. Offsets are those of AMD's specification; every version shares
 * them, and what a version does not have yet is reserved there and read as zero.
 */
#include "attest/snp_report.h"

#include "crypto/digest.h"

#include <string.h>

/*
 *  offset  size  field               offset  size  field
 *   0x000     4  VERSION              0x0e0    48  ID_KEY_DIGEST
 *   0x004     4  GUEST_SVN            0x110    48  AUTHOR_KEY_DIGEST
 *   0x008     8  POLICY               0x140    32  REPORT_ID
 *   0x010    16  FAMILY_ID            0x160    32  REPORT_ID_MA
 *   0x020    16  IMAGE_ID             0x180     8  REPORTED_TCB
 *   0x030     4  VMPL                 0x188     3  CPUID family, model, step (version 3)
 *   0x034     4  SIGNATURE_ALGO       0x1a0    64  CHIP_ID
 *   0x038     8  CURRENT_TCB          0x1e0     8  COMMITTED_TCB
 *   0x040     8  PLATFORM_INFO        0x1e8     3  CURRENT build, minor, major
 *   0x048     4  flags                0x1ec     3  COMMITTED build, minor, major
 *   0x050    64  REPORT_DATA          0x1f0     8  LAUNCH_TCB
 *   0x090    48  MEASUREMENT          0x2a0    72  SIGNATURE R
 *   0x0c0    32  HOST_DATA            0x2e8    72  SIGNATURE S
 */
#define CPUID_SINCE_VERSION 3

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static void parse_head(const uint8_t *p, struct snp_report *r)
{
    r->version = get_u32(p);
    r->guest_svn = get_u32(p + 0x004);
    r->policy = get_u64(p + 0x008);
    memcpy(r->family_id, p + 0x010, sizeof(r->family_id));
    memcpy(r->image_id, p + 0x020, sizeof(r->image_id));
    r->vmpl = get_u32(p + 0x030);
    r->signature_algo = get_u32(p + 0x034);
    r->current_tcb = get_u64(p + 0x038);
    r->platform_info = get_u64(p + 0x040);
    r->flags = get_u32(p + 0x048);
}

static void parse_identity(const uint8_t *p, struct snp_report *r)
{
    memcpy(r->report_data, p + 0x050, sizeof(r->report_data));
    memcpy(r->measurement, p + 0x090, sizeof(r->measurement));
    memcpy(r->host_data, p + 0x0c0, sizeof(r->host_data));
    memcpy(r->id_key_digest, p + 0x0e0, sizeof(r->id_key_digest));
    memcpy(r->author_key_digest, p + 0x110, sizeof(r->author_key_digest));
    memcpy(r->report_id, p + 0x140, sizeof(r->report_id));
    memcpy(r->report_id_ma, p + 0x160, sizeof(r->report_id_ma));
}

static void parse_platform(const uint8_t *p, struct snp_report *r)
{
    r->reported_tcb = get_u64(p + 0x180);
    if (r->version >= CPUID_SINCE_VERSION) {
        r->cpuid_family = p[0x188];
        r->cpuid_model = p[0x189];
        r->cpuid_step = p[0x18a];
    }
    memcpy(r->chip_id, p + 0x1a0, sizeof(r->chip_id));
    r->committed_tcb = get_u64(p + 0x1e0);
    r->current_build = p[0x1e8];
    r->current_minor = p[0x1e9];
    r->current_major = p[0x1ea];
    r->committed_build = p[0x1ec];
    r->committed_minor = p[0x1ed];
    r->committed_major = p[0x1ee];
    r->launch_tcb = get_u64(p + 0x1f0);
    memcpy(r->signature_r, p + SNP_REPORT_SIGNED_SIZE, sizeof(r->signature_r));
    memcpy(r->signature_s, p + SNP_REPORT_SIGNED_SIZE + sizeof(r->signature_r),
           sizeof(r->signature_s));
}

int snp_report_parse(struct span bytes, struct snp_report *out, struct err *e)
{
    if (bytes.n != SNP_REPORT_SIZE)
        return err_set(e, ERR_PARSE, "an attestation report has %d bytes, this one has %zu",
                       SNP_REPORT_SIZE, bytes.n);
    *out = (struct snp_report){ 0 };
    parse_head(bytes.p, out);
    parse_identity(bytes.p, out);
    parse_platform(bytes.p, out);
    return 0;
}

int snp_report_data(struct span runtime_data, uint8_t out[static SNP_REPORT_DATA_SIZE],
                    struct err *e)
{
    uint8_t digest[SHA256_SIZE];

    if (digest_sha256(runtime_data, digest, e) != 0)
        return -1;
    memset(out, 0, SNP_REPORT_DATA_SIZE);
    memcpy(out, digest, sizeof(digest));
    return 0;
}
