/* Judges: the certificate reader of crypto/, and verify of attest/ in test_psp.c; the openssl
 * command in judge_openssl.py. */
#include "support/asserts.h"

#include "base/file.h"
#include "base/str.h"
#include "sim/pki.h"
#include "support/sim_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>

#define NOW INT64_C(1750000000)

static const char *const NAMES[] = { "*.vault.localhost", "login.localhost", NULL };

struct fixture {
    char dir[64];
    struct pki *pki;
};

static int open_fixture(void **state)
{
    static struct fixture f = { .dir = "/tmp/cloudsim-pki-XXXXXX" };
    struct err e;

    *state = &f;
    if (mkdtemp(f.dir) == NULL)
        return -1;
    return pki_open(f.dir, NAMES, "extra.example", NOW, &f.pki, &e);
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;

    pki_close(f->pki);
    sim_fixture_remove(f->dir);
    return 0;
}

static void read_pem(struct span pem, struct x509_list *out)
{
    struct err e;

    assert_ok(x509_list_from_pem(pem, out, &e));
}

static void the_server_chain_is_valid_for_its_names_only(void **state)
{
    static const struct {
        const char *host;
        bool valid;
    } cases[] = {
        { "sim.vault.localhost", true },   { "login.localhost", true },
        { "extra.example", true },         { "a.b.vault.localhost", false },
        { "sim.attest.localhost", false },
    };
    struct fixture *f = *state;
    CLEANUP(x509_list_done) struct x509_list chain = { 0 };
    CLEANUP(str_freep) char *ca = NULL;
    struct roots *roots = NULL;
    struct err e;

    assert_ok(str_printf(&ca, &e, "%s/pki/tls-ca.cert.pem", f->dir));
    assert_ok(roots_new(ca, "/nonexistent", &roots, &e));
    read_pem(pki_server_cert(f->pki), &chain);
    assert_int_equal(chain.n, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const int r = x509_check_server_chain(&chain, roots, cases[i].host, NOW, NULL, &e);
        if ((r == 0) != cases[i].valid)
            fail_msg("%s: %s", cases[i].host, r == 0 ? "valid" : e.msg);
    }
    assert_fails(
        ERR_CHECK, "",
        x509_check_server_chain(&chain, roots, "login.localhost", NOW - 2 * 86400, NULL, &e));
    roots_free(roots);
}

static void the_amd_chain_has_amds_names_and_signatures(void **state)
{
    struct fixture *f = *state;
    const struct pki_identity *vcek = NULL;
    CLEANUP(x509_list_done) struct x509_list chain = { 0 };
    struct err e;
    char name[64];

    read_pem(pki_amd_chain(f->pki), &chain);
    assert_int_equal(chain.n, 2);
    assert_ok(pki_vcek(f->pki, (struct amd_tcb){ 3, 0, 8, 115 }, &vcek, &e));
    x509_common_name(chain.certs[0], name, sizeof(name));
    assert_string_equal(name, "SEV-Milan");
    x509_common_name(chain.certs[1], name, sizeof(name));
    assert_string_equal(name, "ARK-Milan");
    x509_common_name(vcek->cert, name, sizeof(name));
    assert_string_equal(name, "SEV-VCEK");
    assert_ok(x509_check_pss_sha384(vcek->cert, chain.certs[0], &e));
    assert_ok(x509_check_pss_sha384(chain.certs[0], chain.certs[1], &e));
    assert_ok(x509_check_pss_sha384(chain.certs[1], chain.certs[1], &e));
    assert_true(x509_is_ca(chain.certs[0]) && x509_is_ca(chain.certs[1]));
    assert_false(x509_is_ca(vcek->cert));
    assert_true(x509_has_p384_key(vcek->cert));
}

/* Literal DER, as real VCEKs have it (snp.md §2.2). */
static void a_vcek_says_its_patch_levels_and_chip(void **state)
{
    static const struct {
        const char *oid;
        uint8_t bytes[10];
        size_t n;
    } want[] = {
        { "1.3.6.1.4.1.3704.1.1", { 2, 1, 0 }, 3 },
        { "1.3.6.1.4.1.3704.1.2", { 0x16, 8, 'M', 'i', 'l', 'a', 'n', '-', 'B', '0' }, 10 },
        { "1.3.6.1.4.1.3704.1.3.1", { 2, 1, 4 }, 3 },
        { "1.3.6.1.4.1.3704.1.3.2", { 2, 1, 1 }, 3 },
        { "1.3.6.1.4.1.3704.1.3.3", { 2, 1, 0x7f }, 3 },
        { "1.3.6.1.4.1.3704.1.3.4", { 2, 1, 0 }, 3 },
        { "1.3.6.1.4.1.3704.1.3.8", { 2, 2, 0, 0xdb }, 4 },
    };
    struct fixture *f = *state;
    const struct pki_identity *vcek = NULL;
    struct span content;
    struct err e;

    assert_ok(pki_vcek(f->pki, (struct amd_tcb){ 4, 1, 0x7f, 0xdb }, &vcek, &e));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(x509_extension(vcek->cert, want[i].oid, &content));
        assert_span_equal(content, span_of(want[i].bytes, want[i].n));
    }
    assert_true(x509_extension(vcek->cert, "1.3.6.1.4.1.3704.1.4", &content));
    assert_span_equal(content, span_of(pki_chip_id(f->pki), AMD_ISSUE_CHIP_ID_SIZE));
}

static void the_tcb_number_is_what_azure_writes(void **state)
{
    assert_int_equal(amd_tcb_number((struct amd_tcb){ 3, 0, 8, 115 }), 0x7308000000000003);
    assert_int_equal(amd_tcb_number((struct amd_tcb){ 4, 1, 24, 219 }), 0xdb18000000000104);
}

static void asking_twice_gives_the_same_and_another_tcb_another_key(void **state)
{
    struct fixture *f = *state;
    const struct pki_identity *a = NULL, *b = NULL, *c = NULL;
    struct err e;

    assert_ok(pki_vcek(f->pki, (struct amd_tcb){ 3, 0, 8, 115 }, &a, &e));
    assert_ok(pki_vcek(f->pki, (struct amd_tcb){ 3, 0, 8, 115 }, &b, &e));
    assert_ok(pki_vcek(f->pki, (struct amd_tcb){ 3, 0, 8, 116 }, &c, &e));
    assert_ptr_equal(a, b);
    assert_false(span_equal(x509_cert_spki(a->cert), x509_cert_spki(c->cert)));
    assert_ok(pki_identity(f->pki, PKI_SELF, "x", &a, &e));
    assert_ok(pki_identity(f->pki, PKI_SERVER, "x", &b, &e));
    assert_ptr_not_equal(a, b);
}

static void refuses_names_that_are_no_file_names(void **state)
{
    static const char *const names[] = { "", ".", "../x", "a/b", "a b", ".hidden", "a\nb" };
    struct fixture *f = *state;
    const struct pki_identity *id = NULL;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_fails(ERR_ARG, "no name for a certificate",
                     pki_identity(f->pki, PKI_SELF, names[i], &id, &e));
    assert_null(id);
}

static void one_process_at_a_time_uses_the_directory(void **state)
{
    struct fixture *f = *state;
    struct pki *second = NULL;
    struct err e;

    assert_fails(ERR_CHECK, "another process uses",
                 pki_open(f->dir, NAMES, NULL, NOW, &second, &e));
    assert_null(second);
}

static void key_files_are_private(void **state)
{
    static const char *const files[] = { "ark.key.pem", "ask.key.pem", "server.key.pem",
                                         "tls-ca.key.pem" };
    struct fixture *f = *state;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        CLEANUP(str_freep) char *path = NULL;
        struct stat st;
        assert_ok(str_printf(&path, &e, "%s/pki/%s", f->dir, files[i]));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void a_second_start_has_the_same_roots_keys_and_chip(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_done) struct buf ca = { 0 };
    CLEANUP(buf_done) struct buf chain = { 0 };
    CLEANUP(buf_done) struct buf vcek_pem = { 0 };
    uint8_t chip[AMD_ISSUE_CHIP_ID_SIZE];
    const struct pki_identity *vcek = NULL;
    const struct amd_tcb tcb = { 3, 0, 8, 115 };
    struct err e;

    assert_ok(pki_vcek(f->pki, tcb, &vcek, &e));
    assert_ok(buf_add(&ca, pki_tls_ca(f->pki).p, pki_tls_ca(f->pki).n, &e));
    assert_ok(buf_add(&chain, pki_amd_chain(f->pki).p, pki_amd_chain(f->pki).n, &e));
    assert_ok(buf_add(&vcek_pem, vcek->pem.p, vcek->pem.n, &e));
    memcpy(chip, pki_chip_id(f->pki), sizeof(chip));

    pki_close(f->pki);
    f->pki = NULL;
    assert_ok(pki_open(f->dir, NAMES, NULL, NOW + 3600, &f->pki, &e));
    assert_span_equal(pki_tls_ca(f->pki), buf_span(&ca));
    assert_span_equal(pki_amd_chain(f->pki), buf_span(&chain));
    assert_memory_equal(pki_chip_id(f->pki), chip, sizeof(chip));
    assert_ok(pki_vcek(f->pki, tcb, &vcek, &e));
    assert_span_equal(buf_span(&vcek->pem), buf_span(&vcek_pem));
}

/* Last: it spoils the directory. */
static void a_damaged_file_is_named(void **state)
{
    static const char *const files[] = { "server.key.pem", "ask.cert.pem", "chip-id.bin" };
    struct fixture *f = *state;
    struct err e;

    pki_close(f->pki);
    f->pki = NULL;
    for (size_t i = ARRAY_LEN(files); i > 0; i--) {
        CLEANUP(str_freep) char *path = NULL;
        struct pki *p = NULL;
        assert_ok(str_printf(&path, &e, "%s/pki/%s", f->dir, files[i - 1]));
        assert_ok(file_write(path, span_str("damaged"), &e));
        assert_fails(ERR_PARSE, files[i - 1], pki_open(f->dir, NAMES, NULL, NOW, &p, &e));
        assert_null(p);
        remove(path); /* made anew by the next start */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_chain_is_valid_for_its_names_only),
        cmocka_unit_test(the_amd_chain_has_amds_names_and_signatures),
        cmocka_unit_test(a_vcek_says_its_patch_levels_and_chip),
        cmocka_unit_test(the_tcb_number_is_what_azure_writes),
        cmocka_unit_test(asking_twice_gives_the_same_and_another_tcb_another_key),
        cmocka_unit_test(refuses_names_that_are_no_file_names),
        cmocka_unit_test(one_process_at_a_time_uses_the_directory),
        cmocka_unit_test(key_files_are_private),
        cmocka_unit_test(a_second_start_has_the_same_roots_keys_and_chip),
        cmocka_unit_test(a_damaged_file_is_named),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
