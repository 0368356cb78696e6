#include "codec/hex.h"

static const char DIGITS[] = "0123456789abcdef";

void hex_format(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = DIGITS[p[i] >> 4];
        out[2 * i + 1] = DIGITS[p[i] & 15];
    }
    out[2 * n] = '\0';
}

int hex_encode(struct span in, struct buf *out, struct err *e)
{
    uint8_t *to = NULL;

    if (buf_reserve(out, 2 * in.n + 1, &to, e) != 0)
        return -1;
    hex_format(in.p, in.n, (char *)to);
    out->n += 2 * in.n;
    return 0;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct span text, struct buf *out, struct err *e)
{
    uint8_t *to = NULL;

    if (text.n % 2 != 0)
        return err_set(e, ERR_PARSE, "hexadecimal text has an odd number of digits");
    if (buf_reserve(out, text.n / 2, &to, e) != 0)
        return -1;
    for (size_t i = 0; i < text.n; i += 2) {
        const int hi = digit(text.p[i]), lo = digit(text.p[i + 1]);
        if (hi < 0 || lo < 0)
            return err_set(e, ERR_PARSE, "illegal hexadecimal digit at offset %zu", i);
        to[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    out->n += text.n / 2;
    return 0;
}
