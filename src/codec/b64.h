/* Base64 of RFC 4648, both alphabets. */
#ifndef CODEC_B64_H
#define CODEC_B64_H

#include "base/buf.h"

enum b64_form {
    B64_STD,        /* + / with padding */
    B64_URL,        /* - _ without padding, as JOSE writes it */
    B64_URL_PADDED, /* - _ with padding, as MAA clients write it */
};

/* Appends. */
MUST_CHECK int b64_encode(struct span in, enum b64_form form, struct buf *out, struct err *e);

/*
 * Decodes either alphabet (also mixed), padded or not; CR and LF anywhere are ignored, anything
 * else that is not a digit is refused: wrong or misplaced padding, a single left-over digit.
 * Bits behind the last byte are not looked at, as deployed encoders leave them set.
 * Appends. Fails: ERR_PARSE (names the offset), ERR_NOMEM.
 */
MUST_CHECK int b64_decode(struct span text, struct buf *out, struct err *e);

/* Strict base64url, as RFC 7515 §2 asks: no padding, no line breaks, one spelling for each value.
 * Fails as above. */
MUST_CHECK int b64_decode_jose(struct span text, struct buf *out, struct err *e);

#endif
