#include "support/asserts.h"

#include "attest/uvm_info.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/b64.h"
#include "support/fake_thim.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KATA "kata-containers"

/* A directory tree that stands for the container's root. */
struct tree {
    char root[64];
    char log[80];
    char kata[96];
    struct uvm_info_paths paths;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void make_tree(struct tree *t)
{
    struct err e;

    snprintf(t->root, sizeof(t->root), "/tmp/test_uvm_info.XXXXXX");
    assert_non_null(mkdtemp(t->root));
    snprintf(t->log, sizeof(t->log), "%s/log", t->root);
    snprintf(t->kata, sizeof(t->kata), "%s/" KATA, t->root);
    t->paths = (struct uvm_info_paths){ NULL, t->root, t->kata };
    assert_ok(log_open(t->log, LOG_WARNING, LOG_TEXT, &e));
}

static void remove_tree(struct tree *t)
{
    log_close();
    assert_int_equal(nftw(t->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put(const struct tree *t, const char *dir, const char *file, const char *text)
{
    char path[256];
    struct err e;

    snprintf(path, sizeof(path), "%s/%s", t->root, dir);
    assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s/%s/%s", t->root, dir, file);
    assert_ok(file_write(path, span_str(text), &e));
}

static bool log_has(const struct tree *t, const char *needle)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    struct err e;

    assert_ok(file_read(t->log, 1 << 20, &b, &e));
    return str_contains(buf_span(&b), needle);
}

/* host-amd-cert-base64 of a TCB */
static void format_certs(uint64_t tcb, char *out, size_t size)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    char json[512];
    struct err e;

    fake_thim_format(tcb, json, sizeof(json));
    assert_ok(b64_encode(span_str(json), B64_STD, &b, &e));
    snprintf(out, size, "%s", buf_cstr(&b));
}

static struct {
    const char *policy, *reference, *certs;
} environment;

static char *fake_getenv(const char *name)
{
    static char copy[2048];
    const char *value = NULL;

    if (strcmp(name, "UVM_SECURITY_POLICY") == 0)
        value = environment.policy;
    else if (strcmp(name, "UVM_REFERENCE_INFO") == 0)
        value = environment.reference;
    else if (strcmp(name, "UVM_HOST_AMD_CERTIFICATE") == 0)
        value = environment.certs;
    else
        fail_msg("%s was looked up", name);
    if (value == NULL)
        return NULL;
    snprintf(copy, sizeof(copy), "%s", value);
    return copy;
}

static int set_up(void **state)
{
    static struct tree t;

    environment.policy = environment.reference = environment.certs = NULL;
    make_tree(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    remove_tree(*state);
    return 0;
}

static void reads_the_three_files(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    char certs[1024];
    struct err e;

    format_certs(0xdb18000000000004, certs, sizeof(certs));
    put(t, "security-context-1", "security-policy-base64", "cG9saWN5");
    put(t, "security-context-1", "reference-info-base64", "cmVm");
    put(t, "security-context-1", "host-amd-cert-base64", certs);
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.policy_b64, "cG9saWN5");
    assert_string_equal(u.reference_b64, "cmVm");
    assert_true(u.has_certs);
    assert_true(u.certs.tcb == 0xdb18000000000004);
    assert_true(str_ends_with(u.origin, "/security-context-1"));
    assert_false(log_has(t, "warn"));
}

static void drops_trailing_white_space_only(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    struct err e;

    put(t, "security-context-1", "security-policy-base64", " cG9s\naWN5 \r\n\t\n");
    put(t, "security-context-1", "reference-info-base64", "cmVm\n");
    put(t, "security-context-1", "host-amd-cert-base64", " \n");
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.policy_b64, " cG9s\naWN5");
    assert_string_equal(u.reference_b64, "cmVm");
    assert_false(u.has_certs);
    assert_false(log_has(t, "left aside")); /* empty counts as absent */
}

static void takes_the_configured_directory_first(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    char configured[128];
    struct err e;

    put(t, "security-context-1", "reference-info-base64", "wrong");
    put(t, "elsewhere", "reference-info-base64", "right");
    snprintf(configured, sizeof(configured), "%s/elsewhere", t->root);
    t->paths.configured = configured;
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.reference_b64, "right");
    assert_string_equal(u.origin, configured);
}

static void takes_the_lexically_first_of_several_with_a_warning(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    struct err e;

    put(t, "security-context-9", "reference-info-base64", "9");
    put(t, "security-context-10", "reference-info-base64", "10");
    put(t, "security-context-2", "reference-info-base64", "2");
    put(t, "my-security-context-0", "reference-info-base64", "prefix");
    put(t, ".", "security-context-0", "a file, not a directory");
    t->paths.configured = ""; /* set but empty */
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.reference_b64, "10");
    assert_true(log_has(t, "3 directories"));
    assert_true(log_has(t, "security-context-10"));
}

static void falls_back_to_the_kata_directory(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    struct err e;

    put(t, KATA, "reference-info-base64", "kata");
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.reference_b64, "kata");
    assert_null(u.policy_b64);
    assert_false(u.has_certs);
    assert_string_equal(u.origin, t->kata);
}

/* The original stopped at the first missing file: no certificates hid the policy. */
static void each_file_is_read_for_itself(void **state)
{
    struct tree *t = *state;
    char certs[1024];
    struct err e;

    format_certs(7, certs, sizeof(certs));
    for (int present = 0; present < 8; present++) {
        CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
        char dir[32], configured[128];

        snprintf(dir, sizeof(dir), "set-%d", present);
        snprintf(configured, sizeof(configured), "%s/%s", t->root, dir);
        put(t, dir, "unrelated", "x");
        if ((present & 1) != 0)
            put(t, dir, "security-policy-base64", "p");
        if ((present & 2) != 0)
            put(t, dir, "reference-info-base64", "r");
        if ((present & 4) != 0)
            put(t, dir, "host-amd-cert-base64", certs);
        t->paths.configured = configured;
        assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
        assert_int_equal(u.policy_b64 != NULL, (present & 1) != 0);
        assert_int_equal(u.reference_b64 != NULL, (present & 2) != 0);
        assert_int_equal(u.has_certs, (present & 4) != 0);
    }
}

static void nothing_anywhere_is_no_failure(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    struct err e;

    t->paths.root = "/nonexistent";
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_null(u.policy_b64);
    assert_null(u.reference_b64);
    assert_false(u.has_certs);
    assert_string_equal(u.origin, t->kata);
}

static void variables_count_when_the_files_give_no_reference_info(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    char certs[1024], env_certs[1024];
    struct err e;

    format_certs(7, certs, sizeof(certs));
    format_certs(8, env_certs, sizeof(env_certs));
    put(t, "security-context-1", "security-policy-base64", "file policy");
    put(t, "security-context-1", "host-amd-cert-base64", certs);
    environment.reference = "env reference\n";
    environment.certs = env_certs;
    environment.policy = ""; /* an empty one counts as absent */
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.reference_b64, "env reference");
    assert_string_equal(u.policy_b64, "file policy");
    assert_true(u.certs.tcb == 8);
    assert_string_equal(u.origin, "environment");
}

static void variables_do_not_count_beside_reference_info(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    struct err e;

    put(t, "security-context-1", "reference-info-base64", "file");
    environment.reference = "env";
    environment.policy = "env";
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_string_equal(u.reference_b64, "file");
    assert_null(u.policy_b64);
}

static void bad_certificates_are_a_warning(void **state)
{
    static const char *const texts[] = {
        "!!!", "eyJ4IjoxfQ==", "bm8ganNvbg==",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", /* PEM instead of JSON: the original crashed */
    };
    struct tree *t = *state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
        struct err e;

        put(t, "security-context-1", "reference-info-base64", "r");
        put(t, "security-context-1", "host-amd-cert-base64", texts[i]);
        assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
        assert_false(u.has_certs);
        assert_string_equal(u.reference_b64, "r");
        assert_true(log_has(t, "certificates are left aside"));
    }
}

static void refuses_what_cannot_be_read(void **state)
{
    struct tree *t = *state;
    struct uvm_info u = { 0 };
    char path[256];
    struct err e;

    put(t, "security-context-1", "reference-info-base64", "r");
    snprintf(path, sizeof(path), "%s/security-context-1/security-policy-base64", t->root);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_fails(ERR_SYS, "security-policy-base64", uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_int_equal(rmdir(path), 0);

    CLEANUP(buf_done) struct buf big = { 0 };
    uint8_t *to = NULL;
    assert_ok(buf_reserve(&big, UVM_FILE_MAX + 1, &to, &e));
    memset(to, 'A', UVM_FILE_MAX + 1);
    assert_ok(file_write(path, span_of(to, UVM_FILE_MAX + 1), &e));
    assert_fails(ERR_PARSE, "is longer than", uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_ok(file_write(path, span_of("a\0b", 3), &e));
    assert_fails(ERR_PARSE, "security-policy-base64",
                 uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_null(u.origin);
    assert_null(u.reference_b64);
}

/* The original's own test data. */
static void reads_a_published_security_context(void **state)
{
    struct tree *t = *state;
    CLEANUP(uvm_info_done) struct uvm_info u = { 0 };
    char dir[512];
    struct err e;

    snprintf(dir, sizeof(dir), "%s/confidential-sidecar-containers/security-context-test",
             getenv("VECTORS_DIR"));
    if (access(dir, R_OK) != 0)
        skip_because("no published evidence in %s", dir);
    t->paths.configured = dir;
    assert_ok(uvm_info_load(&t->paths, fake_getenv, &u, &e));
    assert_non_null(u.policy_b64);
    assert_non_null(u.reference_b64);
    assert_true(u.has_certs);
    assert_true(u.certs.tcb != 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_three_files),
        TEST(drops_trailing_white_space_only),
        TEST(takes_the_configured_directory_first),
        TEST(takes_the_lexically_first_of_several_with_a_warning),
        TEST(falls_back_to_the_kata_directory),
        TEST(each_file_is_read_for_itself),
        TEST(nothing_anywhere_is_no_failure),
        TEST(variables_count_when_the_files_give_no_reference_info),
        TEST(variables_do_not_count_beside_reference_info),
        TEST(bad_certificates_are_a_warning),
        TEST(refuses_what_cannot_be_read),
        TEST(reads_a_published_security_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
