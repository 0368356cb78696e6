/* Evidence made on the spot, good but for one thing: what no published set shows. */
#include "support/asserts.h"

#include "base/str.h"
#include "crypto/x509_issue.h"
#include "support/evidence_files.h"

#define ARC        "1.3.6.1.4.1.3704.1."
#define MAX_EXT    14
#define NOT_BEFORE (EVIDENCE_TIME - 1000)
#define NOT_AFTER  (EVIDENCE_TIME + 1000)

/* Made once: keys take longest. The good root is the trusted one in every case. */
static struct kit {
    struct signer *ark_key, *ask_key, *vek_key, *other_key, *other_vek_key;
    struct x509_cert *ark;       /* ARK-Milan */
    struct x509_cert *genoa_ark; /* the same key under the name ARK-Genoa */
} kit;

struct recipe {
    struct x509_name_part ark_name, ask_name, vek_name;
    struct x509_description ark, ask, vek;
    struct x509_raw_extension ext[MAX_EXT];
    size_t n_ext;
    uint8_t report[SNP_REPORT_SIZE];
    bool trust_genoa_ark;
};

static struct span lit(const char *bytes, size_t n)
{
    return span_of(bytes, n);
}
#define LIT(s) lit((s), sizeof(s) - 1)

static void describe(struct x509_description *d, struct x509_name_part *name, const char *cn,
                     const struct signer *key, bool ca)
{
    *name = (struct x509_name_part){ "CN", cn };
    *d = (struct x509_description){ .subject = name,
                                    .n_subject = 1,
                                    .serial = 1,
                                    .not_before = NOT_BEFORE,
                                    .not_after = NOT_AFTER,
                                    .key = key,
                                    .signature = X509_SIGN_PSS_SHA384,
                                    .ca = ca,
                                    .key_usage = ca ? X509_USE_KEY_CERT_SIGN : 0 };
}

static void add_ext(struct recipe *r, const char *oid, struct span content)
{
    assert_true(r->n_ext < MAX_EXT);
    r->ext[r->n_ext++] = (struct x509_raw_extension){ .oid = oid, .content = content };
}

/* A Milan of TCB 04 00 00 00 00 00 18 db, whose chip id is 64 times 0x61. */
static void start_recipe(struct recipe *r)
{
    static const char hwid[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const uint8_t tcb[] = { 4, 0, 0, 0, 0, 0, 0x18, 0xdb };

    *r = (struct recipe){ 0 };
    describe(&r->ark, &r->ark_name, "ARK-Milan", kit.ark_key, true);
    describe(&r->ask, &r->ask_name, "SEV-Milan", kit.ask_key, true);
    describe(&r->vek, &r->vek_name, "SEV-VCEK", kit.vek_key, false);
    r->ask.issuer_key = kit.ark_key;
    r->vek.issuer_key = kit.ask_key;
    add_ext(r, ARC "2", LIT("\x16\x08Milan-B0"));
    add_ext(r, ARC "3.1", LIT("\x02\x01\x04"));
    add_ext(r, ARC "3.2", LIT("\x02\x01\x00"));
    add_ext(r, ARC "3.3", LIT("\x02\x01\x18"));
    add_ext(r, ARC "3.4", LIT("\x02\x01\x00"));
    add_ext(r, ARC "3.5", LIT("\x02\x01\x00"));
    add_ext(r, ARC "3.6", LIT("\x02\x01\x00"));
    add_ext(r, ARC "3.7", LIT("\x02\x01\x00"));
    add_ext(r, ARC "3.8", LIT("\x02\x02\x00\xdb"));
    add_ext(r, ARC "4", LIT(hwid));
    r->report[0] = 3;
    r->report[0x34] = 1;
    memcpy(r->report + 0x180, tcb, sizeof(tcb));
    memcpy(r->report + 0x188, "\x19\x01\x01", 3);
    memcpy(r->report + 0x1a0, hwid, 64);
}

static void sign(uint8_t *report, const struct signer *key)
{
    uint8_t r[SIGNER_P384_SIZE], s[SIGNER_P384_SIZE];
    struct err e;

    assert_ok(signer_ecdsa_p384(key, span_of(report, SNP_REPORT_SIGNED_SIZE), r, s, &e));
    for (size_t i = 0; i < SIGNER_P384_SIZE; i++) {
        report[0x2a0 + i] = r[SIGNER_P384_SIZE - 1 - i];
        report[0x2e8 + i] = s[SIGNER_P384_SIZE - 1 - i];
    }
}

/* Issues, signs and judges. */
static void judge(struct recipe *r, struct verify_findings *found)
{
    CLEANUP(x509_cert_freep) struct x509_cert *ark = NULL;
    CLEANUP(x509_cert_freep) struct x509_cert *ask = NULL;
    CLEANUP(x509_cert_freep) struct x509_cert *vek = NULL;
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    CLEANUP(buf_done) struct buf chain = { 0 };
    CLEANUP(buf_done) struct buf trusted = { 0 };
    struct err e;

    assert_ok(x509_issue(&r->ark, &ark, &e));
    if (r->ask.issuer == NULL)
        r->ask.issuer = ark;
    assert_ok(x509_issue(&r->ask, &ask, &e));
    r->vek.issuer = ask;
    r->vek.extensions = r->ext;
    r->vek.n_extensions = r->n_ext;
    assert_ok(x509_issue(&r->vek, &vek, &e));
    assert_ok(x509_issue_write_pem(vek, &chain, &e));
    assert_ok(x509_issue_write_pem(ask, &chain, &e));
    assert_ok(x509_issue_write_pem(ark, &chain, &e));
    assert_ok(x509_issue_write_pem(r->trust_genoa_ark ? kit.genoa_ark : kit.ark, &trusted, &e));
    assert_ok(amd_roots_add_pem(&roots, buf_span(&trusted), &e));
    sign(r->report, kit.vek_key);
    const struct verify_input in = { .report = span_of(r->report, sizeof(r->report)),
                                     .chain_pem = buf_span(&chain),
                                     .roots = &roots,
                                     .unix_s = EVIDENCE_TIME };
    verify_evidence(&in, found);
}

static void keep(struct recipe *r)
{
}
static void ark_was_issued_again(struct recipe *r)
{
    r->ark.serial = 77;
    r->ark.not_before = EVIDENCE_TIME - 5;
}
/* What the delivered root says of itself does not matter: the trusted one counts. */
static void delivered_ark_is_expired(struct recipe *r)
{
    r->ark.not_after = EVIDENCE_TIME - 5;
}
static void delivered_ark_is_no_ca(struct recipe *r)
{
    r->ark.ca = false;
    r->ark.key_usage = 0;
}
static void version_2_names_no_processor(struct recipe *r)
{
    r->report[0] = 2;
    memset(r->report + 0x188, 0, 3);
}

static void accepts_what_is_good(void **state)
{
    static void (*const changes[])(
        struct recipe *) = { keep, ark_was_issued_again, delivered_ark_is_expired,
                             delivered_ark_is_no_ca, version_2_names_no_processor };

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct verify_findings found;
        struct recipe r;

        start_recipe(&r);
        changes[i](&r);
        judge(&r, &found);
        if (!verify_is_accepted(&found)) {
            evidence_print(&found);
            fail_msg("case %zu", i);
        }
    }
}

static void ark_is_someone_elses(struct recipe *r)
{
    r->ark.key = kit.other_key;
    r->ask.issuer_key = kit.other_key;
}
static void trusted_ark_has_another_name(struct recipe *r)
{
    r->trust_genoa_ark = true;
}
static void ask_names_another_issuer(struct recipe *r)
{
    r->ask.issuer = kit.genoa_ark;
}
static void ask_is_signed_by_another_key(struct recipe *r)
{
    r->ask.issuer = kit.ark;
    r->ask.issuer_key = kit.other_key;
}
static void ask_is_of_another_product(struct recipe *r)
{
    r->ask_name.value = "SEV-Genoa";
}
static void ask_is_no_ca(struct recipe *r)
{
    r->ask.ca = false;
}
static void ask_may_not_sign(struct recipe *r)
{
    r->ask.key_usage = X509_USE_DIGITAL_SIGNATURE;
}
static void ask_has_no_pss(struct recipe *r)
{
    r->ask.signature = X509_SIGN_SHA384;
}
static void vek_is_signed_by_another_key(struct recipe *r)
{
    r->vek.issuer_key = kit.other_key;
}
static void vek_is_expired(struct recipe *r)
{
    r->vek.not_after = EVIDENCE_TIME - 5;
}
static void ask_is_not_valid_yet(struct recipe *r)
{
    r->ask.not_before = EVIDENCE_TIME + 5;
}
static void vek_has_another_key_of_the_same_kind(struct recipe *r)
{
    r->vek.key = kit.other_vek_key;
}
static void ext_hwid_and_csp_id(struct recipe *r)
{
    add_ext(r, ARC "5", LIT("\x16\x04test"));
}
static void ext_hwid_twice(struct recipe *r)
{
    add_ext(r, ARC "4", r->ext[r->n_ext - 1].content);
}
static void ext_spl_twice(struct recipe *r)
{
    add_ext(r, ARC "3.8", LIT("\x02\x02\x00\xdb"));
}
static void ext_product_is_unknown(struct recipe *r)
{
    r->ext[0].content = LIT("\x16\x06Naples");
}
static void ext_product_is_no_ia5_string(struct recipe *r)
{
    r->ext[0].content = LIT("\x0c\x08Milan-B0");
}
static void ext_product_has_something_behind_it(struct recipe *r)
{
    r->ext[0].content = LIT("\x16\x08Milan-B0x");
}
static void ext_hwid_is_an_octet_string(struct recipe *r)
{
    r->ext[r->n_ext - 1].content = LIT("\x04\x02"
                                       "aa");
}
static void ext_hwid_is_short(struct recipe *r)
{
    r->ext[r->n_ext - 1].content.n = 8;
    memset(r->report + 0x1a8, 0, 56);
}
static void report_is_from_a_genoa(struct recipe *r)
{
    r->report[0x189] = 0x11;
}
static void certificate_is_for_a_genoa(struct recipe *r)
{
    r->ext[0].content = LIT("\x16\x05Genoa");
    r->report[0x189] = 0x11;
    r->ask_name.value = "SEV-Genoa";
}
static void signing_key_is_reserved(struct recipe *r)
{
    r->report[0x48] = 3 << 2;
}
static void reserved_tcb_byte_is_set(struct recipe *r)
{
    r->report[0x183] = 1;
}

static void names_what_is_wrong(void **state)
{
    static const struct {
        void (*spoil)(struct recipe *);
        const char *code, *detail;
    } cases[] = {
        { ark_is_someone_elses, "root", "\"ARK-Milan\" is not a trusted root key" },
        { trusted_ark_has_another_name, "root", "is not a trusted root key" },
        { ask_names_another_issuer, "chain", "another issuer than the ARK" },
        { ask_is_signed_by_another_key, "chain", "ASK is not signed by the ARK" },
        { ask_is_of_another_product, "chain", "not named SEV-Milan" },
        { ask_is_no_ca, "chain", "the ASK may not sign certificates" },
        { ask_may_not_sign, "chain", "the ASK may not sign certificates" },
        { ask_has_no_pss, "cert.sigalg", "the ASK is not signed with RSASSA-PSS" },
        { vek_is_signed_by_another_key, "chain", "not signed by the ASK" },
        { vek_is_expired, "cert.time", "the VCEK is not valid" },
        { ask_is_not_valid_yet, "cert.time", "the ASK is not valid" },
        { vek_has_another_key_of_the_same_kind, "signature", "not signed by the certificate's" },
        { ext_hwid_and_csp_id, "cert.ext", "both there" },
        { ext_hwid_twice, "cert.ext", "HWID is missing or repeated" },
        { ext_spl_twice, "cert.ext", "microcode SPL is missing or repeated" },
        { ext_product_is_unknown, "cert.ext", "\"Naples\" is unknown" },
        { ext_product_is_no_ia5_string, "cert.ext", "not one IA5String" },
        { ext_product_has_something_behind_it, "cert.ext", "not one IA5String" },
        { ext_hwid_is_an_octet_string, "hwid", "has 4 bytes, not 64" },
        { ext_hwid_is_short, "hwid", "has 8 bytes, not 64" },
        { report_is_from_a_genoa, "product", "is from a Genoa, the certificate is for a Milan" },
        { certificate_is_for_a_genoa, "product", "the ARK for another product" },
        { signing_key_is_reserved, "signing_key", "signing key 3, which is reserved" },
        { reserved_tcb_byte_is_set, "tcb", "spl_5 SPL of the certificate is 0, the report says 1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct verify_findings found;
        struct recipe r;

        start_recipe(&r);
        cases[i].spoil(&r);
        judge(&r, &found);
        const struct verify_check *first = verify_first_failure(&found);
        if (first == NULL || strcmp(first->code, cases[i].code) != 0 ||
            strstr(first->detail, cases[i].detail) == NULL) {
            evidence_print(&found);
            fail_msg("case %zu: wanted %s (%s)", i, cases[i].code, cases[i].detail);
        }
    }
}

static int make_kit(void **state)
{
    struct x509_description d;
    struct x509_name_part name;
    struct err e;

    if (signer_new_rsa(2048, &kit.ark_key, &e) != 0 ||
        signer_new_rsa(2048, &kit.ask_key, &e) != 0 ||
        signer_new_rsa(2048, &kit.other_key, &e) != 0 ||
        signer_new_ec(SIGNER_P384, &kit.vek_key, &e) != 0 ||
        signer_new_ec(SIGNER_P384, &kit.other_vek_key, &e) != 0)
        return -1;
    describe(&d, &name, "ARK-Milan", kit.ark_key, true);
    if (x509_issue(&d, &kit.ark, &e) != 0)
        return -1;
    describe(&d, &name, "ARK-Genoa", kit.ark_key, true);
    return x509_issue(&d, &kit.genoa_ark, &e);
}

static int free_kit(void **state)
{
    signer_free(kit.ark_key);
    signer_free(kit.ask_key);
    signer_free(kit.vek_key);
    signer_free(kit.other_key);
    signer_free(kit.other_vek_key);
    x509_cert_free(kit.ark);
    x509_cert_free(kit.genoa_ark);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_good),
        cmocka_unit_test(names_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, make_kit, free_kit);
}
