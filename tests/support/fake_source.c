#include "support/asserts.h"

#include "support/fake_source.h"

static int fetch(struct report_source *base, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                 uint8_t out_report[static SNP_REPORT_SIZE], struct err *e)
{
    struct fake_source *f = CONTAINER_OF(base, struct fake_source, base);

    pthread_mutex_lock(&f->lock);
    const size_t turn = f->n_started++;
    if (turn < sizeof(f->first_bytes))
        f->first_bytes[turn] = report_data[0];
    pthread_cond_broadcast(&f->changed);
    while (f->n_fetched >= f->n_allowed)
        pthread_cond_wait(&f->changed, &f->lock);
    f->n_fetched++;
    const struct fake_answer a = f->script[turn < f->n_script ? turn : f->n_script - 1];
    const bool wrong = f->wrong_report_data;
    pthread_mutex_unlock(&f->lock);

    if (a.code != ERR_NONE)
        return err_set(e, a.code, "fake says %s", err_code_name(a.code));
    memset(out_report, 0, SNP_REPORT_SIZE);
    memcpy(out_report + 0x50, report_data, SNP_REPORT_DATA_SIZE);
    memcpy(out_report + 0x180, &a.tcb, sizeof(a.tcb));
    out_report[0x140] = (uint8_t)turn; /* REPORT_ID: which one this is */
    if (wrong)
        out_report[0x50 + SNP_REPORT_DATA_SIZE - 1] ^= 1;
    return 0;
}

static void close_source(struct report_source *base)
{
    struct fake_source *f = CONTAINER_OF(base, struct fake_source, base);

    if (f->closed != NULL)
        __atomic_store_n(f->closed, true, __ATOMIC_RELEASE); /* maybe on another thread */
}

void fake_source_init(struct fake_source *f, const struct fake_answer *script, size_t n)
{
    static const struct report_source_ops ops = { "fake", fetch, close_source };

    *f = (struct fake_source){
        .base = { &ops }, .script = script, .n_script = n, .n_allowed = SIZE_MAX
    };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
}

void fake_source_allow(struct fake_source *f, size_t n)
{
    pthread_mutex_lock(&f->lock);
    f->n_allowed = n;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fake_source_wait_started(struct fake_source *f, size_t n)
{
    pthread_mutex_lock(&f->lock);
    while (f->n_started < n)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

size_t fake_source_n_fetched(struct fake_source *f)
{
    pthread_mutex_lock(&f->lock);
    const size_t n = f->n_fetched;
    pthread_mutex_unlock(&f->lock);
    return n;
}
