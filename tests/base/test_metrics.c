#include "support/asserts.h"

#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>

static const struct metric_desc table[] = {
    { "t_plain_total", METRIC_COUNTER, "Plain.", { NULL } },
    { "t_labels_total", METRIC_COUNTER, "With labels.", { "a", "b" } },
    { "t_level", METRIC_GAUGE, "A level.", { NULL } },
    { "t_seconds", METRIC_HISTOGRAM, "A time.", { "stage" } },
    { NULL, METRIC_COUNTER, NULL, { NULL } },
};

static void writes_the_text_format(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct metrics *m = NULL;
    struct err e;

    (void)state;
    assert_ok(metrics_new(table, &m, &e));
    metrics_add(m, "t_labels_total", 2, "x", "q\"\\\n", NULL);
    metrics_add(m, "t_labels_total", 1, "x", "q\"\\\n", NULL);
    metrics_set(m, "t_level", 2.5, NULL, NULL, NULL);
    metrics_observe(m, "t_seconds", 0.002, "s", NULL, NULL);
    metrics_observe(m, "t_seconds", 99, "s", NULL, NULL);
    assert_ok(metrics_format(m, &out, &e));
    const char *s = buf_cstr(&out);
    assert_non_null(strstr(s, "# HELP t_plain_total Plain.\n# TYPE t_plain_total counter\n"
                              "t_plain_total 0\n"));
    assert_non_null(strstr(s, "t_labels_total{a=\"x\",b=\"q\\\"\\\\\\n\"} 3\n"));
    assert_non_null(strstr(s, "t_level 2.5\n"));
    assert_non_null(strstr(s, "t_seconds_bucket{stage=\"s\",le=\"0.001\"} 0\n"
                              "t_seconds_bucket{stage=\"s\",le=\"0.0025\"} 1\n"));
    assert_non_null(strstr(s,
                           "t_seconds_bucket{stage=\"s\",le=\"30\"} 1\n"
                           "t_seconds_bucket{stage=\"s\",le=\"+Inf\"} 2\n"
                           "t_seconds_sum{stage=\"s\"} 99.002\nt_seconds_count{stage=\"s\"} 2\n"));
    metrics_free(m);
}

static void bounds_the_label_sets(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct metrics *m = NULL;
    struct err e;
    char value[16];

    (void)state;
    assert_ok(metrics_new(table, &m, &e));
    for (int i = 0; i < 1000; i++) {
        snprintf(value, sizeof(value), "v%d", i);
        metrics_add(m, "t_labels_total", 1, value, "b", NULL);
    }
    assert_ok(metrics_format(m, &out, &e));
    assert_non_null(strstr(buf_cstr(&out), "t_labels_total{a=\"other\",b=\"other\"} 936\n"));
    metrics_free(m);
}

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++)
        metrics_add(arg, "t_plain_total", 1, NULL, NULL, NULL);
    return NULL;
}

static void counts_from_many_threads(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct metrics *m = NULL;
    pthread_t threads[4];
    struct err e;

    (void)state;
    assert_ok(metrics_new(table, &m, &e));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, m), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_ok(metrics_format(m, &out, &e));
    assert_non_null(strstr(buf_cstr(&out), "t_plain_total 40000\n"));
    metrics_free(m);
}

static void nobody_counting_is_fine(void **state)
{
    struct buf out = { 0 };
    struct err e;

    (void)state;
    metrics_add(NULL, "x", 1, NULL, NULL, NULL);
    metrics_observe(NULL, "x", 1, NULL, NULL, NULL);
    assert_ok(metrics_format(NULL, &out, &e));
    assert_int_equal(out.n, 0);
    metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_text_format),
        cmocka_unit_test(bounds_the_label_sets),
        cmocka_unit_test(counts_from_many_threads),
        cmocka_unit_test(nobody_counting_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
