#include "base/flags.h"

#include "base/str.h"

#include <limits.h>
#include <string.h>

static const struct flag *find(const struct flag *table, const char *name, size_t n)
{
    for (const struct flag *f = table; f->name != NULL; f++)
        if (strlen(f->name) == n && memcmp(f->name, name, n) == 0)
            return f;
    return NULL;
}

static int parse_bool(const char *v, bool *out)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(v, yes[i]) == 0 || strcmp(v, no[i]) == 0) {
            *out = strcmp(v, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int store(const struct flag *f, const char *v, struct err *e)
{
    uint64_t n = 0;

    switch (f->kind) {
    case FLAG_STRING:
        *(const char **)f->target = v;
        return 0;
    case FLAG_BOOL:
        if (parse_bool(v, f->target) != 0)
            return err_set(e, ERR_ARG, "invalid boolean value for flag -%s", f->name);
        return 0;
    case FLAG_INT:
        if (str_to_u64(v, 10, INT_MAX, &n, e) != 0)
            return err_set(e, ERR_ARG, "invalid value for flag -%s: not a number", f->name);
        *(int *)f->target = (int)n;
        return 0;
    }
    return err_set(e, ERR_ARG, "flag -%s has no kind", f->name);
}

static enum flags_result parse_one(const struct flag *table, int argc, char **argv, int *i,
                                   struct err *e)
{
    const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    const char *eq = strchr(name, '=');
    const size_t n = eq != NULL ? (size_t)(eq - name) : strlen(name);
    const struct flag *f = find(table, name, n);

    if (f == NULL && ((n == 1 && name[0] == 'h') || (n == 4 && memcmp(name, "help", 4) == 0)))
        return FLAGS_HELP;
    if (f == NULL) {
        err_set(e, ERR_ARG, "flag provided but not defined: -%.*s", (int)(n < 80 ? n : 80), name);
        return FLAGS_BAD;
    }
    const char *value = eq != NULL ? eq + 1 : NULL;
    if (value == NULL && f->kind == FLAG_BOOL)
        value = "true";
    if (value == NULL) {
        if (*i + 1 >= argc) {
            err_set(e, ERR_ARG, "flag needs an argument: -%s", f->name);
            return FLAGS_BAD;
        }
        value = argv[++*i];
    }
    return store(f, value, e) == 0 ? FLAGS_OK : FLAGS_BAD;
}

enum flags_result flags_parse(const struct flag *table, int argc, char **argv, int *out_rest,
                              struct err *e)
{
    int i = 1;

    for (; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            break;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        const enum flags_result r = parse_one(table, argc, argv, &i, e);
        if (r != FLAGS_OK)
            return r;
    }
    *out_rest = i;
    return FLAGS_OK;
}

void flags_usage(const struct flag *table, const char *program, FILE *out)
{
    static const char *const kinds[] = { " string", "", " int" };

    fprintf(out, "Usage of %s:\n", program);
    for (const struct flag *f = table; f->name != NULL; f++) {
        fprintf(out, "  -%s%s\n    \t%s", f->name, kinds[f->kind], f->help);
        if (f->kind == FLAG_STRING && !str_is_empty(*(const char **)f->target))
            fprintf(out, " (default \"%s\")", *(const char **)f->target);
        if (f->kind == FLAG_INT)
            fprintf(out, " (default %d)", *(int *)f->target);
        fputc('\n', out);
    }
}
