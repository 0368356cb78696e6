#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_fill(void *p, size_t n)
{
    uint8_t *to = p;

    while (n > 0) {
        const ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno != EINTR)
            abort(); /* no randomness: nothing that follows would be safe */
        if (got > 0) {
            to += got;
            n -= (size_t)got;
        }
    }
}

uint32_t random_u32(void)
{
    uint32_t v = 0;

    random_fill(&v, sizeof(v));
    return v;
}

uint64_t random_u64(void)
{
    uint64_t v = 0;

    random_fill(&v, sizeof(v));
    return v;
}
