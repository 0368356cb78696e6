/* What is remembered of signers, and for what it is not taken. That a remembered signer still has
 * to sign is in test_jws.c, whose cases meet the same headers again and again. */
#include "support/asserts.h"

#include "crypto/jws_memory.h"

#include <string.h>

#define HOST  "vault.azure.net"
#define SINCE 1790000000
#define UNTIL 1790000600

static struct jws_signer make_signer(void)
{
    const struct jws_signer s = {
        .key = EVP_PKEY_new(), .alg = jws_alg_find("PS256"), .since_s = SINCE, .until_s = UNTIL
    };

    assert_non_null(s.key);
    return s;
}

static void name_of(const char *header, const char *host, uint8_t out[static SHA256_SIZE])
{
    struct err e;

    assert_ok(jws_memory_name(span_str(header), host, out, &e));
}

static bool recalls(struct jws_memory *m, const char *header, const char *host, int64_t unix_s)
{
    CLEANUP(jws_signer_done) struct jws_signer s = { .key = NULL };
    uint8_t name[SHA256_SIZE];

    name_of(header, host, name);
    const bool found = jws_memory_recall(m, name, unix_s, &s);
    assert_int_equal(found, s.key != NULL);
    return found;
}

static void keep(struct jws_memory *m, const char *header, const struct jws_signer *s)
{
    uint8_t name[SHA256_SIZE];

    name_of(header, HOST, name);
    jws_memory_keep(m, name, s);
}

static void recalls_what_it_keeps(void **state)
{
    CLEANUP(jws_signer_done) struct jws_signer kept = make_signer(), found = { .key = NULL };
    struct jws_memory *m = NULL;
    uint8_t name[SHA256_SIZE];
    struct err e;

    (void)state;
    assert_ok(jws_memory_new(&m, &e));
    keep(m, "header", &kept);
    name_of("header", HOST, name);
    assert_true(jws_memory_recall(m, name, SINCE, &found));
    jws_memory_free(m); /* what was handed out stays */
    assert_ptr_equal(found.key, kept.key);
    assert_ptr_equal(found.alg, kept.alg);
    assert_int_equal(EVP_PKEY_up_ref(found.key), 1);
    EVP_PKEY_free(found.key);
}

static void recalls_for_the_same_header_host_and_time_only(void **state)
{
    static const struct {
        const char *header, *host;
        int64_t unix_s;
        bool known;
    } cases[] = {
        { "header", HOST, SINCE, true },
        { "header", HOST, UNTIL, true },
        { "header", HOST, SINCE - 1, false },
        { "header", HOST, UNTIL + 1, false },
        { "Header", HOST, SINCE, false },
        { "heade", HOST, SINCE, false },
        { "", HOST, SINCE, false },
        { "header", "VAULT.azure.net", SINCE, false },
        { "header", "azure.net", SINCE, false },
        { "header", "", SINCE, false },
        { "azure.netheader", "vault.", SINCE, false },
    };
    CLEANUP(jws_signer_done) struct jws_signer signer = make_signer();
    struct jws_memory *m = NULL;
    struct err e;

    (void)state;
    assert_ok(jws_memory_new(&m, &e));
    keep(m, "header", &signer);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (recalls(m, cases[i].header, cases[i].host, cases[i].unix_s) != cases[i].known)
            fail_msg("case %zu", i);
    jws_memory_free(m);
}

static void forgets_the_oldest_of_many_and_renews_in_place(void **state)
{
    static const char *const headers[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    CLEANUP(jws_signer_done) struct jws_signer signer = make_signer();
    struct jws_memory *m = NULL;
    struct err e;

    (void)state;
    assert_ok(jws_memory_new(&m, &e));
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        keep(m, headers[i], &signer);
    signer.since_s += 100;
    keep(m, "c", &signer);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_int_equal(recalls(m, headers[i], HOST, SINCE), strcmp(headers[i], "c") != 0);
    assert_true(recalls(m, "c", HOST, SINCE + 100));
    keep(m, "i", &signer);
    assert_false(recalls(m, "a", HOST, SINCE + 100));
    assert_true(recalls(m, "b", HOST, SINCE + 100));
    jws_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recalls_what_it_keeps),
        cmocka_unit_test(recalls_for_the_same_header_host_and_time_only),
        cmocka_unit_test(forgets_the_oldest_of_many_and_renews_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
