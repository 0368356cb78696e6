#include "support/asserts.h"

#include "attest/snp_report.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t bytes[SNP_REPORT_SIZE];

/* A report whose byte at offset i tells the offset. */
static void fill(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static uint64_t little_endian(size_t offset, size_t n)
{
    uint64_t v = 0;

    for (size_t i = n; i > 0; i--)
        v = v << 8 | bytes[offset + i - 1];
    return v;
}

static void reads_numbers_from_the_documented_offsets(void **state)
{
    struct snp_report r;
    struct err e;

    fill();
    memcpy(bytes, "\3\0\0\0", 4);
    assert_ok(snp_report_parse(span_of(bytes, sizeof(bytes)), &r, &e));
    const struct {
        uint64_t is;
        size_t offset, n;
    } fields[] = {
        { r.version, 0x000, 4 },         { r.guest_svn, 0x004, 4 },
        { r.policy, 0x008, 8 },          { r.vmpl, 0x030, 4 },
        { r.signature_algo, 0x034, 4 },  { r.current_tcb, 0x038, 8 },
        { r.platform_info, 0x040, 8 },   { r.flags, 0x048, 4 },
        { r.reported_tcb, 0x180, 8 },    { r.cpuid_family, 0x188, 1 },
        { r.cpuid_model, 0x189, 1 },     { r.cpuid_step, 0x18a, 1 },
        { r.committed_tcb, 0x1e0, 8 },   { r.current_build, 0x1e8, 1 },
        { r.current_minor, 0x1e9, 1 },   { r.current_major, 0x1ea, 1 },
        { r.committed_build, 0x1ec, 1 }, { r.committed_minor, 0x1ed, 1 },
        { r.committed_major, 0x1ee, 1 }, { r.launch_tcb, 0x1f0, 8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_true(fields[i].is == little_endian(fields[i].offset, fields[i].n));
}

static void reads_byte_fields_as_stored(void **state)
{
    struct snp_report r;
    struct err e;

    fill();
    assert_ok(snp_report_parse(span_of(bytes, sizeof(bytes)), &r, &e));
    const struct {
        const uint8_t *is;
        size_t n, offset;
    } fields[] = {
        { r.family_id, sizeof(r.family_id), 0x010 },
        { r.image_id, sizeof(r.image_id), 0x020 },
        { r.report_data, sizeof(r.report_data), 0x050 },
        { r.measurement, sizeof(r.measurement), 0x090 },
        { r.host_data, sizeof(r.host_data), 0x0c0 },
        { r.id_key_digest, sizeof(r.id_key_digest), 0x0e0 },
        { r.author_key_digest, sizeof(r.author_key_digest), 0x110 },
        { r.report_id, sizeof(r.report_id), 0x140 },
        { r.report_id_ma, sizeof(r.report_id_ma), 0x160 },
        { r.chip_id, sizeof(r.chip_id), 0x1a0 },
        { r.signature_r, sizeof(r.signature_r), 0x2a0 },
        { r.signature_s, sizeof(r.signature_s), 0x2e8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_memory_equal(fields[i].is, bytes + fields[i].offset, fields[i].n);
}

static void version_2_has_no_cpuid(void **state)
{
    struct snp_report r;
    struct err e;

    fill();
    memcpy(bytes, "\2\0\0\0", 4);
    assert_ok(snp_report_parse(span_of(bytes, sizeof(bytes)), &r, &e));
    assert_int_equal(r.cpuid_family | r.cpuid_model | r.cpuid_step, 0);
}

static void refuses_other_sizes(void **state)
{
    static const size_t sizes[] = { 0, 1, 672, 1183, 1185, 2368 };
    static uint8_t big[2368];
    struct snp_report r = { .version = 77 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        assert_fails(ERR_PARSE, "1184 bytes", snp_report_parse(span_of(big, sizes[i]), &r, &e));
    assert_int_equal(r.version, 77);
}

/* echo -n abc | sha256sum */
static void report_data_is_the_digest_and_32_zeros(void **state)
{
    static const uint8_t expected[SNP_REPORT_DATA_SIZE] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    uint8_t data[SNP_REPORT_DATA_SIZE];
    struct err e;

    memset(data, 0xee, sizeof(data));
    assert_ok(snp_report_data(span_str("abc"), data, &e));
    assert_memory_equal(data, expected, sizeof(data));
}

static void check_number(const json_t *entry, const char *name, int base, uint64_t is)
{
    const json_t *v = json_object_get(entry, name);

    assert_non_null(v);
    const uint64_t wanted = json_is_string(v) ? strtoull(json_string_value(v), NULL, base)
                                              : (uint64_t)json_integer_value(v);
    if (wanted != is)
        fail_msg("%s: %" PRIx64 ", wanted %" PRIx64, name, is, wanted);
}

static void check_real(const char *dir, const json_t *entry)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf b = { 0 };
    struct snp_report r;
    struct err e;
    char fw[16];

    assert_ok(
        str_printf(&path, &e, "%s/%s", dir, json_string_value(json_object_get(entry, "report"))));
    assert_ok(file_read(path, 8192, &b, &e));
    assert_ok(snp_report_parse(buf_span(&b), &r, &e));
    check_number(entry, "version", 10, r.version);
    check_number(entry, "vmpl", 10, r.vmpl);
    check_number(entry, "guest_policy", 16, r.policy);
    check_number(entry, "platform_info", 16, r.platform_info);
    check_number(entry, "reported_tcb", 16, r.reported_tcb);
    snprintf(fw, sizeof(fw), "%u.%u.%u", r.current_major, r.current_minor, r.current_build);
    assert_string_equal(fw, json_string_value(json_object_get(entry, "fw")));
}

/* The facts were read from these reports by another implementation. */
static void agrees_with_the_facts_of_published_reports(void **state)
{
    const char *dir = getenv("VECTORS_DIR");
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(json_freep) json_t *manifest = NULL;
    struct err e;

    assert_non_null(dir);
    assert_ok(str_printf(&path, &e, "%s/manifest_real.json", dir));
    if (file_read(path, 1 << 20, &text, &e) != 0)
        skip_because("no published evidence: %s", e.msg);
    assert_ok(json_parse(buf_span(&text), &manifest, &e));
    for (size_t i = 0; i < json_array_size(manifest); i++)
        check_real(dir, json_array_get(manifest, i));
    assert_true(json_array_size(manifest) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_from_the_documented_offsets),
        cmocka_unit_test(reads_byte_fields_as_stored),
        cmocka_unit_test(version_2_has_no_cpuid),
        cmocka_unit_test(refuses_other_sizes),
        cmocka_unit_test(report_data_is_the_digest_and_32_zeros),
        cmocka_unit_test(agrees_with_the_facts_of_published_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
