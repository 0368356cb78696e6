/* What holds for every source, and the choice among several. */
#include "attest/report_source.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_DATA_OFFSET 0x50

int report_source_fetch(struct report_source *s,
                        const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                        uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    uint8_t report[SNP_REPORT_SIZE] = { 0 };

    if (s->ops->fetch(s, report_data, report, e) != 0)
        return -1;
    if (!span_equal(span_of(report + REPORT_DATA_OFFSET, SNP_REPORT_DATA_SIZE),
                    span_of(report_data, SNP_REPORT_DATA_SIZE)))
        return err_set(e, ERR_CHECK,
                       "the report from %s carries another REPORT_DATA than asked for",
                       report_source_name(s));
    memcpy(out_report, report, sizeof(report));
    return 0;
}

void report_source_close(struct report_source *s)
{
    if (s != NULL)
        s->ops->close(s);
}

struct source_first {
    struct report_source base;
    struct report_source *sources[REPORT_SOURCE_MAX];
    size_t n;
    const char *last_name; /* of the source that gave the last report, or NULL */
};

static int first_fetch(struct report_source *base,
                       const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                       uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    struct source_first *f = CONTAINER_OF(base, struct source_first, base);
    CLEANUP(buf_done) struct buf reasons = { 0 };

    for (size_t i = 0; i < f->n; i++) {
        struct report_source *s = f->sources[i];

        if (report_source_fetch(s, report_data, out_report, e) == 0) {
            f->last_name = report_source_name(s);
            return 0;
        }
        if (e->code != ERR_UNSUPPORTED)
            return err_wrap(e, "report source %s", report_source_name(s));
        if (buf_printf(&reasons, e, "%s%s", i == 0 ? "" : "; ", e->msg) != 0)
            return -1;
    }
    return err_set(e, ERR_UNSUPPORTED, "no source of attestation reports here: %.*s",
                   (int)reasons.n, (const char *)reasons.p);
}

static void close_all(struct report_source *const *sources, size_t n)
{
    for (size_t i = 0; i < n; i++)
        report_source_close(sources[i]);
}

static void first_close(struct report_source *base)
{
    struct source_first *f = CONTAINER_OF(base, struct source_first, base);

    close_all(f->sources, f->n);
    free(f);
}

static const struct report_source_ops first_ops = { "none", first_fetch, first_close };

int source_first_new(struct report_source *const *sources, size_t n, struct report_source **out,
                     struct err *e)
{
    struct source_first *f = NULL;

    if (n == 0 || n > REPORT_SOURCE_MAX) {
        close_all(sources, n);
        return err_set(e, ERR_ARG, "%zu report sources; 1 to %d are possible", n,
                       REPORT_SOURCE_MAX);
    }
    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        close_all(sources, n);
        return err_nomem(e);
    }
    f->base.ops = &first_ops;
    for (f->n = 0; f->n < n; f->n++)
        f->sources[f->n] = sources[f->n];
    *out = &f->base;
    return 0;
}

const char *report_source_name(const struct report_source *s)
{
    if (s->ops == &first_ops) {
        const struct source_first *f = CONTAINER_OF(s, const struct source_first, base);

        if (f->last_name != NULL)
            return f->last_name;
    }
    return s->ops->name;
}
