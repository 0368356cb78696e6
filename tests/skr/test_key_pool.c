#include "support/asserts.h"

#include "base/clock.h"
#include "base/str.h"
#include "skr/key_pool.h"
#include "skr/skr_metrics.h"

#include <pthread.h>
#include <stdio.h>

#define SIZE    2
#define N_TAKEN 6

/* Of a metric without labels, as operators read it. */
static int metric(struct metrics *m, const char *name)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(str_freep) char *line = NULL;
    struct err e;
    int value = -1;

    assert_ok(metrics_format(m, &text, &e));
    assert_ok(str_printf(&line, &e, "\n%s ", name));
    const char *at = strstr(buf_cstr(&text), line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(line), "%d", &value), 1);
    return value;
}

static void wait_for_size(struct metrics *m, int size)
{
    for (int i = 0; i < 2000 && metric(m, "skr_key_pool_size") != size; i++)
        clock_sleep_ms(clock_system(), 10);
    assert_int_equal(metric(m, "skr_key_pool_size"), size);
}

static void assert_works(const struct wrapping_key *w)
{
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf wrapped = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 };
    struct err e;

    assert_ok(wrapping_key_open(w, &k, &e));
    assert_int_equal(rsa_key_size(k), 256);
    assert_ok(rsa_oaep_encrypt(k, DIGEST_SHA1, span_str("secret"), &wrapped, &e));
    assert_ok(rsa_oaep_decrypt(k, DIGEST_SHA1, buf_span(&wrapped), &plain, &e));
    assert_span_equal(buf_span(&plain), span_str("secret"));
}

static void fills_itself_and_hands_out_each_key_once(void **state)
{
    struct wrapping_key *keys[N_TAKEN] = { NULL };
    struct buf moduli[N_TAKEN] = { { 0 } };
    struct metrics *m = NULL;
    struct key_pool *p = NULL;
    struct err e;

    (void)state;
    assert_ok(metrics_new(skr_metrics, &m, &e));
    assert_ok(key_pool_new(SIZE, m, &p, &e));
    wait_for_size(m, SIZE);
    for (size_t i = 0; i < N_TAKEN; i++) {
        struct rsa_key *k = NULL;
        assert_ok(key_pool_take(p, &keys[i], &e));
        assert_works(keys[i]);
        assert_ok(wrapping_key_open(keys[i], &k, &e));
        assert_ok(rsa_key_modulus(k, &moduli[i], &e));
        rsa_key_free(k);
        for (size_t j = 0; j < i; j++)
            assert_false(span_equal(buf_span(&moduli[i]), buf_span(&moduli[j])));
    }
    wait_for_size(m, SIZE);
    key_pool_free(p);
    for (size_t i = 0; i < N_TAKEN; i++) { /* keys outlive the pool */
        assert_works(keys[i]);
        wrapping_key_free(keys[i]);
        buf_done(&moduli[i]);
    }
    metrics_free(m);
}

static void an_empty_pool_makes_the_key_for_its_caller_and_counts_it(void **state)
{
    struct wrapping_key *keys[N_TAKEN] = { NULL };
    struct metrics *m = NULL;
    struct key_pool *p = NULL;
    struct err e;

    (void)state;
    assert_ok(metrics_new(skr_metrics, &m, &e));
    assert_ok(key_pool_new(1, m, &p, &e));
    wait_for_size(m, 1);
    assert_int_equal(metric(m, "skr_key_pool_waits_total"), 0);
    for (size_t i = 0; i < N_TAKEN; i++)
        assert_ok(key_pool_take(p, &keys[i], &e));
    assert_in_range(metric(m, "skr_key_pool_waits_total"), 1, N_TAKEN - 1);
    key_pool_free(p);
    for (size_t i = 0; i < N_TAKEN; i++)
        wrapping_key_free(keys[i]);
    metrics_free(m);
}

static void ends_while_it_fills(void **state)
{
    struct key_pool *p = NULL;
    struct err e;

    (void)state;
    assert_ok(key_pool_new(KEY_POOL_MAX, NULL, &p, &e));
    key_pool_free(p);
    key_pool_free(NULL);
}

static void *take_some(void *arg)
{
    struct wrapping_key *k = NULL;
    struct err e;

    for (int i = 0; i < 3; i++) {
        assert_ok(key_pool_take(arg, &k, &e));
        wrapping_key_free(k);
    }
    return NULL;
}

static void serves_many_threads(void **state)
{
    pthread_t threads[4];
    struct key_pool *p = NULL;
    struct err e;

    (void)state;
    assert_ok(key_pool_new(SIZE, NULL, &p, &e));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_some, p), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    key_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_itself_and_hands_out_each_key_once),
        cmocka_unit_test(an_empty_pool_makes_the_key_for_its_caller_and_counts_it),
        cmocka_unit_test(ends_while_it_fills),
        cmocka_unit_test(serves_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
