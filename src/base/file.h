/* Whole small files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

/* Reads a whole file of at most max bytes; a longer one is an error, never cut.
 * Fails: ERR_SYS (the message names the file), ERR_PARSE for one that is too long, ERR_NOMEM. */
MUST_CHECK int file_read(const char *path, size_t max, struct buf *out, struct err *e);

/* Replaces a file with mode 0600: written beside it, flushed, renamed over it. */
MUST_CHECK int file_write(const char *path, struct span content, struct err *e);

#endif
