/* Reads the fixed keys of tests/data/jwk. */
#ifndef TESTS_CRYPTO_KEY_DATA_H
#define TESTS_CRYPTO_KEY_DATA_H

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "codec/hex.h"
#include "codec/json.h"

#include <stdlib.h>

#define KEY_DATA_MAX (256 * 1024)

/* The caller's. */
static inline json_t *key_data_load(const char *name)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    const char *root = getenv("SOURCE_ROOT");
    json_t *out = NULL;
    struct err e;

    assert_non_null(root);
    assert_ok(str_printf(&path, &e, "%s/tests/data/jwk/%s", root, name));
    assert_ok(file_read(path, KEY_DATA_MAX, &text, &e));
    assert_ok(json_parse(buf_span(&text), &out, &e));
    return out;
}

/* Borrowed. */
static inline const char *key_data_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    if (text == NULL)
        fail_msg("the test data have no \"%s\"", name);
    return text;
}

/* Appends. */
static inline void key_data_b64(const json_t *object, const char *name, struct buf *out)
{
    struct err e;

    assert_ok(b64_decode_jose(span_str(key_data_text(object, name)), out, &e));
}

static inline void key_data_hex(const json_t *object, const char *name, struct buf *out)
{
    struct err e;

    assert_ok(hex_decode(span_str(key_data_text(object, name)), out, &e));
}

#endif
