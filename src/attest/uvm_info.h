/*
 * What the host put beside the container (contract.md §4): the security policy, the reference
 * info (a COSE_Sign1 over the launch measurement), and the host's AMD certificates.
 */
#ifndef ATTEST_UVM_INFO_H
#define ATTEST_UVM_INFO_H

#include "azure/thim.h"

#define UVM_FILE_MAX ((size_t)1024 * 1024)

struct uvm_info {
    char *policy_b64;    /* as stored, trailing white space removed; NULL when there is none */
    char *reference_b64; /* the same */
    bool has_certs;
    struct thim_certs certs;
    char *origin; /* directory, or "environment", for the start-up line */
};

void uvm_info_done(struct uvm_info *u);

struct uvm_info_paths {
    const char *configured; /* UVM_SECURITY_CONTEXT_DIR, or NULL */
    const char *root;       /* "/", where security-context-* are looked for */
    const char *kata;       /* "/opt/confidential-containers/share/kata-containers" */
};

/*
 * Each file is read for itself; a missing one is no failure. When the files gave no reference info,
 * the variables UVM_SECURITY_POLICY, UVM_REFERENCE_INFO and UVM_HOST_AMD_CERTIFICATE are read too
 * (same encodings), and each one that is set takes the place of its file. getenv_fn is getenv()
 * or a fake. An empty file or variable counts as absent.
 * Certificates that do not parse are a logged warning and count as absent.
 * Fails: ERR_SYS for a file that exists and cannot be read, ERR_PARSE for one that is too long.
 */
MUST_CHECK int uvm_info_load(const struct uvm_info_paths *paths,
                             char *(*getenv_fn)(const char *name), struct uvm_info *out,
                             struct err *e);

#endif
