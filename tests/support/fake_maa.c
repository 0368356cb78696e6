#include "support/asserts.h"

#include "base/str.h"
#include "codec/b64.h"
#include "skr/session_store.h"
#include "support/fake_maa.h"

#include <stdio.h>

#define PATIENCE_MS 20000

/* ---- the clock ---- */

static const struct fake_maa *of_clock(const struct clock *c)
{
    return CONTAINER_OF(c, const struct fake_maa, clock);
}

static int64_t now_ms(const struct clock *c)
{
    return clock_now_ms(clock_system()) + of_clock(c)->ahead_ms;
}

static int64_t unix_s(const struct clock *c)
{
    return clock_unix_s(clock_system()) + of_clock(c)->ahead_ms / 1000;
}

static void sleep_ms(const struct clock *c, int64_t ms)
{
    fake_maa_advance((struct fake_maa *)(uintptr_t)of_clock(c), ms);
}

void fake_maa_advance(struct fake_maa *f, int64_t ms)
{
    atomic_fetch_add(&f->ahead_ms, ms);
}

/* ---- the processor ---- */

static int fetch(struct report_source *s, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                 uint8_t out[static SNP_REPORT_SIZE], struct err *e)
{
    const uint64_t tcb = CONTAINER_OF(s, struct fake_maa, source)->tcb;

    (void)e;
    memset(out, 0, SNP_REPORT_SIZE);
    out[0] = 3;
    memcpy(out + 0x50, report_data, SNP_REPORT_DATA_SIZE);
    memcpy(out + 0x180, &tcb, sizeof(tcb));
    return 0;
}

static void close_source(struct report_source *s)
{
    (void)s;
}

/* ---- the attestation service ---- */

static void add_part(struct buf *token, const char *json)
{
    struct err e;

    assert_ok(b64_encode(span_str(json), B64_URL, token, &e));
    assert_ok(buf_add_str(token, ".", &e));
}

static void add_token(const struct fake_maa *f, size_t serial, struct buf *out)
{
    CLEANUP(buf_done) struct buf token = { 0 };
    char claims[256];
    struct err e;
    const long long now = clock_unix_s(&f->clock);

    if (f->token_life > 0)
        snprintf(claims, sizeof(claims), "{\"exp\":%lld,\"iat\":%lld,\"jti\":\"%zu\"}",
                 now + f->token_life, now, serial);
    else
        snprintf(claims, sizeof(claims), "{\"jti\":\"%zu\"}", serial);
    add_part(&token, "{\"alg\":\"RS256\"}");
    add_part(&token, claims);
    assert_ok(buf_printf(out, &e, "{\"token\":\"%.*sc2ln\"}", (int)token.n, (char *)token.p));
}

/* "runtimeData":{"data":"…" */
static void note_runtime_data(struct fake_maa *f, struct span body)
{
    static const char before[] = "\"runtimeData\":{\"data\":\"";
    const uint8_t *at = memmem(body.p, body.n, before, sizeof(before) - 1);

    assert_non_null(at);
    at += sizeof(before) - 1;
    const uint8_t *end = memchr(at, '"', (size_t)(body.p + body.n - at));
    assert_non_null(end);
    snprintf(f->runtime_data, sizeof(f->runtime_data), "%.*s", (int)(end - at), (const char *)at);
}

static void submit(struct http_client *c, struct http_exchange *x)
{
    struct fake_maa *f = CONTAINER_OF(c, struct fake_maa, client);
    const char *answer = "{\"error\":{\"code\":\"no\",\"message\":\"told to\"}}";
    struct err e;

    assert_non_null(strstr(x->request->url, ".attest.azure.net/attest/SevSnpVM?"));
    pthread_mutex_lock(&f->lock);
    f->n_started++;
    note_runtime_data(f, x->request->body);
    pthread_cond_broadcast(&f->changed);
    while (f->blocked)
        pthread_cond_wait(&f->changed, &f->lock);
    const size_t serial = ++f->n_answered;
    pthread_mutex_unlock(&f->lock);
    x->response.status = f->status;
    x->response.retry_after_s = -1;
    if (f->status == 200)
        add_token(f, serial, &x->response.body);
    else
        assert_ok(buf_add_str(&x->response.body, answer, &e));
    x->done(x, NULL);
}

static void do_nothing(struct http_client *c)
{
    (void)c;
}

void fake_maa_block(struct fake_maa *f, bool blocked)
{
    pthread_mutex_lock(&f->lock);
    f->blocked = blocked;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fake_maa_wait_started(struct fake_maa *f, size_t n)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + PATIENCE_MS;
    const struct timespec until = { .tv_sec = until_ms / 1000 };
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    while (f->n_started < n && rc == 0)
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    pthread_mutex_unlock(&f->lock);
    assert_int_equal(rc, 0);
}

size_t fake_maa_n_answered(struct fake_maa *f)
{
    pthread_mutex_lock(&f->lock);
    const size_t n = f->n_answered;
    pthread_mutex_unlock(&f->lock);
    return n;
}

struct endpoint fake_maa_endpoint(const char *name)
{
    const struct endpoint_allow allow = { .maa = NULL };
    struct endpoint out;
    char host[64];
    struct err e;

    snprintf(host, sizeof(host), "%s.attest.azure.net", name);
    assert_ok(endpoint_parse(ENDPOINT_MAA, host, &allow, &out, &e));
    return out;
}

/* ---- together ---- */

static struct cert_chain *make_chain(void)
{
    struct thim_certs certs = { .tcb = FAKE_MAA_TCB };
    struct cert_chain *chain = NULL;
    struct err e;

    assert_ok(str_dup("vcek", &certs.vcek_pem, &e));
    assert_ok(str_dup("chain", &certs.chain_pem, &e));
    assert_ok(str_dup("00", &certs.tcbm, &e));
    assert_ok(cert_chain_new(&certs, 1, &chain, &e));
    return chain;
}

static void init_seams(struct fake_maa *f, int64_t max_age_ms, int64_t max_uses)
{
    static const struct http_client_ops client_ops = { submit, do_nothing, do_nothing };
    static const struct report_source_ops source_ops = { "fake", fetch, close_source };
    static const struct clock_ops clock_ops = { now_ms, unix_s, sleep_ms };
    pthread_condattr_t attr;

    *f = (struct fake_maa){ .client = { &client_ops },
                            .source = { &source_ops },
                            .clock = { &clock_ops },
                            .config = { .user_agent = "test/1",
                                        .session = { max_age_ms, max_uses } },
                            .tcb = FAKE_MAA_TCB,
                            .status = 200,
                            .token_life = 28800 };
    f->env = (struct http_env){ .client = &f->client, .clk = &f->clock, .exchange_ms = 20000 };
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void fake_maa_start(struct fake_maa *f, int64_t max_age_ms, int64_t max_uses)
{
    const struct identity_config ic = { .imds_url = "http://127.0.0.1:1" };
    struct service_parts parts = { .config = &f->config, .env = &f->env };
    struct err e;

    init_seams(f, max_age_ms, max_uses);
    assert_ok(roots_new("/nonexistent", "/nonexistent", &f->roots, &e));
    parts.roots = f->roots;
    assert_ok(device_thread_new(&f->source, &parts.device, &e));
    assert_ok(cert_store_new(THIM_DEFAULT_URL, &f->env, make_chain(), &parts.certs, &e));
    assert_ok(identity_new(&ic, &f->env, &parts.identity, &e));
    assert_ok(service_new(&parts, &f->service, &e));
}

void fake_maa_stop(struct fake_maa *f)
{
    service_free(f->service);
    roots_free(f->roots);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

/* ---- callers ---- */

struct session *fake_maa_get(struct fake_maa *f, const char *name, bool *reused)
{
    const struct endpoint maa = fake_maa_endpoint(name);
    struct failure failure = { .status = 0 };
    struct session *s = NULL;

    if (session_store_get(f->service->sessions, &maa, clock_now_ms(&f->clock) + 20000, &s, reused,
                          &failure) != 0)
        fail_msg("no session: %s", failure.err.msg);
    return s;
}

bool fake_maa_use(struct fake_maa *f, const char *name)
{
    bool reused = false;

    session_release(fake_maa_get(f, name, &reused));
    return reused;
}

void fake_maa_assert_uses(struct fake_maa *f, const char *name, size_t n, size_t n_attested)
{
    for (size_t i = 0; i < n; i++)
        (void)fake_maa_use(f, name);
    assert_int_equal(fake_maa_n_answered(f), n_attested);
}
