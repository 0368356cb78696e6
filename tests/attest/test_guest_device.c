/* The two device sources against what any machine has: paths that are no such device. */
#include "support/asserts.h"

#include "attest/report_source.h"

#include <fcntl.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*make)(const char *path, struct report_source **out, struct err *e);
} sources[] = {
    { "sev-guest", source_sev_guest_new },
    { "sev", source_sev_new },
};

static const uint8_t data[SNP_REPORT_DATA_SIZE] = { 1, 2, 3 };

/* The lowest free descriptor: it moves up when one leaks. */
static int lowest_free_fd(void)
{
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void a_path_that_is_no_guest_device_is_unsupported(void **state)
{
    static const struct {
        const char *path, *needle;
    } cases[] = {
        { "/nonexistent/sev-guest", "opening /nonexistent/sev-guest: No such file" },
        { "/dev/null", "/dev/null (it is no guest report interface" },
        { "/dev/full", "/dev/full (it is no guest report interface" },
    };

    for (size_t s = 0; s < ARRAY_LEN(sources); s++)
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct report_source *source = NULL;
            uint8_t report[SNP_REPORT_SIZE];
            struct err e;

            assert_ok(sources[s].make(cases[i].path, &source, &e));
            assert_string_equal(report_source_name(source), sources[s].name);
            assert_fails(ERR_UNSUPPORTED, cases[i].needle,
                         report_source_fetch(source, data, report, &e));
            report_source_close(source);
        }
}

static void an_unreadable_path_is_a_failure_not_an_absence(void **state)
{
    struct report_source *source = NULL;
    uint8_t report[SNP_REPORT_SIZE];
    struct err e;

    assert_ok(source_sev_new("/", &source, &e)); /* EISDIR */
    assert_fails(ERR_SYS, "opening /", report_source_fetch(source, data, report, &e));
    report_source_close(source);
}

/* The original leaked its descriptor on every path. */
static void closes_the_device_after_each_request(void **state)
{
    const int before = lowest_free_fd();

    for (size_t s = 0; s < ARRAY_LEN(sources); s++) {
        struct report_source *source = NULL;
        uint8_t report[SNP_REPORT_SIZE];
        struct err e;

        assert_ok(sources[s].make("/dev/null", &source, &e));
        for (int i = 0; i < 5; i++)
            assert_int_equal(report_source_fetch(source, data, report, &e), -1);
        assert_int_equal(lowest_free_fd(), before);
        report_source_close(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_is_no_guest_device_is_unsupported),
        cmocka_unit_test(an_unreadable_path_is_a_failure_not_an_absence),
        cmocka_unit_test(closes_the_device_after_each_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
