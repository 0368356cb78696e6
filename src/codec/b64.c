/* Not constant-time over its input: what it decodes arrived over a wire as text, and the tables
 * of any base64 in reach (OpenSSL, jose) leak the same way. */
#include "codec/b64.h"

#include <string.h>

static const char STD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int b64_encode(struct span in, enum b64_form form, struct buf *out, struct err *e)
{
    const char *digits = form == B64_STD ? STD : URL;
    const bool padded = form != B64_URL;
    uint8_t *to = NULL;
    size_t n = 0;

    if (in.n > SIZE_MAX / 4)
        return err_nomem(e);
    if (buf_reserve(out, (in.n + 2) / 3 * 4, &to, e) != 0)
        return -1;
    for (size_t i = 0; i < in.n; i += 3) {
        const size_t left = in.n - i;
        const uint32_t v = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) |
                           (left > 2 ? in.p[i + 2] : 0);
        to[n++] = (uint8_t)digits[v >> 18];
        to[n++] = (uint8_t)digits[v >> 12 & 63];
        if (left > 1)
            to[n++] = (uint8_t)digits[v >> 6 & 63];
        else if (padded)
            to[n++] = '=';
        if (left > 2)
            to[n++] = (uint8_t)digits[v & 63];
        else if (padded)
            to[n++] = '=';
    }
    out->n += n;
    return 0;
}

static int value(uint8_t c, bool std)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-' || (std && c == '+'))
        return 62;
    if (c == '_' || (std && c == '/'))
        return 63;
    return -1;
}

struct decoder {
    uint32_t bits; /* not yet written, in the low n_bits */
    unsigned n_bits;
    size_t n_digits, n_pads;
};

static bool ends_well(const struct decoder *d, bool lenient)
{
    const size_t rest = d->n_digits % 4;

    if (rest == 1 || (!lenient && (d->bits & ((1u << d->n_bits) - 1)) != 0))
        return false;
    return d->n_pads == 0 || (rest != 0 && rest + d->n_pads == 4);
}

static int decode(struct span text, bool lenient, struct buf *out, struct err *e)
{
    struct decoder d = { 0 };
    uint8_t *to = NULL;
    size_t n = 0;

    if (buf_reserve(out, text.n / 4 * 3 + 3, &to, e) != 0)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];
        if (lenient && (c == '\r' || c == '\n'))
            continue;
        if (lenient && c == '=') {
            d.n_pads++;
            continue;
        }
        const int v = value(c, lenient);
        if (v < 0 || d.n_pads != 0)
            return err_set(e, ERR_PARSE, "illegal base64 data at input byte %zu", i);
        d.n_digits++;
        d.bits = d.bits << 6 | (uint32_t)v;
        d.n_bits += 6;
        if (d.n_bits >= 8) {
            d.n_bits -= 8;
            to[n++] = (uint8_t)(d.bits >> d.n_bits);
        }
    }
    if (!ends_well(&d, lenient)) {
        mem_wipe(to, n);
        return err_set(e, ERR_PARSE, "illegal base64 data at input byte %zu", text.n);
    }
    out->n += n;
    return 0;
}

int b64_decode(struct span text, struct buf *out, struct err *e)
{
    return decode(text, true, out, e);
}

int b64_decode_jose(struct span text, struct buf *out, struct err *e)
{
    return decode(text, false, out, e);
}
