/*
 * Prints what verify says about a report, one "code result" a line, for a judge to compare.
 * report_verdicts REPORT CHAIN UNIX_TIME [ROOTS]: AMD's roots are trusted unless a PEM file is
 * given.
 */
#include "attest/verify.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1 << 20)

static int load_roots(const char *path, struct amd_roots *out, struct err *e)
{
    CLEANUP(buf_done) struct buf pem = { 0 };

    if (path == NULL)
        return amd_roots_add_builtin(out, e);
    if (file_read(path, FILE_MAX, &pem, e) != 0)
        return -1;
    return amd_roots_add_pem(out, buf_span(&pem), e);
}

static int print_verdicts(char **args, const char *roots_path, struct err *e)
{
    static const char *const words[] = { "pass", "fail", "not-checked" };
    CLEANUP(buf_done) struct buf report = { 0 };
    CLEANUP(buf_done) struct buf chain = { 0 };
    CLEANUP(amd_roots_done) struct amd_roots roots = { 0 };
    struct verify_findings found;

    if (file_read(args[0], FILE_MAX, &report, e) != 0 ||
        file_read(args[1], FILE_MAX, &chain, e) != 0 || load_roots(roots_path, &roots, e) != 0)
        return -1;
    const struct verify_input in = { .report = buf_span(&report),
                                     .chain_pem = buf_span(&chain),
                                     .roots = &roots,
                                     .unix_s = strtoll(args[2], NULL, 10) };
    verify_evidence(&in, &found);
    for (size_t i = 0; i < found.n; i++)
        printf("%s %s\n", found.checks[i].code, words[found.checks[i].result]);
    return 0;
}

int main(int argc, char **argv)
{
    struct err e;

    if (argc < 4 || argc > 5) {
        fprintf(stderr, "report_verdicts REPORT CHAIN UNIX_TIME [ROOTS]\n");
        return 2;
    }
    if (print_verdicts(argv + 1, argc == 5 ? argv[4] : NULL, &e) != 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    return 0;
}
