/* A report source under the test's control. */
#ifndef SUPPORT_FAKE_SOURCE_H
#define SUPPORT_FAKE_SOURCE_H

#include "attest/report_source.h"

#include <pthread.h>

struct fake_answer {
    enum err_code code; /* ERR_NONE: a report */
    uint64_t tcb;
};

struct fake_source {
    struct report_source base;
    const struct fake_answer *script; /* played in turn; the last one stays */
    size_t n_script;
    bool wrong_report_data;
    bool *closed; /* set by close, which does not free */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_allowed; /* fetches; further ones wait */
    size_t n_started, n_fetched;
    uint8_t first_bytes[64]; /* of the REPORT_DATA of each fetch */
};

void fake_source_init(struct fake_source *f, const struct fake_answer *script, size_t n);
void fake_source_allow(struct fake_source *f, size_t n); /* in all; SIZE_MAX from the start */
void fake_source_wait_started(struct fake_source *f, size_t n);
size_t fake_source_n_fetched(struct fake_source *f);

#endif
