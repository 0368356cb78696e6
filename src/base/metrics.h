/*
 * Counters, gauges and histograms, written out in the Prometheus text format.
 *
 * A program lists its metrics in one table; code counts by name. An object is shared by all
 * threads (one mutex). Every function takes NULL for "nobody is counting".
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_MAX_LABELS 3

struct metric_desc {
    const char *name; /* base units, counters end in _total; a NULL name ends the table */
    enum metric_kind kind;
    const char *help;
    const char *labels[METRIC_MAX_LABELS]; /* label names; NULL from the first unused one on */
};

struct metrics;

/* table is borrowed and must outlive the object. Fails: ERR_NOMEM. */
MUST_CHECK int metrics_new(const struct metric_desc *table, struct metrics **out, struct err *e);
void metrics_free(struct metrics *m);

/*
 * Adds to a counter or gauge, sets a gauge, observes a histogram value (seconds).
 * v1..v3 are the label values in the table's order; NULL where there is no such label.
 * A name outside the table is a programming error (assert). Label sets beyond 64 of one metric
 * are counted under "other": values from outside must not grow memory.
 */
void metrics_add(struct metrics *m, const char *name, double by, const char *v1, const char *v2,
                 const char *v3);
void metrics_set(struct metrics *m, const char *name, double value, const char *v1, const char *v2,
                 const char *v3);
void metrics_observe(struct metrics *m, const char *name, double seconds, const char *v1,
                     const char *v2, const char *v3);

/* Appends the text exposition. Counters and gauges without labels appear from the start as 0. */
MUST_CHECK int metrics_format(struct metrics *m, struct buf *out, struct err *e);

#endif
