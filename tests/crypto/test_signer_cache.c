/* The chains of tests/data/jws/, made by Python's cryptography. What was verified is remembered;
 * nothing else is. */
#include "support/asserts.h"

#include "base/file.h"
#include "codec/b64.h"
#include "crypto/jws.h"
#include "crypto/x509_issue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST  "vault.azure.net"
#define NOW   1790000000
#define UNTIL 2335219200 /* the certificates expire in 2044 */

struct fixture {
    struct roots *roots;
    struct signer_cache *cache;
    struct buf jws;
    struct x509_list chain; /* leaf, issuing, root */
};

static void data_path(const char *file, char out[static 512])
{
    snprintf(out, 512, "%s/tests/data/jws/%s", getenv("SOURCE_ROOT"), file);
}

static void read_chain(const struct buf *jws, struct x509_list *out)
{
    CLEANUP(json_freep) json_t *header = NULL;
    struct err e;

    assert_ok(jws_peek(buf_span(jws), &header, NULL, &e));
    const json_t *x5c = json_object_get(header, "x5c");
    for (size_t i = 0; i < json_array_size(x5c); i++) {
        CLEANUP(buf_done) struct buf der = { 0 };

        assert_ok(b64_decode(span_str(json_string_value(json_array_get(x5c, i))), &der, &e));
        assert_ok(x509_list_add_der(out, buf_span(&der), &e));
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[512];
    struct err e;

    *state = f;
    data_path("roots.pem", path);
    assert_ok(roots_new(path, "/nonexistent", &f->roots, &e));
    assert_ok(signer_cache_new(f->roots, &f->cache, &e));
    data_path("good_rs256.jws", path);
    assert_ok(file_read(path, 1 << 20, &f->jws, &e));
    read_chain(&f->jws, &f->chain);
    assert_int_equal(f->chain.n, 3);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    x509_list_done(&f->chain);
    buf_done(&f->jws);
    signer_cache_free(f->cache);
    roots_free(f->roots);
    free(f);
    return 0;
}

/* Passes, and is verified or not. */
static void passes(struct fixture *f, const char *host, int64_t now, bool is_verified)
{
    const uint64_t before = signer_cache_n_verified(f->cache);
    struct err e;

    assert_ok(signer_cache_check(f->cache, &f->chain, host, now, &e));
    assert_int_equal(signer_cache_n_verified(f->cache) - before, is_verified);
}

/* A refusal was always looked into. */
static void is_refused(struct fixture *f, const char *host, int64_t now, const char *needle)
{
    const uint64_t before = signer_cache_n_verified(f->cache);
    struct err e;

    assert_fails(ERR_CHECK, needle, signer_cache_check(f->cache, &f->chain, host, now, &e));
    assert_int_equal(signer_cache_n_verified(f->cache) - before, 1);
}

static void verifies_a_chain_once(void **state)
{
    struct fixture *f = *state;

    passes(f, HOST, NOW, true);
    for (int i = 0; i < 5; i++)
        passes(f, HOST, NOW + i, false);
}

static void verifies_for_each_host(void **state)
{
    struct fixture *f = *state;

    passes(f, HOST, NOW, true);
    passes(f, "my.vault.azure.net", NOW, true);
    passes(f, "MY.vault.azure.net", NOW, true); /* exactly the name, however it is spelled */
    passes(f, HOST, NOW, false);
    passes(f, "my.vault.azure.net", NOW, false);
    for (int i = 0; i < 2; i++) { /* what was refused is not remembered as good */
        is_refused(f, "azure.net", NOW, "hostname mismatch");
        is_refused(f, "", NOW, "host name");
    }
}

static void forgets_what_has_expired(void **state)
{
    struct fixture *f = *state;

    passes(f, HOST, NOW, true);
    passes(f, HOST, UNTIL - 1, false);
    is_refused(f, HOST, UNTIL, "expired");
    is_refused(f, HOST, UNTIL + 1, "expired");
}

/* Issues a path of three that expires as told; the root's file goes to path. */
static void issue_path(const int64_t until[static 3], const char *path, struct x509_list *out)
{
    static const char *const host = HOST;
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct signer *keys[3];
    struct x509_cert *certs[3] = { NULL };
    struct err e;

    for (int i = 2; i >= 0; i--) {
        const bool is_root = i == 2;
        const struct x509_name_part name = { "CN", is_root ? "Root" : i == 1 ? "Issuing" : HOST };
        assert_ok(signer_new_ec(SIGNER_P256, &keys[i], &e));
        const struct x509_description d = { .subject = &name,
                                            .n_subject = 1,
                                            .serial = 1,
                                            .not_before = NOW - 100,
                                            .not_after = until[i],
                                            .key = keys[i],
                                            .issuer = is_root ? NULL : certs[i + 1],
                                            .issuer_key = is_root ? NULL : keys[i + 1],
                                            .ca = i > 0,
                                            .dns_names = &host,
                                            .n_dns_names = i == 0 };
        assert_ok(x509_issue(&d, &certs[i], &e));
    }
    assert_ok(x509_issue_write_pem(certs[2], &pem, &e));
    assert_ok(file_write(path, buf_span(&pem), &e));
    *out = (struct x509_list){ { certs[0], certs[1] }, 2 }; /* the root is not shown */
    x509_cert_free(certs[2]);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        signer_free(keys[i]);
}

static void forgets_when_any_certificate_of_the_path_has_expired(void **state)
{
    static const int64_t until[][3] = { { NOW + 50, NOW + 90, NOW + 99 },
                                        { NOW + 90, NOW + 50, NOW + 99 },
                                        { NOW + 90, NOW + 99, NOW + 50 } };
    static const char path[] = "signer_cache_root.pem";

    for (size_t i = 0; i < ARRAY_LEN(until); i++) {
        struct fixture f = { .roots = NULL };
        struct err e;

        issue_path(until[i], path, &f.chain);
        assert_ok(roots_new(path, "/nonexistent", &f.roots, &e));
        assert_ok(signer_cache_new(f.roots, &f.cache, &e));
        passes(&f, HOST, NOW, true);
        passes(&f, HOST, NOW + 49, false);
        is_refused(&f, HOST, NOW + 50, "expired");
        signer_cache_free(f.cache);
        roots_free(f.roots);
        x509_list_done(&f.chain);
    }
    unlink(path);
}

/* A clock that goes back may do so because somebody wants an old chain to be good again. */
static void trusts_no_memory_when_the_clock_goes_back(void **state)
{
    struct fixture *f = *state;

    passes(f, HOST, NOW + 100, true);
    passes(f, HOST, NOW + 200, false);
    passes(f, HOST, NOW + 199, true); /* even though it was remembered from 100 on */
    passes(f, HOST, NOW + 100, true);
    passes(f, HOST, NOW + 200, false);
    is_refused(f, HOST, 1704067200 - 1, "not yet valid");
    is_refused(f, HOST, UNTIL, "expired");
    passes(f, HOST, UNTIL - 1, true);
    passes(f, HOST, UNTIL - 1, true);
}

/* One bit of a certificate below the root, wherever it is: the chain is another one, and a bad one.
 */
static void looks_at_every_byte(void **state)
{
    struct fixture *f = *state;
    size_t n_parsed = 0;
    struct err e;

    passes(f, HOST, NOW, true);
    for (size_t i = 0; i + 1 < f->chain.n; i++) {
        const struct span der = x509_cert_der(f->chain.certs[i]);

        for (size_t at = 0; at < der.n; at += 7) {
            CLEANUP(buf_done) struct buf flipped = { 0 };
            CLEANUP(x509_cert_freep) struct x509_cert *cert = NULL;
            struct x509_list chain = f->chain;
            const uint64_t before = signer_cache_n_verified(f->cache);

            assert_ok(buf_add(&flipped, der.p, der.n, &e));
            flipped.p[at] ^= (uint8_t)(1 << at % 8);
            if (x509_cert_from_der(buf_span(&flipped), &cert, &e) != 0)
                continue;
            chain.certs[i] = cert;
            assert_int_equal(signer_cache_check(f->cache, &chain, HOST, NOW, &e), -1);
            assert_int_equal(signer_cache_n_verified(f->cache) - before, 1);
            n_parsed++;
        }
    }
    assert_true(n_parsed > 100);
    passes(f, HOST, NOW, false);
}

static void looks_at_the_order_and_the_number(void **state)
{
    struct fixture *f = *state;
    struct x509_list longer = f->chain, shorter = f->chain;
    struct err e;

    passes(f, HOST, NOW, true);
    longer.certs[longer.n++] = f->chain.certs[1];
    shorter.n--;
    assert_ok(signer_cache_check(f->cache, &longer, HOST, NOW, &e));
    assert_ok(signer_cache_check(f->cache, &shorter, HOST, NOW, &e));
    assert_int_equal(signer_cache_n_verified(f->cache), 3);
    passes(f, HOST, NOW, false);
    shorter.n = 0;
    assert_fails(ERR_CHECK, "empty", signer_cache_check(f->cache, &shorter, HOST, NOW, &e));
}

static void makes_room_by_what_was_not_used_for_longest(void **state)
{
    struct fixture *f = *state;
    char host[SIGNER_CACHE_MAX + 1][32];

    for (size_t i = 0; i < ARRAY_LEN(host); i++)
        snprintf(host[i], sizeof(host[i]), "h%zu.vault.azure.net", i);
    for (size_t i = 0; i < SIGNER_CACHE_MAX; i++)
        passes(f, host[i], NOW, true);
    passes(f, host[0], NOW, false); /* so that now 1 is the oldest */
    passes(f, host[SIGNER_CACHE_MAX], NOW, true);
    for (size_t i = 0; i < ARRAY_LEN(host); i++)
        if (i != 1)
            passes(f, host[i], NOW, false);
    passes(f, host[1], NOW, true);
}

static void keeps_the_roots_apart(void **state)
{
    struct fixture *f = *state;
    struct signer_cache *other;
    struct roots *roots;
    char path[512];
    struct err e;

    passes(f, HOST, NOW, true);
    data_path("other_root.pem", path);
    assert_ok(roots_new(path, "/nonexistent", &roots, &e));
    assert_ok(signer_cache_new(roots, &other, &e));
    assert_fails(ERR_CHECK, "self-signed", signer_cache_check(other, &f->chain, HOST, NOW, &e));
    signer_cache_free(other);
    roots_free(roots);
}

/* The signature is not part of what is remembered. */
static void never_excuses_a_signature(void **state)
{
    static const char *const lies[] = { "signature_wrong", "signature_of_another_payload",
                                        "signature_by_x5c_2", "signature_empty" };
    struct fixture *f = *state;
    json_t *payload = NULL;
    struct err e;

    assert_ok(jws_open_x5c(buf_span(&f->jws), f->cache, HOST, NOW, &payload, &e));
    json_decref(TAKE(payload));
    assert_int_equal(signer_cache_n_verified(f->cache), 1);
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        CLEANUP(buf_done) struct buf jws = { 0 };
        char path[512], file[64];

        snprintf(file, sizeof(file), "%s.jws", lies[i]);
        data_path(file, path);
        assert_ok(file_read(path, 1 << 20, &jws, &e));
        assert_fails(ERR_CHECK, "signature is not",
                     jws_open_x5c(buf_span(&jws), f->cache, HOST, NOW, &payload, &e));
    }
    assert_int_equal(signer_cache_n_verified(f->cache), 1); /* they name the signer that is known */
}

static void *check_many(void *arg)
{
    struct fixture *f = arg;
    size_t n_good = 0;
    struct err e;

    for (int i = 0; i < 200; i++) {
        char host[32];

        snprintf(host, sizeof(host), "h%d.vault.azure.net", i % 20);
        n_good += signer_cache_check(f->cache, &f->chain, host, NOW + i, &e) == 0;
    }
    assert_int_equal(n_good, 200);
    return NULL;
}

static void serves_many_threads(void **state)
{
    pthread_t threads[8];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_many, *state), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(verifies_a_chain_once),
        TEST(verifies_for_each_host),
        TEST(forgets_what_has_expired),
        TEST(forgets_when_any_certificate_of_the_path_has_expired),
        TEST(trusts_no_memory_when_the_clock_goes_back),
        TEST(looks_at_every_byte),
        TEST(looks_at_the_order_and_the_number),
        TEST(makes_room_by_what_was_not_used_for_longest),
        TEST(keeps_the_roots_apart),
        TEST(never_excuses_a_signature),
        TEST(serves_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
