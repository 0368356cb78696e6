/* A chain is made once, never changed, and freed with its last reference. */
#include "attest/cert_chain.h"

#include "base/str.h"

#include <assert.h>
#include <stdlib.h>

int cert_chain_new(struct thim_certs *certs, int64_t now_s, struct cert_chain **out, struct err *e)
{
    CLEANUP(str_freep) char *pem = NULL;
    struct cert_chain *c = NULL;

    if (str_printf(&pem, e, "%s%s", certs->vcek_pem, certs->chain_pem) != 0)
        return -1;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_nomem(e);
    c->pem = TAKE(pem);
    c->tcbm = TAKE(certs->tcbm);
    c->tcb = certs->tcb;
    c->fetched_s = now_s;
    c->n_refs = 1;
    thim_certs_done(certs);
    *out = c;
    return 0;
}

struct cert_chain *cert_chain_acquire(struct cert_chain *c)
{
    __atomic_add_fetch(&c->n_refs, 1, __ATOMIC_RELAXED);
    return c;
}

void cert_chain_release(struct cert_chain *c)
{
    if (c == NULL)
        return;
    assert(__atomic_load_n(&c->n_refs, __ATOMIC_RELAXED) > 0);
    /* acquire and release: the one that frees sees everything the others did before they let go */
    if (__atomic_sub_fetch(&c->n_refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    str_free(c->pem);
    str_free(c->tcbm);
    free(c);
}

void cert_chain_releasep(struct cert_chain **c)
{
    cert_chain_release(*c);
    *c = NULL;
}
