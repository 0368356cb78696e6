/*
 * Measures what exchanges cost the client:
 *
 *   exchange_cost URL CA_FILE CALLERS EACH
 *
 * A first round is cold: all callers at once and no connection. In a second, each caller makes
 * EACH exchanges one after the other. Prints for both the wall time, the processor time of this
 * process for an exchange, and the median and 99th percentile of how long one took.
 */
#include "http/client_curl.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_CALLERS 256

struct bench {
    struct http_client *client;
    const char *url;
    long n_each;
    pthread_barrier_t start;
};

struct caller {
    struct bench *bench;
    pthread_t thread;
    double *ms; /* n_each */
    long n_failed;
    struct err why;
};

static double ms_of(struct timespec t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ms_of(t);
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return ms_of(t);
}

static void *call(void *arg)
{
    static const uint8_t body[6000]; /* as long as what an attestation service is sent */
    struct caller *c = arg;
    const struct http_request request = {
        .method = "POST",
        .url = c->bench->url,
        .headers = { { "Authorization", "Bearer abc" }, { "Content-Type", "application/json" } },
        .body = { body, sizeof(body) },
        .timeout_ms = 20000,
    };

    pthread_barrier_wait(&c->bench->start);
    for (long i = 0; i < c->bench->n_each; i++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        const double start = now_ms();

        if (http_perform(c->bench->client, &request, &r, &c->why) != 0 || r.status >= 500)
            c->n_failed++;
        c->ms[i] = now_ms() - start;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static long run_round(struct bench *b, const char *name, size_t n_callers, long n_each)
{
    static struct caller callers[MAX_CALLERS];
    const size_t n = n_callers * (size_t)n_each;
    double *ms = calloc(n, sizeof(*ms));
    long n_failed = 0;

    if (ms == NULL)
        return -1;
    b->n_each = n_each;
    pthread_barrier_init(&b->start, NULL, (unsigned)n_callers + 1);
    for (size_t i = 0; i < n_callers; i++) {
        callers[i] = (struct caller){ .bench = b, .ms = ms + i * (size_t)n_each };
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0)
            abort();
    }
    const double cpu = cpu_ms(), start = now_ms();
    pthread_barrier_wait(&b->start);
    for (size_t i = 0; i < n_callers; i++) {
        pthread_join(callers[i].thread, NULL);
        n_failed += callers[i].n_failed;
        if (callers[i].n_failed != 0 && n_failed == callers[i].n_failed)
            fprintf(stderr, "%s\n", callers[i].why.msg);
    }
    const double wall = now_ms() - start;
    qsort(ms, n, sizeof(*ms), compare);
    printf("%-5s %6zu exchanges %9.1f ms %7.3f ms of CPU each, p50 %7.2f ms, p99 %7.2f ms\n", name,
           n, wall, (cpu_ms() - cpu) / (double)n, ms[n / 2], ms[n * 99 / 100]);
    free(ms);
    pthread_barrier_destroy(&b->start);
    return n_failed;
}

int main(int argc, char **argv)
{
    struct bench b = { .url = argc == 5 ? argv[1] : NULL };
    const size_t n_callers = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    struct roots *roots = NULL;
    struct err e;

    if (n_callers == 0 || n_callers > MAX_CALLERS) {
        fprintf(stderr, "usage: exchange_cost URL CA_FILE CALLERS EACH\n");
        return EXIT_FAILURE;
    }
    if (roots_new(argv[2], "/nonexistent", &roots, &e) != 0 || roots_load(roots, &e) != 0) {
        fprintf(stderr, "%s\n", e.msg);
        return EXIT_FAILURE;
    }
    const struct http_client_curl_config config = { 5000, roots };
    if (http_client_curl_new(&config, &b.client, &e) != 0) {
        fprintf(stderr, "%s\n", e.msg);
        return EXIT_FAILURE;
    }
    long n_failed = run_round(&b, "cold", n_callers, 1);
    n_failed += run_round(&b, "warm", n_callers, strtol(argv[4], NULL, 10));
    http_client_close(b.client);
    roots_free(roots);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
