/*
 * Memory of its own for a secret that is kept for a while: whole pages, out of swap and out of
 * core dumps, wiped at the end.
 */
#ifndef BASE_SECRET_PAGES_H
#define BASE_SECRET_PAGES_H

#include "base/buf.h"

struct secret_pages {
    void *p;
    size_t n;    /* of whole pages */
    bool locked; /* false: the system did not allow it (RLIMIT_MEMLOCK), the rest holds */
};

/* At least n bytes, all zero. Fails: ERR_SYS. A refused lock is no failure. */
MUST_CHECK int secret_pages_open(size_t n, struct secret_pages *out, struct err *e);

/* Wipes and unmaps; leaves {0}; may be called twice. */
void secret_pages_close(struct secret_pages *m);

#endif
