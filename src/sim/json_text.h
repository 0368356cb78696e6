/* JSON as text, where a parser would lose something: big numbers, and the order and spelling of
 * what is quoted. All texts must have passed json_check(). */
#ifndef SIM_JSON_TEXT_H
#define SIM_JSON_TEXT_H

#include "codec/json.h"

/* The text of the value of a member of an object, by the name as it is spelled. Borrowed from
 * object; false when there is none. */
bool json_text_member(struct span object, const char *name, struct span *out);

/* Appends the text without the blanks between its tokens. */
MUST_CHECK int json_text_compact(struct span text, struct buf *out, struct err *e);

#endif
