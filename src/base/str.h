/* C strings on the heap, which wipe themselves when freed, and questions about strings. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/buf.h"

/* Wipes and frees; NULL is fine. str_freep is for CLEANUP. */
void str_free(char *s);
void str_freep(char **s);

/* New strings, the caller's. Fail: ERR_NOMEM; str_from_span also ERR_PARSE for a NUL inside. */
MUST_CHECK int str_dup(const char *s, char **out, struct err *e);
MUST_CHECK int str_from_span(struct span s, char **out, struct err *e);
MUST_CHECK int str_printf(char **out, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

bool str_is_empty(const char *s); /* NULL or "" */
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
bool str_contains(struct span hay, const char *needle);        /* bytes, exact */
bool str_contains_nocase(struct span hay, const char *needle); /* ASCII case folded */

/* Whole-string unsigned numbers; no sign, no blanks. Fail: ERR_PARSE, also above max. */
MUST_CHECK int str_to_u64(const char *s, int base, uint64_t max, uint64_t *out, struct err *e);

/* At most max bytes of s with anything unprintable replaced by '.', cut in the middle if longer;
 * for quoting foreign text. out has room for max + 16 bytes. */
void str_quote(struct span s, size_t max, char *out);

#endif
