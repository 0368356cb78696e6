#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "skr/annotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "skr/annotation_key.h"

static char dir[64];

static void path_of(const char *name, char out[static 128])
{
    snprintf(out, 128, "%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
    char path[128];
    struct err e;

    path_of(name, path);
    assert_ok(file_write(path, span_str(text), &e));
}

static int make_dir(void **state)
{
    char pem[128], info[512];

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_annotation.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    path_of("pub.pem", pem);
    snprintf(info, sizeof(info),
             "{\"public_key_path\":\"%s\",\"kms_endpoint\":\"v.vault.azure.net\","
             "\"attester_endpoint\":\"m.attest.azure.net\"}",
             pem);
    put("pub.pem", PUBLIC_KEY);
    put("kek-info.json", info);
    put("in", "secret");
    return 0;
}

static int remove_dir(void **state)
{
    static const char *const names[] = { "pub.pem", "kek-info.json", "in", "out" };
    char path[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(dir);
}

static int wrap(struct err *e)
{
    char in[128], key[128], out[128];

    path_of("in", in);
    path_of("kek", key);
    path_of("out", out);
    return annotation_wrap_file(in, key, out, e);
}

static void writes_the_packet_with_its_members_in_order(void **state)
{
    CLEANUP(buf_done) struct buf packet = { 0 };
    char key[128];
    struct err e;

    (void)state;
    path_of("kek", key);
    assert_ok(annotation_wrap(key, span_str("secret"), &packet, &e));
    const char *s = buf_cstr(&packet);
    assert_int_equal(strncmp(s, "{\"kid\":\"kek\",\"wrapped_data\":\"", 29), 0);
    assert_non_null(strstr(s,
                           "\",\"wrap_type\":\"rsa_3072\",\"kms_endpoint\":\"v.vault.azure.net\","
                           "\"attester_endpoint\":\"m.attest.azure.net\"}"));
    assert_null(strstr(s, "secret"));
    assert_ok(wrap(&e));
}

static void every_missing_or_bad_file_is_named_and_nothing_is_written(void **state)
{
    static const struct {
        const char *file, *content; /* NULL: removed */
        const char *needle;
    } cases[] = {
        { "in", NULL, "/in" },
        { "kek-info.json", NULL, "kek-info.json" },
        { "kek-info.json", "{", "kek-info.json" },
        { "kek-info.json", "[]", "kek-info.json" },
        { "kek-info.json", "{}", "public_key_path" },
        { "kek-info.json", "{\"public_key_path\":\"/nonexistent/key\"}", "/nonexistent/key" },
        { "pub.pem", NULL, "pub.pem" },
        { "pub.pem", "nothing", "pub.pem" },
    };
    char path[128];
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(make_dir(state), 0);
        path_of(cases[i].file, path);
        unlink(path);
        if (cases[i].content != NULL)
            put(cases[i].file, cases[i].content);
        assert_int_equal(wrap(&e), -1);
        if (strstr(e.msg, cases[i].needle) == NULL)
            fail_msg("case %zu: \"%s\"", i, e.msg);
        path_of("out", path);
        assert_int_equal(access(path, F_OK), -1);
        remove_dir(state);
    }
}

static void data_beyond_what_the_key_can_wrap_is_an_error(void **state)
{
    char big[300];
    struct err e;

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    put("in", big);
    assert_fails(ERR_CHECK, "", wrap(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_the_packet_with_its_members_in_order, make_dir,
                                        remove_dir),
        cmocka_unit_test(every_missing_or_bad_file_is_named_and_nothing_is_written),
        cmocka_unit_test_setup_teardown(data_beyond_what_the_key_can_wrap_is_an_error, make_dir,
                                        remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
