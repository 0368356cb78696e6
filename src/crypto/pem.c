/* A thin layer over OpenSSL's raw reader, the one that never asks for a passphrase. */
#include "crypto/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <string.h>

/* One block of whatever label. */
static enum pem_next next_block(BIO *bio, const char *label, bool *out_match, uint8_t **out,
                                size_t *out_n)
{
    char *name = NULL, *header = NULL;
    uint8_t *content = NULL;
    long n = 0;

    if (PEM_read_bio(bio, &name, &header, &content, &n) != 1) {
        const unsigned long last = ERR_peek_last_error();
        ERR_clear_error();
        return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE
                   ? PEM_NEXT_END
                   : PEM_NEXT_BROKEN;
    }
    const bool is_plain = header[0] == '\0';
    *out_match = strcmp(name, label) == 0;
    OPENSSL_free(name);
    OPENSSL_free(header);
    if (is_plain && *out_match) {
        *out = content;
        *out_n = (size_t)n;
        return PEM_NEXT_FOUND;
    }
    OPENSSL_clear_free(content, (size_t)n);
    return *out_match ? PEM_NEXT_BROKEN : PEM_NEXT_FOUND;
}

enum pem_next pem_next(BIO *bio, const char *label, uint8_t **out, size_t *out_n)
{
    enum pem_next result;
    bool match = false;

    do
        result = next_block(bio, label, &match, out, out_n);
    while (result == PEM_NEXT_FOUND && !match);
    return result;
}
