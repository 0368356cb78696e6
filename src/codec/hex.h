/* Hexadecimal text. */
#ifndef CODEC_HEX_H
#define CODEC_HEX_H

#include "base/buf.h"

/* Lower case; appends 2 n characters. */
MUST_CHECK int hex_encode(struct span in, struct buf *out, struct err *e);

/* Either case, an even number of digits and nothing else; appends. Fails: ERR_PARSE. */
MUST_CHECK int hex_decode(struct span text, struct buf *out, struct err *e);

/* 2 n lower-case digits and a NUL into out. */
void hex_format(const uint8_t *p, size_t n, char *out);

#endif
