/* Other people's programs as judges: openssl, Python scripts. */
#ifndef SUPPORT_JUDGE_TOOL_H
#define SUPPORT_JUDGE_TOOL_H

#include "base/buf.h"

#define JUDGE_ABSENT 127 /* no such program; a script says 77 for a missing library of its own */

/*
 * Runs a program to its end and returns its exit status, or -1 when it was killed.
 *
 * command      words separated by single blanks; the first is looked up in PATH
 * dir          where it runs
 * stdin_file   relative to dir, or NULL for /dev/null
 * with_stderr  what it complains about goes to out as well, else it is dropped
 * out          what it printed is appended
 */
int judge_tool(const char *command, const char *dir, const char *stdin_file, bool with_stderr,
               struct buf *out);

#endif
