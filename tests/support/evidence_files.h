/* Published and synthetic evidence of VECTORS_DIR, as verify wants it. */
#ifndef SUPPORT_EVIDENCE_FILES_H
#define SUPPORT_EVIDENCE_FILES_H

#include "attest/verify.h"
#include "codec/json.h"

/* A time at which all of it is valid, except where its manifest says otherwise. */
#define EVIDENCE_TIME 1772323200 /* 2026-03-01 */

struct evidence_files {
    struct buf report, chain;
    struct amd_roots roots;
    int64_t unix_s;
};

void evidence_files_done(struct evidence_files *f);

/* The manifest, an array; NULL when the file is absent. The caller's. */
json_t *evidence_manifest(const char *name);

/* Reads a file of VECTORS_DIR/folder; folder "" for none. */
void evidence_read(const char *folder, const char *name, struct buf *out);

/* One entry of synthetic/manifest_reports.json; its own root is the trusted one. */
void evidence_load_synthetic(const json_t *entry, struct evidence_files *out);
/* One entry of manifest_real.json; AMD's roots are trusted. */
void evidence_load_real(const json_t *entry, struct evidence_files *out);
/* The entry of manifest_real.json with this id; it must be there. */
void evidence_load_real_id(const json_t *manifest, const char *id, struct evidence_files *out);

/* Without expectations about REPORT_DATA and HOST_DATA. */
struct verify_input evidence_input(const struct evidence_files *f);

enum verify_result evidence_result(const struct verify_findings *f, const char *code);
void evidence_print(const struct verify_findings *f);

#endif
