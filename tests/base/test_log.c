#include "support/asserts.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/test_log.XXXXXX");
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    log_close();
    return unlink(path);
}

static void read_log(struct buf *out)
{
    struct err e;

    assert_ok(file_read(path, 100000, out, &e));
}

static void appends_lines_with_time_level_and_request_id(void **state)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    (void)state;
    assert_ok(file_write(path, span_str("before\n"), &e));
    assert_ok(log_open(path, LOG_INFO, LOG_TEXT, &e));
    log_info("first %d", 1);
    log_debug("not shown");
    log_set_request_id("abc");
    log_warning("two\nlines");
    log_set_request_id("");
    read_log(&text);
    const char *s = buf_cstr(&text);
    assert_int_equal(strncmp(s, "before\n20", 9), 0);
    assert_non_null(strstr(s, "Z info first 1\n"));
    assert_non_null(strstr(s, "Z warning two lines request_id=abc\n"));
    assert_null(strstr(s, "not shown"));
}

static void json_lines_escape_what_they_must(void **state)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    (void)state;
    assert_ok(log_open(path, LOG_TRACE, LOG_JSON, &e));
    log_trace("say \"hi\" \\ \x01");
    read_log(&text);
    const char *s = buf_cstr(&text);
    assert_non_null(strstr(s, "\"level\":\"trace\",\"msg\":\"say \\\"hi\\\" \\\\ \\u0001\","
                              "\"request_id\":\"\"}\n"));
    assert_int_equal(strncmp(s, "{\"time\":\"20", 11), 0);
}

static void a_line_longer_than_the_buffer_is_cut_and_ends(void **state)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char big[20000];
    struct err e;

    (void)state;
    memset(big, '"', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_ok(log_open(path, LOG_TRACE, LOG_JSON, &e));
    log_error("%s", big);
    read_log(&text);
    assert_true(text.n < 8192);
    assert_memory_equal(text.p + text.n - 2, "}\n", 2);
}

static void knows_its_levels_and_formats(void **state)
{
    enum log_level level = LOG_TRACE;
    enum log_format format = LOG_TEXT;
    struct err e;

    (void)state;
    assert_ok(log_level_parse("WARN", &level, &e));
    assert_int_equal(level, LOG_WARNING);
    assert_ok(log_level_parse("panic", &level, &e));
    assert_int_equal(level, LOG_PANIC);
    assert_fails(ERR_ARG, "loud", log_level_parse("loud", &level, &e));
    assert_fails(ERR_ARG, "xml", log_format_parse("xml", &format, &e));
    assert_fails(ERR_SYS, "/nonexistent/log", log_open("/nonexistent/log", LOG_INFO, LOG_TEXT, &e));
}

static void a_new_log_file_is_private(void **state)
{
    struct stat st;
    struct err e;

    (void)state;
    unlink(path);
    umask(0);
    assert_ok(log_open(path, LOG_INFO, LOG_TEXT, &e));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_lines_with_time_level_and_request_id, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(json_lines_escape_what_they_must, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_line_longer_than_the_buffer_is_cut_and_ends, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(knows_its_levels_and_formats, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_new_log_file_is_private, make_file, remove_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
