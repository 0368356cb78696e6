/* Any bytes as a PEM chain; whatever parses is then asked everything that callers ask. */
#include "crypto/x509.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct x509_cert *c, const struct x509_cert *issuer)
{
    static const uint8_t number[48] = { 1 };
    char name[64];
    struct span value;
    struct err e;

    x509_common_name(c, name, sizeof(name));
    if (strlen(name) >= sizeof(name))
        abort();
    if (x509_cert_der(c).n == 0 || x509_cert_spki(c).n == 0)
        abort();
    if (x509_extension(c, "1.3.6.1.4.1.3704.1.4", &value) && value.n > x509_cert_der(c).n)
        abort();
    (void)x509_is_ca(c);
    (void)x509_is_valid_at(c, 1790000000);
    (void)x509_is_issuer_name(c, issuer);
    if (x509_check_pss_sha384(c, issuer, &e) == 0 && x509_has_p384_key(issuer))
        abort();
    if (x509_check_ecdsa_p384(c, span_str("data"), number, number, &e) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct x509_list list = { 0 };
    struct x509_cert *one = NULL;
    struct err e;

    if (x509_list_from_pem(span_of(data, size), &list, &e) == 0)
        for (size_t i = 0; i < list.n; i++)
            ask(list.certs[i], list.certs[(i + 1) % list.n]);
    else if (list.n != 0)
        abort();
    x509_list_done(&list);
    if (x509_cert_from_der(span_of(data, size), &one, &e) == 0)
        ask(one, one);
    x509_cert_free(one);
    return 0;
}
