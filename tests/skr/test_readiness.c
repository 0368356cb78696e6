#include "support/asserts.h"

#include "base/str.h"
#include "skr/readiness.h"
#include "support/fake_http.h"

#include <stdatomic.h>
#include <stdlib.h>

#define TCB UINT64_C(0x7308000000000003)

/* A processor that can be absent, with a TCB that can be changed. */
struct fake_source {
    struct report_source base;
    atomic_bool present;
    _Atomic uint64_t tcb;
    atomic_int n_fetched;
};

static int fetch(struct report_source *s, const uint8_t report_data[static SNP_REPORT_DATA_SIZE],
                 uint8_t out[static SNP_REPORT_SIZE], struct err *e)
{
    struct fake_source *f = CONTAINER_OF(s, struct fake_source, base);
    const uint64_t tcb = f->tcb;

    atomic_fetch_add(&f->n_fetched, 1);
    if (!f->present)
        return err_set(e, ERR_UNSUPPORTED, "no device");
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

static const struct report_source_ops source_ops = { "fake", fetch, close_source };

struct rig {
    struct fake_source source;
    struct fake_http http;
    struct http_env env;
    struct device_thread *device;
    struct cert_store *certs;
    struct readiness readiness;
};

static struct cert_chain *make_chain(uint64_t tcb)
{
    struct thim_certs certs = { .tcb = tcb };
    struct cert_chain *chain = NULL;
    struct err e;

    assert_ok(str_dup("vcek", &certs.vcek_pem, &e));
    assert_ok(str_dup("chain", &certs.chain_pem, &e));
    assert_ok(str_dup("00", &certs.tcbm, &e));
    assert_ok(cert_chain_new(&certs, 1, &chain, &e));
    return chain;
}

static void rig_start(struct rig *r, bool present, uint64_t chain_tcb, bool any_tcb,
                      const struct fake_exchange *script)
{
    struct err e;

    *r = (struct rig){ .source = { .base = { &source_ops }, .present = present, .tcb = TCB } };
    fake_http_init(&r->http, script);
    r->env =
        (struct http_env){ .client = &r->http.base, .clk = clock_system(), .exchange_ms = 1000 };
    assert_ok(device_thread_new(&r->source.base, &r->device, &e));
    assert_ok(cert_store_new(THIM_DEFAULT_URL, &r->env, chain_tcb ? make_chain(chain_tcb) : NULL,
                             &r->certs, &e));
    assert_ok(readiness_init(&r->readiness, r->device, r->certs, clock_system(), any_tcb, &e));
}

static void rig_stop(struct rig *r)
{
    readiness_done(&r->readiness);
    device_thread_close(r->device, 1000);
    cert_store_free(r->certs);
    fake_http_finish(&r->http);
}

/* Within 3 s; the last reason stays in *e. */
static bool becomes_ready(struct rig *r, struct err *e)
{
    for (int i = 0; i < 300; i++) {
        if (readiness_is_ready(&r->readiness, e))
            return true;
        clock_sleep_ms(clock_system(), 10);
    }
    return false;
}

static const struct fake_exchange NOTHING[] = { { .method = NULL } };

#define THIM_ANSWER                                                                                \
    "{\"vcekCert\":\"-----BEGIN CERTIFICATE-----\\nx\",\"tcbm\":\"7308000000000003\","             \
    "\"certificateChain\":\"-----BEGIN CERTIFICATE-----\\ny\",\"cacheControl\":\"1\"}"

static void a_report_and_its_certificates_make_it_ready(void **state)
{
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, true, TCB, false, NOTHING);
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

static void certificates_of_another_tcb_are_fetched_again(void **state)
{
    static const struct fake_exchange script[] = {
        { .method = "GET", .url = THIM_DEFAULT_URL, .status = 200, .answer = THIM_ANSWER },
        { .method = NULL },
    };
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, true, 5, false, script);
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

static void any_tcb_will_do_where_a_test_asked_for_it(void **state)
{
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, true, 0xffffffff, true, NOTHING);
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

static void without_a_device_it_says_so_and_probes_at_most_once_a_second(void **state)
{
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, false, TCB, false, NOTHING);
    const int64_t start = clock_now_ms(clock_system());
    assert_false(becomes_ready(&r, &e));
    const int64_t seconds = (clock_now_ms(clock_system()) - start) / 1000;
    assert_non_null(strstr(e.msg, "no device"));
    assert_in_range(r.source.n_fetched, 2, seconds + 2);
    r.source.present = true;
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

static void a_report_with_another_tcb_ends_readiness_until_the_certificates_follow(void **state)
{
    static const struct fake_exchange script[] = {
        { .method = "GET", .url = THIM_DEFAULT_URL, .status = 200, .answer = THIM_ANSWER },
        { .method = NULL },
    };
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, false, 7, false, script);
    r.source.tcb = 7;
    r.source.present = true;
    assert_true(becomes_ready(&r, &e));
    r.source.tcb = TCB;
    readiness_note_tcb(&r.readiness, TCB);
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

/* The certificates stayed behind, and then the firmware goes back to them: nobody else may ask. */
static void firmware_that_goes_back_is_noticed(void **state)
{
    static const struct fake_exchange script[] = {
        { .method = "GET", .url = THIM_DEFAULT_URL, .status = 200, .answer = THIM_ANSWER },
        { .method = NULL },
    };
    struct rig r;
    struct err e;

    (void)state;
    rig_start(&r, true, TCB, false, script);
    assert_true(becomes_ready(&r, &e));
    readiness_note_tcb(&r.readiness, 7);
    assert_false(readiness_is_ready(&r.readiness, &e));
    assert_true(becomes_ready(&r, &e));
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_and_its_certificates_make_it_ready),
        cmocka_unit_test(certificates_of_another_tcb_are_fetched_again),
        cmocka_unit_test(any_tcb_will_do_where_a_test_asked_for_it),
        cmocka_unit_test(without_a_device_it_says_so_and_probes_at_most_once_a_second),
        cmocka_unit_test(a_report_with_another_tcb_ends_readiness_until_the_certificates_follow),
        cmocka_unit_test(firmware_that_goes_back_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
