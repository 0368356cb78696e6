#include "skr/session.h"

#include "base/str.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"

#include <assert.h>
#include <stdlib.h>

#define MARGIN_S   10 /* or a fifth of a short life: the token still travels, and clocks differ */
#define MAX_LIFE_S 86400

static void session_free(struct session *s)
{
    wrapping_key_free(s->key);
    str_free(s->kid);
    str_free(s->token);
    free(s);
}

struct session *session_acquire(struct session *s)
{
    __atomic_add_fetch(&s->n_refs, 1, __ATOMIC_RELAXED);
    return s;
}

void session_release(struct session *s)
{
    if (s == NULL)
        return;
    assert(__atomic_load_n(&s->n_refs, __ATOMIC_RELAXED) > 0);
    /* acquire and release: the one that frees sees everything the others did before they let go */
    if (__atomic_sub_fetch(&s->n_refs, 1, __ATOMIC_ACQ_REL) == 0)
        session_free(s);
}

void session_releasep(struct session **s)
{
    session_release(*s);
    *s = NULL;
}

/* A NumericDate (RFC 7519 §2) in whole seconds; false for what is none. */
static bool get_date(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);
    const double seconds = json_number_value(v);

    if (!json_is_number(v) || !(seconds >= 0 && seconds < 1e15))
        return false;
    *out = (int64_t)seconds;
    return true;
}

int64_t session_token_life_s(const char *token, int64_t sent_s, int64_t now_s)
{
    CLEANUP(json_freep) json_t *claims = NULL;
    int64_t expires_s = 0, issued_s = 0;
    struct err e;

    if (jws_peek(span_str(token), NULL, &claims, &e) != 0 || !get_date(claims, "exp", &expires_s))
        return 0;
    int64_t left_s = expires_s - now_s;
    if (get_date(claims, "iat", &issued_s) && expires_s - issued_s - (now_s - sent_s) < left_s)
        left_s = expires_s - issued_s - (now_s - sent_s);
    if (left_s <= 0)
        return 0;
    if (left_s > MAX_LIFE_S)
        left_s = MAX_LIFE_S;
    const int64_t fifth_s = (left_s + 4) / 5;
    return left_s - (fifth_s < MARGIN_S ? fifth_s : MARGIN_S);
}

static int make_key(struct service *service, struct session *s, struct buf *runtime_data,
                    struct err *e)
{
    CLEANUP(rsa_key_freep) struct rsa_key *key = NULL;

    if (key_pool_take(service->keys, &s->key, e) != 0 || wrapping_key_open(s->key, &key, e) != 0)
        return -1;
    if (jwk_thumbprint(key, &s->kid, e) != 0)
        return -1;
    return jwk_set_format(key, runtime_data, e);
}

int session_new(struct service *service, const struct endpoint *maa, int64_t deadline_ms,
                struct session **out, struct failure *f)
{
    CLEANUP(session_releasep) struct session *s = calloc(1, sizeof(*s));
    CLEANUP(buf_done) struct buf runtime_data = { 0 };
    const struct clock *clk = service->parts.env->clk;
    const int64_t start_ms = clock_now_ms(clk), start_s = clock_unix_s(clk);

    if (s == NULL) {
        err_nomem(&f->err);
        return failure_at(f, STAGE_ATTEST);
    }
    s->n_refs = 1;
    if (make_key(service, s, &runtime_data, &f->err) != 0) {
        err_wrap(&f->err, "making the wrapping key failed");
        return failure_set(f, STAGE_ATTEST, 500, "internal");
    }
    if (service_attest_at(service, maa, buf_span(&runtime_data), deadline_ms, &s->token,
                          &s->reported_tcb, f) != 0)
        return -1;
    s->issued_ms = clock_now_ms(clk);
    s->took_ms = s->issued_ms - start_ms;
    const int64_t now_s = clock_unix_s(clk);
    const int64_t life_s = session_token_life_s(s->token, start_s, now_s);
    s->token_life_ms = life_s * 1000;
    s->token_ends_s = now_s + life_s;
    *out = TAKE(s);
    return 0;
}
