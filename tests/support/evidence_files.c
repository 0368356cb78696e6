#include "support/asserts.h"

#include "support/evidence_files.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"

#include <stdlib.h>

void evidence_files_done(struct evidence_files *f)
{
    buf_done(&f->report);
    buf_done(&f->chain);
    amd_roots_done(&f->roots);
}

static void format_path(const char *folder, const char *name, char **out)
{
    const char *dir = getenv("VECTORS_DIR");
    struct err e;

    assert_non_null(dir);
    assert_ok(str_printf(out, &e, "%s/%s/%s", dir, folder, name));
}

json_t *evidence_manifest(const char *name)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    json_t *manifest = NULL;
    struct err e;

    format_path("", name, &path);
    if (file_read(path, 1 << 20, &text, &e) != 0)
        return NULL;
    assert_ok(json_parse(buf_span(&text), &manifest, &e));
    assert_true(json_is_array(manifest));
    return manifest;
}

void evidence_read(const char *folder, const char *name, struct buf *out)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf content = { 0 };
    struct err e;

    format_path(folder, name, &path);
    assert_ok(file_read(path, 1 << 20, &content, &e));
    assert_ok(buf_add(out, content.p, content.n, &e));
}

static const char *text_of(const json_t *entry, const char *name)
{
    return json_string_value(json_object_get(entry, name));
}

void evidence_load_synthetic(const json_t *entry, struct evidence_files *out)
{
    CLEANUP(buf_done) struct buf root = { 0 };
    const char *vek = text_of(entry, "vcek");
    struct err e;

    *out = (struct evidence_files){ .unix_s = EVIDENCE_TIME };
    evidence_read("synthetic", text_of(entry, "report"), &out->report);
    evidence_read("synthetic", vek != NULL ? vek : text_of(entry, "vlek"), &out->chain);
    evidence_read("synthetic", text_of(entry, "ask"), &out->chain);
    evidence_read("synthetic", text_of(entry, "ark"), &out->chain);
    evidence_read("synthetic", text_of(entry, "trusted_ark"), &root);
    assert_ok(amd_roots_add_pem(&out->roots, buf_span(&root), &e));
}

/* A DER certificate as PEM, followed by AMD's own intermediate and root for Milan. */
static void load_der_chain(const char *name, const char *issuers, struct buf *out)
{
    CLEANUP(buf_done) struct buf der = { 0 };
    struct err e;

    evidence_read("", name, &der);
    assert_ok(buf_add_str(out, "-----BEGIN CERTIFICATE-----\n", &e));
    CLEANUP(buf_done) struct buf text = { 0 };
    assert_ok(b64_encode(buf_span(&der), B64_STD, &text, &e));
    for (size_t i = 0; i < text.n; i += 64) {
        assert_ok(buf_add(out, text.p + i, text.n - i < 64 ? text.n - i : 64, &e));
        assert_ok(buf_add_str(out, "\n", &e));
    }
    assert_ok(buf_add_str(out, "-----END CERTIFICATE-----\n", &e));
    evidence_read("amd-roots", issuers, out);
}

void evidence_load_real(const json_t *entry, struct evidence_files *out)
{
    const char *chain = text_of(entry, "chain_pem_vcek_ask_ark");
    const json_t *at = json_object_get(entry, "verify_at");
    struct err e;

    *out = (struct evidence_files){ .unix_s = EVIDENCE_TIME };
    if (json_is_integer(at))
        out->unix_s = json_integer_value(at);
    evidence_read("", text_of(entry, "report"), &out->report);
    if (chain != NULL)
        evidence_read("", chain, &out->chain);
    else if (text_of(entry, "vcek") != NULL)
        load_der_chain(text_of(entry, "vcek"), "ask_ark_milan.pem", &out->chain);
    else
        load_der_chain(text_of(entry, "vlek"), "ask_ark_milan_vlek.pem", &out->chain);
    assert_ok(amd_roots_add_builtin(&out->roots, &e));
}

void evidence_load_real_id(const json_t *manifest, const char *id, struct evidence_files *out)
{
    for (size_t i = 0; i < json_array_size(manifest); i++) {
        const json_t *entry = json_array_get(manifest, i);

        if (strcmp(text_of(entry, "id"), id) == 0) {
            evidence_load_real(entry, out);
            return;
        }
    }
    fail_msg("no evidence %s", id);
}

struct verify_input evidence_input(const struct evidence_files *f)
{
    return (struct verify_input){ .report = buf_span(&f->report),
                                  .chain_pem = buf_span(&f->chain),
                                  .roots = &f->roots,
                                  .unix_s = f->unix_s };
}

enum verify_result evidence_result(const struct verify_findings *f, const char *code)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->checks[i].code, code) == 0)
            return f->checks[i].result;
    fail_msg("no check has the code %s", code);
    return VERIFY_FAIL;
}

void evidence_print(const struct verify_findings *f)
{
    static const char *const words[] = { "pass", "FAIL", "not checked" };

    for (size_t i = 0; i < f->n; i++)
        print_message("  %-18s %-11s %s\n", f->checks[i].code, words[f->checks[i].result],
                      f->checks[i].detail);
}
