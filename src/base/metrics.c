#include "base/metrics.h"

#include "base/str.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SERIES 64

static const double BOUNDS[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                 0.25,  0.5,    1,     2.5,  5,     10,   30 };

struct series {
    struct series *next;
    char *values[METRIC_MAX_LABELS];
    double value; /* histogram: the sum */
    uint64_t count;
    uint64_t buckets[ARRAY_LEN(BOUNDS)]; /* not cumulative */
};

struct metric {
    const struct metric_desc *desc;
    struct series *series;
    size_t n_series;
};

struct metrics {
    pthread_mutex_t lock; /* guards all series */
    size_t n;
    struct metric metrics[];
};

static void series_free(struct series *s)
{
    for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
        free(s->values[i]);
    free(s);
}

static struct series *series_new(const char *const values[static METRIC_MAX_LABELS])
{
    struct series *s = calloc(1, sizeof(*s));

    for (size_t i = 0; s != NULL && i < METRIC_MAX_LABELS; i++) {
        if (values[i] != NULL && (s->values[i] = strdup(values[i])) == NULL) {
            series_free(s);
            return NULL;
        }
    }
    return s;
}

int metrics_new(const struct metric_desc *table, struct metrics **out, struct err *e)
{
    static const char *const none[METRIC_MAX_LABELS] = { NULL };
    size_t n = 0;

    while (table[n].name != NULL)
        n++;
    struct metrics *m = calloc(1, sizeof(*m) + n * sizeof(m->metrics[0]));
    if (m == NULL)
        return err_nomem(e);
    pthread_mutex_init(&m->lock, NULL);
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        m->metrics[i].desc = &table[i];
        if (table[i].labels[0] == NULL && (m->metrics[i].series = series_new(none)) == NULL) {
            metrics_free(m);
            return err_nomem(e);
        }
    }
    *out = m;
    return 0;
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n; i++) {
        while (m->metrics[i].series != NULL) {
            struct series *s = m->metrics[i].series;
            m->metrics[i].series = s->next;
            series_free(s);
        }
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Names are literals, of which the linker keeps one copy each: as a rule the address will do. */
static struct metric *find_metric(struct metrics *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->metrics[i].desc->name == name)
            return &m->metrics[i];
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->metrics[i].desc->name, name) == 0)
            return &m->metrics[i];
    assert(false && "metric is not in the table");
    return NULL;
}

static bool has_values(const struct series *s, const char *const values[static METRIC_MAX_LABELS])
{
    for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
        if (strcmp(s->values[i] ? s->values[i] : "", values[i] ? values[i] : "") != 0)
            return false;
    return true;
}

/* NULL when out of memory: a measurement is lost, nothing else. */
static struct series *find_series(struct metric *metric, const char *v1, const char *v2,
                                  const char *v3)
{
    const char *values[METRIC_MAX_LABELS] = { v1, v2, v3 };

    if (metric == NULL)
        return NULL;
    for (int round = 0; round < 2; round++) {
        for (struct series *s = metric->series; s != NULL; s = s->next)
            if (has_values(s, values))
                return s;
        if (metric->n_series < MAX_SERIES)
            break;
        for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
            values[i] = metric->desc->labels[i] != NULL ? "other" : NULL;
    }
    struct series *s = series_new(values);
    if (s != NULL) {
        s->next = metric->series;
        metric->series = s;
        metric->n_series++;
    }
    return s;
}

void metrics_add(struct metrics *m, const char *name, double by, const char *v1, const char *v2,
                 const char *v3)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    struct series *s = find_series(find_metric(m, name), v1, v2, v3);
    if (s != NULL)
        s->value += by;
    pthread_mutex_unlock(&m->lock);
}

void metrics_set(struct metrics *m, const char *name, double value, const char *v1, const char *v2,
                 const char *v3)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    struct series *s = find_series(find_metric(m, name), v1, v2, v3);
    if (s != NULL)
        s->value = value;
    pthread_mutex_unlock(&m->lock);
}

void metrics_observe(struct metrics *m, const char *name, double seconds, const char *v1,
                     const char *v2, const char *v3)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    struct series *s = find_series(find_metric(m, name), v1, v2, v3);
    if (s != NULL) {
        s->value += seconds;
        s->count++;
        for (size_t i = 0; i < ARRAY_LEN(BOUNDS); i++) {
            if (seconds <= BOUNDS[i]) {
                s->buckets[i]++;
                break;
            }
        }
    }
    pthread_mutex_unlock(&m->lock);
}

/* {a="x",b="y"} with an optional le; label values come from our own tables, but are escaped. */
static int format_labels(const struct metric_desc *d, const struct series *s, const char *le,
                         struct buf *out, struct err *e)
{
    const char *sep = "{";

    for (size_t i = 0; i < METRIC_MAX_LABELS && d->labels[i] != NULL; i++) {
        if (buf_printf(out, e, "%s%s=\"", sep, d->labels[i]) != 0)
            return -1;
        for (const char *c = s->values[i] ? s->values[i] : ""; *c != '\0'; c++) {
            const char *escaped = *c == '\n'   ? "\\n"
                                  : *c == '"'  ? "\\\""
                                  : *c == '\\' ? "\\\\"
                                               : "";
            const int rc = *escaped ? buf_add_str(out, escaped, e) : buf_add(out, c, 1, e);
            if (rc != 0)
                return -1;
        }
        if (buf_add_str(out, "\"", e) != 0)
            return -1;
        sep = ",";
    }
    if (le != NULL && buf_printf(out, e, "%sle=\"%s\"", sep, le) != 0)
        return -1;
    if (le != NULL)
        sep = ",";
    return *sep == ',' ? buf_add_str(out, "}", e) : 0;
}

static int format_histogram(const struct metric_desc *d, const struct series *s, struct buf *out,
                            struct err *e)
{
    uint64_t below = 0;
    char le[32];

    for (size_t i = 0; i <= ARRAY_LEN(BOUNDS); i++) {
        const bool last = i == ARRAY_LEN(BOUNDS);
        below = last ? s->count : below + s->buckets[i];
        if (last)
            snprintf(le, sizeof(le), "+Inf");
        else
            snprintf(le, sizeof(le), "%g", BOUNDS[i]);
        if (buf_printf(out, e, "%s_bucket", d->name) != 0 || format_labels(d, s, le, out, e) != 0 ||
            buf_printf(out, e, " %llu\n", (unsigned long long)below) != 0)
            return -1;
    }
    if (buf_printf(out, e, "%s_sum", d->name) != 0 || format_labels(d, s, NULL, out, e) != 0 ||
        buf_printf(out, e, " %.9g\n%s_count", s->value, d->name) != 0 ||
        format_labels(d, s, NULL, out, e) != 0)
        return -1;
    return buf_printf(out, e, " %llu\n", (unsigned long long)s->count);
}

static int format_metric(const struct metric *metric, struct buf *out, struct err *e)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    const struct metric_desc *d = metric->desc;

    if (buf_printf(out, e, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name,
                   kinds[d->kind]) != 0)
        return -1;
    for (const struct series *s = metric->series; s != NULL; s = s->next) {
        if (d->kind == METRIC_HISTOGRAM) {
            if (format_histogram(d, s, out, e) != 0)
                return -1;
            continue;
        }
        if (buf_add_str(out, d->name, e) != 0 || format_labels(d, s, NULL, out, e) != 0 ||
            buf_printf(out, e, " %.15g\n", s->value) != 0)
            return -1;
    }
    return 0;
}

int metrics_format(struct metrics *m, struct buf *out, struct err *e)
{
    int rc = 0;

    if (m == NULL)
        return 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; rc == 0 && i < m->n; i++)
        rc = format_metric(&m->metrics[i], out, e);
    pthread_mutex_unlock(&m->lock);
    return rc;
}
