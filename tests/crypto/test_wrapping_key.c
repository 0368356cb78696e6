#include "support/asserts.h"

#include "base/secret_pages.h"
#include "base/str.h"
#include "crypto/wrapping_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* The sanitizers answer mlock() themselves, and lock nothing. */
static bool locks_for_real(void)
{
    return mlock(NULL, SIZE_MAX / 2) != 0; /* nothing is mapped there */
}

/* The VmFlags that the kernel shows for the mapping that holds an address. */
static void flags_of(const void *p, char *out, size_t size)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;

    assert_non_null(f);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f) != NULL) {
        uintptr_t from = 0, to = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            inside = from <= (uintptr_t)p && (uintptr_t)p < to;
        if (inside && str_starts_with(line, "VmFlags:"))
            snprintf(out, size, "%s", line);
    }
    fclose(f);
}

static void a_secrets_pages_are_locked_and_kept_out_of_core_dumps(void **state)
{
    struct secret_pages m;
    char flags[512];
    struct err e;

    (void)state;
    assert_ok(secret_pages_open(10, &m, &e));
    assert_true(m.n >= 10);
    for (size_t i = 0; i < m.n; i++)
        assert_int_equal(((uint8_t *)m.p)[i], 0);
    memset(m.p, 1, m.n);
    flags_of(m.p, flags, sizeof(flags));
    if (m.locked && locks_for_real())
        assert_non_null(strstr(flags, " lo"));
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " dc"));
    secret_pages_close(&m);
    assert_null(m.p);
    secret_pages_close(&m);
}

static void a_refused_lock_is_no_failure(void **state)
{
    struct rlimit before;
    struct secret_pages m;
    struct err e;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, before.rlim_max }), 0);
    assert_ok(secret_pages_open(1, &m, &e));
    if (geteuid() != 0 && locks_for_real()) /* root may lock whatever the limit says */
        assert_false(m.locked);
    secret_pages_close(&m);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

static void a_key_opens_to_the_same_pair_each_time(void **state)
{
    CLEANUP(wrapping_key_freep) struct wrapping_key *w = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *a = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *b = NULL;
    CLEANUP(buf_done) struct buf wrapped = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 };
    struct err e;

    (void)state;
    assert_ok(wrapping_key_generate(&w, &e));
    assert_ok(wrapping_key_open(w, &a, &e));
    assert_ok(wrapping_key_open(w, &b, &e));
    assert_ok(rsa_oaep_encrypt(a, DIGEST_SHA256, span_str("secret"), &wrapped, &e));
    assert_ok(rsa_oaep_decrypt(b, DIGEST_SHA256, buf_span(&wrapped), &plain, &e));
    assert_span_equal(buf_span(&plain), span_str("secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secrets_pages_are_locked_and_kept_out_of_core_dumps),
        cmocka_unit_test(a_refused_lock_is_no_failure),
        cmocka_unit_test(a_key_opens_to_the_same_pair_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
