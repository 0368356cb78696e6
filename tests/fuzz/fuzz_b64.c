/* Whatever decodes, encodes again to something that decodes to the same. */
#include "codec/b64.h"
#include "codec/hex.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct buf *bytes, enum b64_form form)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(buf_done) struct buf back = { 0 };
    struct err e;

    if (b64_encode(buf_span(bytes), form, &text, &e) != 0 ||
        b64_decode(buf_span(&text), &back, &e) != 0 ||
        !span_equal(buf_span(bytes), buf_span(&back)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf lenient = { 0 };
    CLEANUP(buf_done) struct buf strict = { 0 };
    CLEANUP(buf_done) struct buf hex = { 0 };
    struct err e;

    if (b64_decode(span_of(data, size), &lenient, &e) == 0) {
        round_trip(&lenient, B64_STD);
        round_trip(&lenient, B64_URL);
        round_trip(&lenient, B64_URL_PADDED);
    }
    if (b64_decode_jose(span_of(data, size), &strict, &e) == 0) {
        CLEANUP(buf_done) struct buf text = { 0 };
        if (b64_encode(buf_span(&strict), B64_URL, &text, &e) != 0 ||
            !span_equal(buf_span(&text), span_of(data, size)))
            abort(); /* one spelling for each value */
    }
    if (hex_decode(span_of(data, size), &hex, &e) == 0 && hex.n * 2 != size)
        abort();
    return 0;
}
