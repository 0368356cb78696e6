#include "support/asserts.h"

#include "attest/guest_request.h"

#include <errno.h>

static void asks_for_exactly_this_report_data(void **state)
{
    uint8_t data[SNP_REPORT_DATA_SIZE];
    uint8_t expected[96] = { 0 };
    struct guest_request req;

    for (size_t i = 0; i < sizeof(data); i++)
        expected[i] = data[i] = (uint8_t)(i + 1);
    memset(&req, 0xee, sizeof(req));
    guest_request_fill(data, &req);
    assert_memory_equal(&req, expected, sizeof(req)); /* VMPL 0, reserved bytes zero */
}

/* Byte images written by hand from the kernels' headers: padding included, it must be zero. */
static void fills_the_mainline_argument(void **state)
{
    struct guest_request *req = (void *)(uintptr_t)0x1122334455667788;
    void *response = (void *)(uintptr_t)0x99aabbccddeeff00;
    static const uint8_t expected[32] = {
        1,    0,    0,    0,    0,    0,    0,    0,    /* msg_version */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* req_data */
        0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, /* resp_data */
    };
    struct sev_guest_ioctl arg;

    memset(&arg, 0xee, sizeof(arg));
    guest_request_fill_sev_guest(req, response, &arg);
    assert_memory_equal(&arg, expected, sizeof(arg));
}

static void fills_the_azure_argument(void **state)
{
    struct guest_request *req = (void *)(uintptr_t)0x1122334455667788;
    void *response = (void *)(uintptr_t)0x99aabbccddeeff00;
    static const uint8_t expected[40] = {
        5,    6,    1,    0,    96,   0,    0,    0,    /* types, version, request_len */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* request_uaddr */
        0x00, 0x05, 0,    0,    0,    0,    0,    0,    /* response_len 1280 */
        0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, /* response_uaddr */
    };
    struct sev_ioctl arg;

    memset(&arg, 0xee, sizeof(arg));
    guest_request_fill_sev(req, response, &arg);
    assert_memory_equal(&arg, expected, sizeof(arg));
}

static void sends_the_documented_commands(void **state)
{
    assert_true(SEV_GUEST_GET_REPORT == 3223343872UL);
    assert_true(SEV_MSG_REPORT == 3223868161UL);
}

static void fill_response(uint8_t raw[static sizeof(struct guest_response)], uint32_t status,
                          uint32_t size)
{
    memset(raw, 0, sizeof(struct guest_response));
    memcpy(raw, &status, 4);
    memcpy(raw + 4, &size, 4);
    for (size_t i = 0; i < SNP_REPORT_SIZE; i++)
        raw[32 + i] = (uint8_t)(i % 251);
}

static void takes_the_report_out_of_an_answer(void **state)
{
    struct guest_response r;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    fill_response((uint8_t *)&r, 0, SNP_REPORT_SIZE);
    assert_ok(guest_response_parse(&r, report, &e));
    for (size_t i = 0; i < sizeof(report); i++)
        assert_int_equal(report[i], i % 251);
}

/* The C tools of the original looked at neither status nor size. */
static void refuses_answers_without_a_report(void **state)
{
    static const struct {
        uint32_t status, size;
        const char *needle;
    } cases[] = {
        { 0x16, 0, "status 0x16: invalid parameter" },
        { 0x27, SNP_REPORT_SIZE, "status 0x27: invalid key" },
        { 0x12345678, SNP_REPORT_SIZE, "status 0x12345678: unknown" },
        { 0x1e, SNP_REPORT_SIZE, "status 0x1e: unknown" },
        { 0, 0, "0 bytes" },
        { 0, SNP_REPORT_SIZE - 1, "1183 bytes" },
        { 0, SNP_REPORT_SIZE + 1, "1185 bytes" },
        { 0, UINT32_MAX, "4294967295 bytes" },
    };
    uint8_t report[SNP_REPORT_SIZE] = { 0 };
    uint8_t before[SNP_REPORT_SIZE] = { 0 };
    struct guest_response r;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fill_response((uint8_t *)&r, cases[i].status, cases[i].size);
        assert_fails(ERR_CHECK, cases[i].needle, guest_response_parse(&r, report, &e));
        assert_memory_equal(report, before, sizeof(report));
    }
}

static void tells_no_device_from_a_device_that_cannot_be_opened(void **state)
{
    static const struct {
        int error;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { ENOENT, ERR_UNSUPPORTED, "opening /dev/x: No such file" },
        { ENXIO, ERR_UNSUPPORTED, "No such device or address" },
        { ENODEV, ERR_UNSUPPORTED, "No such device" },
        { EACCES, ERR_SYS, "Permission denied" },
        { EPERM, ERR_SYS, "not permitted" },
        { EBUSY, ERR_SYS, "busy" },
        { EMFILE, ERR_SYS, "Too many open files" },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_fails(cases[i].code, cases[i].needle,
                     guest_request_fail_open("/dev/x", cases[i].error, &e));
        assert_int_equal(e.detail, cases[i].code == ERR_SYS ? cases[i].error : 0);
    }
}

static void tells_another_kind_of_device_from_a_failed_request(void **state)
{
    static const struct {
        int error;
        uint32_t fw, vmm;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { ENOTTY, 0, 0, ERR_UNSUPPORTED, "no guest report interface" },
        { ENOTTY, 0, 0, ERR_UNSUPPORTED, "VMPCK" },
        { EINVAL, 0, 0, ERR_UNSUPPORTED, "no guest report interface" },
        { ENODEV, 0, 0, ERR_UNSUPPORTED, "no guest report interface" },
        { ENXIO, 0, 0, ERR_UNSUPPORTED, "no guest report interface" },
        { EOPNOTSUPP, 0, 0, ERR_UNSUPPORTED, "no guest report interface" },
        { EIO, 0x16, 0, ERR_SYS, "(firmware error 0x16: invalid parameter): Input/output" },
        { EIO, 0xff, 2, ERR_SYS, "0xff: not run) (hypervisor error 2: busy)" },
        { EIO, 0, 1, ERR_SYS, "(hypervisor error 1: invalid length)" },
        { EIO, 0x28, 7, ERR_SYS, "0x28: unknown) (hypervisor error 7: unknown)" },
        { EIO, UINT32_MAX, UINT32_MAX, ERR_SYS, "0xffffffff: unknown" },
        { EIO, 0, 0, ERR_SYS, "asking /dev/x for a report: Input/output error" },
        { ETIMEDOUT, 0, 0, ERR_SYS, "kept answering busy" },
        { EBADMSG, 0, 0, ERR_SYS, "not authentic" },
        { ENOMEM, 0, 0, ERR_SYS, "Cannot allocate memory" },
        { EFAULT, 0, 0, ERR_SYS, "Bad address" },
        { EINTR, 0, 0, ERR_SYS, "Interrupted" },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_fails(
            cases[i].code, cases[i].needle,
            guest_request_fail_ioctl("/dev/x", cases[i].error, cases[i].fw, cases[i].vmm, &e));
        assert_int_equal(e.detail, cases[i].code == ERR_SYS ? cases[i].error : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_exactly_this_report_data),
        cmocka_unit_test(fills_the_mainline_argument),
        cmocka_unit_test(fills_the_azure_argument),
        cmocka_unit_test(sends_the_documented_commands),
        cmocka_unit_test(takes_the_report_out_of_an_answer),
        cmocka_unit_test(refuses_answers_without_a_report),
        cmocka_unit_test(tells_no_device_from_a_device_that_cannot_be_opened),
        cmocka_unit_test(tells_another_kind_of_device_from_a_failed_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
