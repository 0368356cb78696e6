/* The list of pinned roots. A root is one by its key and its name, whatever its other bytes are:
 * AMD may issue a certificate for the same key again. */
#include "attest/amd_roots.h"

#include "attest/amd_roots_pem.h"

#include <string.h>

int amd_roots_add_builtin(struct amd_roots *r, struct err *e)
{
    return amd_roots_add_pem(r, span_str(amd_roots_pem), e);
}

int amd_roots_add_pem(struct amd_roots *r, struct span pem, struct err *e)
{
    CLEANUP(x509_list_done) struct x509_list more = { 0 };
    char name[64];

    if (x509_list_from_pem(pem, &more, e) != 0)
        return err_wrap(e, "AMD root certificates");
    for (size_t i = 0; i < more.n; i++) {
        x509_common_name(more.certs[i], name, sizeof(name));
        if (!x509_is_issuer_name(more.certs[i], more.certs[i]) || !x509_is_ca(more.certs[i]))
            return err_set(e, ERR_CHECK, "AMD root certificates: \"%s\" is not a root", name);
    }
    if (more.n > X509_MAX_CHAIN - r->arks.n)
        return err_set(e, ERR_CHECK, "AMD root certificates: more than %d", X509_MAX_CHAIN);
    memcpy(r->arks.certs + r->arks.n, more.certs, more.n * sizeof(struct x509_cert *));
    r->arks.n += more.n;
    more = (struct x509_list){ 0 };
    return 0;
}

void amd_roots_done(struct amd_roots *r)
{
    x509_list_done(&r->arks);
}

const struct x509_cert *amd_roots_find(const struct amd_roots *r, const struct x509_cert *delivered)
{
    for (size_t i = 0; i < r->arks.n; i++) {
        const struct x509_cert *root = r->arks.certs[i];

        /* a root's issuer name is its own, so this compares the two subjects */
        if (span_equal(x509_cert_spki(root), x509_cert_spki(delivered)) &&
            x509_is_issuer_name(root, delivered))
            return root;
    }
    return NULL;
}
