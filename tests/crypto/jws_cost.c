/* Measures what a remembered signer saves when a vault's answer is opened, and what it costs to
 * read the machine's roots: jws_cost (with SOURCE_ROOT in the environment). */
#include "base/file.h"
#include "crypto/jws.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_ROUNDS 500
#define NOW      1790000000

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A clock that goes back is answered by verifying. */
static int open_often(struct signer_cache *signers, struct span jws, int step_s, const char *name,
                      struct err *e)
{
    const double start = cpu_us();

    for (int i = 0; i < N_ROUNDS; i++) {
        CLEANUP(json_freep) json_t *payload = NULL;

        if (jws_open_x5c(jws, signers, "vault.azure.net", NOW + (int64_t)i * step_s, &payload, e) !=
            0)
            return -1;
    }
    printf("%-10s %8.1f us of CPU for an answer\n", name, (cpu_us() - start) / N_ROUNDS);
    return 0;
}

static int run(const char *source, struct err *e)
{
    CLEANUP(buf_done) struct buf jws = { 0 };
    struct roots *roots, *system_roots;
    struct signer_cache *signers;
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/data/jws/good_akv.jws", source);
    if (file_read(path, 1 << 20, &jws, e) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/tests/data/jws/roots.pem", source);
    if (roots_new(path, "/nonexistent", &roots, e) != 0 ||
        signer_cache_new(roots, &signers, e) != 0)
        return -1;
    if (open_often(signers, buf_span(&jws), -1, "verified", e) != 0 ||
        open_often(signers, buf_span(&jws), 1, "remembered", e) != 0)
        return -1;
    signer_cache_free(signers);
    roots_free(roots);

    const double start = cpu_us();
    if (roots_new(NULL, NULL, &system_roots, e) != 0 || roots_load(system_roots, e) != 0)
        return -1;
    printf("%-10s %8.1f us of CPU\n", "roots", cpu_us() - start);
    roots_free(system_roots);
    return 0;
}

int main(void)
{
    const char *source = getenv("SOURCE_ROOT");
    struct err e;

    if (run(source != NULL ? source : ".", &e) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", e.msg);
    return EXIT_FAILURE;
}
