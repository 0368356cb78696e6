#include "support/asserts.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_file.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/f", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void replaces_whole_files_with_private_ones(void **state)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    struct stat st;
    struct err e;

    (void)state;
    assert_ok(file_write(path, span_str("one"), &e));
    assert_ok(file_write(path, span_of("t\0wo", 4), &e));
    assert_ok(file_read(path, 4, &b, &e));
    assert_span_equal(buf_span(&b), span_of("t\0wo", 4));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void names_the_file_in_every_failure(void **state)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    struct err e;

    (void)state;
    assert_fails(ERR_SYS, "/nonexistent/x", file_read("/nonexistent/x", 10, &b, &e));
    assert_fails(ERR_SYS, "/nonexistent/x", file_write("/nonexistent/x", span_str("y"), &e));
    assert_ok(file_write(path, span_str("12345"), &e));
    assert_fails(ERR_PARSE, path, file_read(path, 4, &b, &e));
    assert_fails(ERR_SYS, dir, file_read(dir, 4, &b, &e));
    assert_int_equal(b.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replaces_whole_files_with_private_ones, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(names_the_file_in_every_failure, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
