/*
 * Command-line flags as the Go "flag" package reads them, which deployed policies rely on:
 * -name value, -name=value, one dash or two; booleans -name or -name=true|false|1|0|t|f.
 * One table drives parsing and the usage text.
 */
#ifndef BASE_FLAGS_H
#define BASE_FLAGS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

enum flag_kind { FLAG_STRING, FLAG_BOOL, FLAG_INT };

struct flag {
    const char *name; /* without dashes; a NULL name ends the table */
    enum flag_kind kind;
    void *target; /* const char **, bool * or int *; holds the default before parsing */
    const char *help;
};

enum flags_result { FLAGS_OK, FLAGS_HELP, FLAGS_BAD };

/*
 * Parses argv[1..]; strings point into argv. FLAGS_HELP: -h or -help was given.
 * FLAGS_BAD: *e says what is wrong (unknown flag, missing or bad value).
 * Parsing stops at the first argument that is no flag or after "--"; *out_rest is its index
 * (argc when there is none).
 */
enum flags_result flags_parse(const struct flag *table, int argc, char **argv, int *out_rest,
                              struct err *e);

/* The flag list: names, kinds, help and the defaults that the targets hold now. */
void flags_usage(const struct flag *table, const char *program, FILE *out);

#endif
