#include "base/secret_pages.h"

#include <sys/mman.h>
#include <unistd.h>

int secret_pages_open(size_t n, struct secret_pages *out, struct err *e)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (n + page - 1) / page * page;
    void *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return err_sys(e, "mapping %zu bytes for a secret", whole);
    if (madvise(p, whole, MADV_DONTDUMP) != 0 || madvise(p, whole, MADV_DONTFORK) != 0) {
        err_sys(e, "keeping a secret out of core dumps");
        munmap(p, whole);
        return -1;
    }
    *out = (struct secret_pages){ .p = p, .n = whole, .locked = mlock(p, whole) == 0 };
    return 0;
}

void secret_pages_close(struct secret_pages *m)
{
    if (m->p != NULL) {
        mem_wipe(m->p, m->n);
        munmap(m->p, m->n); /* unlocks */
    }
    *m = (struct secret_pages){ 0 };
}
