/*
 * JSON from outside: checked for form and depth before the library allocates, then read by name.
 * Member names are matched whatever their ASCII case where the function says "nocase", as the Go
 * original does.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/buf.h"

#include <jansson.h>

#define JSON_MAX_DEPTH 64 /* nested arrays and objects */

/*
 * One complete JSON text (RFC 8259) of any kind, UTF-8, nested at most JSON_MAX_DEPTH deep.
 * Pure: numbers of any size are accepted, nothing is allocated. Fails: ERR_PARSE.
 */
MUST_CHECK int json_check(struct span text, struct err *e);

/*
 * Parses a JSON object or array. Integers above 2^63-1 become reals; duplicate names are refused.
 * *out is the caller's: json_decref(). Fails: ERR_PARSE, ERR_NOMEM.
 */
MUST_CHECK int json_parse(struct span text, json_t **out, struct err *e);

/* Compact text in the order of insertion, or sorted by member name. Appends. */
MUST_CHECK int json_format(const json_t *value, bool sorted, struct buf *out, struct err *e);

void json_freep(json_t **value); /* for CLEANUP */

/* Member of an object by name, exact first, else ASCII case folded; NULL when absent. Borrowed. */
json_t *json_member_nocase(const json_t *object, const char *name);

/*
 * String members. *out is borrowed from the object; NULL when the member is absent or null.
 * Fails: ERR_PARSE for another type, or for a string with a NUL inside; the message names it.
 */
MUST_CHECK int json_get_string(const json_t *object, const char *name, const char **out,
                               struct err *e);
MUST_CHECK int json_get_string_nocase(const json_t *object, const char *name, const char **out,
                                      struct err *e);

/* Walks a dotted path of objects, exact names: "response.key.key". NULL when absent. Borrowed. */
json_t *json_path(const json_t *object, const char *path);

/* Makes jansson wipe what it frees. Call before the first JSON value exists. */
void json_wipe_on_free(void);

#endif
