/* What json_parse() takes, json_check() takes, and it formats to JSON again. */
#include "codec/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_freep) json_t *v = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    const int checked = json_check(span_of(data, size), &e);

    if (json_parse(span_of(data, size), &v, &e) != 0)
        return 0;
    if (checked != 0)
        abort();
    if (json_format(v, true, &text, &e) != 0 || json_check(buf_span(&text), &e) != 0)
        abort();
    return 0;
}
