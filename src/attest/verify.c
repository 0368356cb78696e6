/*
 * Runs the table of checks in an order that fails early and safely: form, certificates, chain up
 * to a pinned root, signature; only then what the report says.
 *
 * Each check names the facts that it needs; while one is missing it is "not checked". Checks
 * behind the signature look at statements: one that disagrees is a failure in any case, which
 * explains a bad signature, but one that agrees counts for nothing unless all before it passed.
 *
 * A further check is a function (verify_*.c), a row here and a line in docs/verification.md.
 */
#include "attest/verify.h"

#include "attest/verify_checks.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct row {
    const char *code;
    verify_fn *run;
    unsigned needs, gives; /* facts */
    bool is_statement;     /* passes only for a report that is authentic */
} rows[] = {
    { "size", verify_size, 0, HAVE_REPORT, false },
    { "version", verify_version, HAVE_REPORT, 0, false },
    { "signature_algo", verify_signature_algo, HAVE_REPORT, 0, false },
    { "signature.padding", verify_signature_padding, HAVE_REPORT, HAVE_PADDING, false },
    { "signature.reserved", verify_signature_reserved, HAVE_REPORT, 0, false },
    { "certificates", verify_certificates, 0, HAVE_CERTS, false },
    { "cert.ext", verify_cert_ext, HAVE_CERTS, HAVE_EXT, false },
    { "cert.integer", verify_cert_integer, HAVE_EXT, HAVE_TCB, false },
    { "product", verify_product, HAVE_REPORT | HAVE_EXT, HAVE_PRODUCT, false },
    { "root", verify_root, HAVE_CERTS, HAVE_ROOT, false },
    { "cert.name", verify_cert_name, HAVE_EXT, 0, false },
    { "cert.sigalg", verify_cert_sigalg, HAVE_CERTS, 0, false },
    { "chain", verify_chain, HAVE_EXT | HAVE_ROOT, 0, false },
    { "cert.time", verify_cert_time, HAVE_CERTS | HAVE_ROOT, 0, false },
    { "cert.key", verify_cert_key, HAVE_CERTS, HAVE_KEY, false },
    { "signing_key", verify_signing_key, HAVE_REPORT | HAVE_EXT, 0, false },
    { "signature", verify_signature, HAVE_REPORT | HAVE_PADDING | HAVE_KEY, 0, false },
    { "tcb", verify_tcb, HAVE_PRODUCT | HAVE_TCB, 0, true },
    { "chip_id", verify_chip_id, HAVE_REPORT, HAVE_CHIP_ID, true },
    { "hwid", verify_hwid, HAVE_PRODUCT | HAVE_CHIP_ID, 0, true },
    { "report_data", verify_report_data, HAVE_REPORT, 0, true },
    { "host_data", verify_host_data, HAVE_REPORT, 0, true },
};
_Static_assert(ARRAY_LEN(rows) <= VERIFY_MAX_CHECKS, "findings have room for every check");

enum verify_result verify_pass(struct verify_check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
    va_end(ap);
    c->result = VERIFY_PASS;
    return c->result;
}

enum verify_result verify_fail(struct verify_check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
    va_end(ap);
    c->result = VERIFY_FAIL;
    return c->result;
}

enum verify_result verify_skip(struct verify_check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
    va_end(ap);
    c->result = VERIFY_NOT_CHECKED;
    return c->result;
}

/* Code of the first check that should have given one of the facts; every fact has a giver. */
static const char *giver_of(unsigned facts)
{
    size_t i = 0;

    while ((rows[i].gives & facts) == 0) {
        i++;
        assert(i < ARRAY_LEN(rows));
    }
    return rows[i].code;
}

/* Runs one check, or says why not. *have grows; *authentic falls with the first check that is not
 * about a statement and did not pass. */
static void run_row(const struct row *row, struct verify_state *s, unsigned *have, bool *authentic,
                    struct verify_check *out)
{
    const unsigned missing = row->needs & ~*have;

    out->code = row->code;
    const enum verify_result result =
        missing == 0 ? row->run(s, out)
                     : verify_skip(out, "needs a good \"%s\"", giver_of(missing));
    if (result == VERIFY_PASS)
        *have |= row->gives;
    if (!row->is_statement)
        *authentic = *authentic && result == VERIFY_PASS;
    else if (result == VERIFY_PASS && !*authentic)
        verify_skip(out, "agrees, which counts for nothing in a report that is not authentic");
}

void verify_evidence(const struct verify_input *in, struct verify_findings *out)
{
    struct verify_state s = { .in = in };
    unsigned have = 0;
    bool authentic = true;

    *out = (struct verify_findings){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i], &s, &have, &authentic, &out->checks[out->n++]);
    x509_list_done(&s.certs);
}

bool verify_is_accepted(const struct verify_findings *f)
{
    return f->n != 0 && verify_first_failure(f) == NULL;
}

const struct verify_check *verify_first_failure(const struct verify_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->checks[i].result == VERIFY_FAIL)
            return &f->checks[i];
    return NULL;
}
