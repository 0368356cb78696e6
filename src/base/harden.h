/* Gives up what a process that holds secrets does not need. */
#ifndef BASE_HARDEN_H
#define BASE_HARDEN_H

#include "base/err.h"

#include <stddef.h>

/*
 * For the whole process and what it may start: no core dumps, not dumpable (no ptrace and no
 * /proc/PID/mem for the same user), no new privileges, no capabilities in any set.
 * Call while there is one thread, after files and ports that need privileges are open.
 * Fails: ERR_SYS with the step that was refused.
 */
MUST_CHECK int harden_process(struct err *e);

/* The soft limit of open files becomes the hard one, at most max. *out_limit: what is in force. */
MUST_CHECK int harden_raise_files(size_t max, size_t *out_limit, struct err *e);

#endif
