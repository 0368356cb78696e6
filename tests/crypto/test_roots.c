#include "support/asserts.h"

#include "base/clock.h"
#include "base/file.h"
#include "crypto/pkey.h"
#include "crypto/roots.h"
#include "crypto/x509_issue.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW       1790000000
#define NOWHERE   "/nonexistent"
#define N_THREADS 4

/* An authority, an intermediate below it and a server below that, as certificates and PEM. */
static struct signer *keys[3];
static struct x509_cert *certs[3];
static struct buf pems[3];
static char dir[64];

static void issue(size_t i, const char *name, bool ca)
{
    const struct x509_description d = {
        .subject = &(struct x509_name_part){ "CN", name },
        .n_subject = 1,
        .serial = i + 1,
        .not_before = 0,
        .not_after = 4000000000,
        .key = keys[i],
        .issuer = i == 0 ? NULL : certs[i - 1],
        .issuer_key = i == 0 ? NULL : keys[i - 1],
        .ca = ca,
        .key_ids = true,
        .dns_names = (const char *const[]){ "a.localhost", "127.0.0.1" },
        .n_dns_names = ca ? 0 : 2,
    };
    struct err e;

    assert_ok(x509_issue(&d, &certs[i], &e));
    assert_ok(x509_issue_write_pem(certs[i], &pems[i], &e));
}

static int make_authority(void **state)
{
    struct err e;

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_roots.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_ok(signer_new_ec(SIGNER_P256, &keys[i], &e));
    issue(0, "Authority", true);
    issue(1, "Intermediate", true);
    issue(2, "Server", false);
    return 0;
}

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % ARRAY_LEN(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static void put(const char *name, struct span content)
{
    struct err e;

    assert_ok(file_write(in_dir(name), content, &e));
}

static int empty_dir(void **state)
{
    static const char *const names[] = { "bundle", "one", "two", "alias", "fifo", "loop", "sub/x" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(in_dir(names[i]));
    rmdir(in_dir("sub"));
    return 0;
}

static int remove_all(void **state)
{
    empty_dir(state);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        signer_free(keys[i]);
        x509_cert_free(certs[i]);
        buf_done(&pems[i]);
    }
    return rmdir(dir);
}

static int check_server(struct roots *r, const char *host, struct err *out_e)
{
    CLEANUP(x509_list_done) struct x509_list chain = { 0 };
    struct err e;

    assert_ok(x509_list_add_der(&chain, x509_cert_der(certs[2]), &e));
    assert_ok(x509_list_add_der(&chain, x509_cert_der(certs[1]), &e));
    return x509_check_server_chain(&chain, r, host, NOW, NULL, out_e);
}

/* What a pair of variables trusts: does the server's chain end in it? */
static int trusts_server(const char *file, const char *dirs, struct err *out_e)
{
    struct roots *r;
    struct err e;

    assert_ok(roots_new(file, dirs, &r, &e));
    const int result = check_server(r, "a.localhost", out_e);
    roots_free(r);
    return result;
}

static void trusts_what_the_bundle_holds(void **state)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    (void)state;
    put("bundle", buf_span(&pems[0]));
    assert_ok(trusts_server(in_dir("bundle"), NOWHERE, &e));

    /* among damaged blocks, keys and text, twice */
    assert_ok(buf_add_str(&text, "# ours\n-----BEGIN CERTIFICATE-----\nAA*A\n", &e));
    assert_ok(buf_add(&text, pems[0].p, pems[0].n, &e));
    put("bundle", buf_span(&text));
    assert_fails(ERR_PARSE, "no certificate in", trusts_server(in_dir("bundle"), NOWHERE, &e));
    assert_ok(buf_add_str(&text,
                          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
                          "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                          &e));
    assert_ok(buf_add(&text, pems[0].p, pems[0].n, &e));
    assert_ok(buf_add(&text, pems[0].p, pems[0].n, &e));
    put("bundle", buf_span(&text));
    assert_ok(trusts_server(in_dir("bundle"), NOWHERE, &e));

    /* an intermediate, even the server itself, may be what is trusted, as with Go and curl */
    put("bundle", buf_span(&pems[1]));
    assert_ok(trusts_server(in_dir("bundle"), NOWHERE, &e));
    put("bundle", buf_span(&pems[2]));
    assert_ok(trusts_server(in_dir("bundle"), NOWHERE, &e));
}

static void refuses_chains_that_end_elsewhere(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *namesake = NULL;
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct err e;

    (void)state;
    const struct x509_description d = {
        .subject = &(struct x509_name_part){ "CN", "Authority" },
        .n_subject = 1,
        .serial = 1,
        .not_after = 4000000000,
        .key = keys[1],
        .ca = true,
    };
    assert_ok(x509_issue(&d, &namesake, &e));
    assert_ok(x509_issue_write_pem(namesake, &pem, &e));
    put("bundle", buf_span(&pem));
    assert_fails(ERR_CHECK, "is not trusted for a.localhost",
                 trusts_server(in_dir("bundle"), NOWHERE, &e));
}

static void finds_the_right_one_of_two_with_the_same_name(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *namesake = NULL;
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct err e;

    (void)state;
    const struct x509_description d = {
        .subject = &(struct x509_name_part){ "CN", "Authority" },
        .n_subject = 1,
        .serial = 1,
        .not_after = 4000000000,
        .key = keys[1],
        .ca = true,
        .key_ids = true,
    };
    assert_ok(x509_issue(&d, &namesake, &e));
    assert_ok(x509_issue_write_pem(namesake, &pem, &e));
    assert_ok(buf_add(&pem, pems[0].p, pems[0].n, &e));
    put("bundle", buf_span(&pem));
    assert_ok(trusts_server(in_dir("bundle"), NOWHERE, &e));
}

static void refuses_a_bundle_that_was_named_and_is_none(void **state)
{
    struct err e;

    (void)state;
    assert_fails(ERR_SYS, in_dir("bundle"), trusts_server(in_dir("bundle"), NOWHERE, &e));
    put("bundle", span_str("no certificates\n"));
    assert_fails(ERR_PARSE, "no certificate in", trusts_server(in_dir("bundle"), NOWHERE, &e));
    assert_fails(ERR_SYS, dir, trusts_server(dir, NOWHERE, &e));
    /* and the directory does not make up for it */
    assert_fails(ERR_PARSE, "no certificate in", trusts_server(in_dir("bundle"), dir, &e));
}

static void tries_again_after_a_failure(void **state)
{
    struct roots *r;
    struct err e;

    (void)state;
    assert_ok(roots_new(in_dir("bundle"), NOWHERE, &r, &e));
    assert_fails(ERR_SYS, "bundle", roots_load(r, &e));
    put("bundle", buf_span(&pems[0]));
    assert_ok(roots_load(r, &e));
    unlink(in_dir("bundle"));
    assert_ok(roots_load(r, &e)); /* read once */
    assert_ok(check_server(r, "a.localhost", &e));
    assert_ok(check_server(r, "127.0.0.1", &e));
    assert_fails(ERR_CHECK, "IP address mismatch", check_server(r, "127.0.0.2", &e));
    assert_fails(ERR_CHECK, "hostname mismatch", check_server(r, "b.localhost", &e));
    roots_free(r);
}

static void reads_every_file_of_the_directories(void **state)
{
    char dirs[256];
    struct err e;

    (void)state;
    put("two", buf_span(&pems[2])); /* the bundle must not be empty, and not help */
    put("one", buf_span(&pems[0]));
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(symlink("nothing", in_dir("loop")), 0);
    assert_int_equal(symlink("one", in_dir("alias")), 0);
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);

    struct roots *r;
    assert_ok(roots_new(NULL, dir, &r, &e));
    assert_ok(check_server(r, "a.localhost", &e));
    roots_free(r);

    /* a list, of which some are not there */
    put("sub/x", buf_span(&pems[0]));
    unlink(in_dir("one"));
    unlink(in_dir("two"));
    snprintf(dirs, sizeof(dirs), "%s::%s/sub:%s", NOWHERE, dir, NOWHERE);
    put("bundle", buf_span(&pems[0]));
    assert_ok(trusts_server(in_dir("bundle"), dirs, &e));
    assert_ok(roots_new(NULL, dirs, &r, &e));
    assert_ok(check_server(r, "a.localhost", &e));
    roots_free(r);

    /* the same file by a link from elsewhere */
    unlink(in_dir("alias"));
    unlink(in_dir("bundle"));
    assert_int_equal(symlink(in_dir("sub/x"), in_dir("alias")), 0);
    assert_ok(roots_new(NULL, dir, &r, &e));
    assert_ok(check_server(r, "a.localhost", &e));
    roots_free(r);
}

static void a_new_bundle_does_not_switch_the_directories_off(void **state)
{
    CLEANUP(x509_cert_freep) struct x509_cert *other = NULL;
    CLEANUP(buf_done) struct buf pem = { 0 };
    struct err e;

    (void)state;
    const struct x509_description d = {
        .subject = &(struct x509_name_part){ "CN", "Other" },
        .n_subject = 1,
        .not_after = 4000000000,
        .key = keys[0],
        .ca = true,
    };
    assert_ok(x509_issue(&d, &other, &e));
    assert_ok(x509_issue_write_pem(other, &pem, &e));
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    put("bundle", buf_span(&pem));
    assert_fails(ERR_CHECK, "is not trusted", trusts_server(in_dir("bundle"), in_dir("sub"), &e));
    put("sub/x", buf_span(&pems[0]));
    assert_ok(trusts_server(in_dir("bundle"), in_dir("sub"), &e));
}

static void trusts_the_roots_of_the_system(void **state)
{
    CLEANUP(buf_done) struct buf bundle = { 0 };
    struct roots *r;
    X509_STORE *store;
    struct err e;
    size_t n = 0;

    (void)state;
    if (file_read("/etc/ssl/certs/ca-certificates.crt", 16777216, &bundle, &e) != 0)
        skip_because("ca-certificates is not installed");
    assert_ok(roots_new("", "", &r, &e)); /* empty is unset, as with Go */
    assert_ok(roots_store(r, &store, &e));

    /* each of them, in itself, is a chain that ends in a trusted certificate */
    BIO *bio = BIO_new_mem_buf(bundle.p, (int)bundle.n);
    X509 *root;
    while ((root = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        X509_STORE_CTX_init(ctx, store, root, NULL);
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
        if (X509_verify_cert(ctx) != 1)
            fail_msg("root %zu: %s", n,
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
        X509_STORE_CTX_free(ctx);
        X509_free(root);
        n++;
    }
    BIO_free(bio);
    assert_true(n > 0);
    assert_fails(ERR_CHECK, "is not trusted", check_server(r, "a.localhost", &e));
    roots_free(r);
}

/* A TLS handshake over memory; the client's view of it. */
static int shake_hands(SSL_CTX *client_ctx, int server_max_version, long *out_verdict)
{
    SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method());
    SSL *client = SSL_new(client_ctx), *server;
    BIO *a, *b;
    int result = 0;

    SSL_CTX_use_certificate(server_ctx, x509_cert_x509(certs[2]));
    SSL_CTX_use_PrivateKey(server_ctx, signer_pkey(keys[2]));
    SSL_CTX_add1_chain_cert(server_ctx, x509_cert_x509(certs[1]));
    SSL_CTX_set_min_proto_version(server_ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(server_ctx, server_max_version);
    SSL_CTX_set_security_level(server_ctx, 0);
    server = SSL_new(server_ctx);
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(client, a, a);
    SSL_set_bio(server, b, b);
    SSL_set1_host(client, "a.localhost");
    SSL_set_verify(client, SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 10 && result != 1; i++) {
        result = SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    *out_verdict = SSL_get_verify_result(client);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(server_ctx);
    ERR_clear_error();
    return result == 1 ? 0 : -1;
}

static void gives_its_roots_to_tls(void **state)
{
    struct roots *r;
    struct err e;
    long verdict;

    (void)state;
    put("bundle", buf_span(&pems[0]));
    assert_ok(roots_new(in_dir("bundle"), NOWHERE, &r, &e));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    assert_ok(roots_attach(r, ctx, &e));
    roots_free(r); /* what TLS still needs stays */

    assert_int_equal(shake_hands(ctx, TLS1_3_VERSION, &verdict), 0);
    assert_int_equal(verdict, X509_V_OK);
    assert_int_equal(shake_hands(ctx, TLS1_2_VERSION, &verdict), 0);
    assert_int_equal(shake_hands(ctx, TLS1_1_VERSION, &verdict), -1);
    SSL_CTX_free(ctx);

    ctx = SSL_CTX_new(TLS_client_method());
    assert_ok(roots_new(in_dir("bundle"), NOWHERE, &r, &e));
    put("bundle", buf_span(&pems[2]));
    unlink(in_dir("bundle"));
    assert_fails(ERR_SYS, "bundle", roots_attach(r, ctx, &e));
    assert_int_equal(shake_hands(ctx, TLS1_3_VERSION, &verdict), -1);
    assert_int_equal(verdict, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    SSL_CTX_free(ctx);
    roots_free(r);
}

static void *check_often(void *arg)
{
    struct err e;
    size_t n_ok = 0;

    for (int i = 0; i < 20; i++)
        n_ok += check_server(arg, "a.localhost", &e) == 0;
    return (void *)(uintptr_t)n_ok;
}

static void serves_many_threads_from_the_first_use_on(void **state)
{
    pthread_t threads[N_THREADS];
    struct roots *r;
    struct err e;

    (void)state;
    put("bundle", buf_span(&pems[0]));
    assert_ok(roots_new(in_dir("bundle"), NULL, &r, &e));
    for (size_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_often, r), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        void *n_ok;

        pthread_join(threads[i], &n_ok);
        assert_int_equal((uintptr_t)n_ok, 20);
    }
    roots_free(r);
}

/* Whether a use finds what was read ahead, the file being gone again. */
static bool reads_ahead_within(int64_t ms)
{
    struct roots *r;
    struct err e;

    put("bundle", buf_span(&pems[0]));
    assert_ok(roots_new(in_dir("bundle"), NOWHERE, &r, &e));
    roots_load_ahead(r);
    roots_load_ahead(r); /* once is enough */
    clock_sleep_ms(clock_system(), ms);
    assert_int_equal(unlink(in_dir("bundle")), 0);
    const bool found = check_server(r, "a.localhost", &e) == 0;
    roots_free(r);
    return found;
}

static void reads_ahead_of_the_first_use(void **state)
{
    int64_t ms = 1;

    (void)state;
    while (ms < 10000 && !reads_ahead_within(ms))
        ms *= 3;
    assert_true(ms < 10000);
}

static void reports_at_the_first_use_what_could_not_be_read_ahead(void **state)
{
    struct roots *r;
    struct err e;

    (void)state;
    assert_ok(roots_new(in_dir("bundle"), NOWHERE, &r, &e));
    roots_load_ahead(r);
    assert_fails(ERR_SYS, "bundle", roots_load(r, &e));
    put("bundle", buf_span(&pems[0]));
    assert_ok(roots_load(r, &e));
    roots_load_ahead(r);
    roots_free(r);

    assert_ok(roots_new(in_dir("bundle"), NULL, &r, &e));
    roots_load_ahead(r);
    roots_free(r); /* at once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(trusts_what_the_bundle_holds, empty_dir),
        cmocka_unit_test_teardown(refuses_chains_that_end_elsewhere, empty_dir),
        cmocka_unit_test_teardown(finds_the_right_one_of_two_with_the_same_name, empty_dir),
        cmocka_unit_test_teardown(refuses_a_bundle_that_was_named_and_is_none, empty_dir),
        cmocka_unit_test_teardown(tries_again_after_a_failure, empty_dir),
        cmocka_unit_test_teardown(reads_every_file_of_the_directories, empty_dir),
        cmocka_unit_test_teardown(a_new_bundle_does_not_switch_the_directories_off, empty_dir),
        cmocka_unit_test(trusts_the_roots_of_the_system),
        cmocka_unit_test_teardown(gives_its_roots_to_tls, empty_dir),
        cmocka_unit_test_teardown(reads_ahead_of_the_first_use, empty_dir),
        cmocka_unit_test_teardown(reports_at_the_first_use_what_could_not_be_read_ahead, empty_dir),
        cmocka_unit_test_teardown(serves_many_threads_from_the_first_use_on, empty_dir),
    };

    return cmocka_run_group_tests(tests, make_authority, remove_all);
}
