#include "skr/session.h"

#include "base/str.h"

#include <stdlib.h>

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    rsa_key_free(s->key);
    str_free(s->kid);
    str_free(s->token);
    free(s);
}

void session_freep(struct session **s)
{
    session_free(*s);
    *s = NULL;
}

int session_new(struct service *service, const struct endpoint *maa, int64_t deadline_ms,
                struct session **out, struct failure *f)
{
    CLEANUP(session_freep) struct session *s = calloc(1, sizeof(*s));
    CLEANUP(buf_done) struct buf runtime_data = { 0 };

    if (s == NULL) {
        err_nomem(&f->err);
        return failure_at(f, STAGE_ATTEST);
    }
    if (rsa_generate(RSA_WRAP_BITS, &s->key, &f->err) != 0 ||
        jwk_thumbprint(s->key, &s->kid, &f->err) != 0 ||
        jwk_set_format(s->key, &runtime_data, &f->err) != 0) {
        err_wrap(&f->err, "making the wrapping key failed");
        return failure_set(f, STAGE_ATTEST, 500, "internal");
    }
    if (service_attest_at(service, maa, buf_span(&runtime_data), deadline_ms, &s->token, f) != 0)
        return -1;
    *out = TAKE(s);
    return 0;
}
