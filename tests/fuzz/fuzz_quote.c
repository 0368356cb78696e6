/* The first byte is the length of a secret, which follows (made letters, so that no mark that the
 * quoting adds can complete it), then the text. No quotation contains the secret or breaks a line.
 */
#include "base/str.h"
#include "http/call.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char secret[256] = "", out[HTTP_QUOTE_MAX + 1];
    struct err e;

    const size_t n_secret = size > 0 && data[0] < size ? data[0] : 0;
    for (size_t i = 0; i < n_secret; i++)
        secret[i] = (char)('A' + data[1 + i] % 26);
    if (size > 0) {
        must(buf_add(&text, data + 1 + n_secret, size - 1 - n_secret, &e) == 0);
        must(buf_add_str(&text, secret, &e) == 0);
        must(buf_add(&text, data + 1 + n_secret, size - 1 - n_secret, &e) == 0);
    }

    const char *const secrets[HTTP_MAX_SECRETS] = { secret, NULL };
    http_quote(buf_span(&text), secrets, out);
    must(strlen(out) <= HTTP_QUOTE_MAX);
    must(n_secret == 0 || strstr(out, secret) == NULL);
    for (const char *c = out; *c != '\0'; c++)
        must((unsigned char)*c >= 0x20 && *c != 0x7f);
    return 0;
}
