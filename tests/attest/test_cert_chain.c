#include "support/asserts.h"

#include "attest/cert_chain.h"
#include "support/fake_thim.h"

#include <pthread.h>

static struct cert_chain *make(uint64_t tcb)
{
    struct thim_certs certs = { 0 };
    struct cert_chain *c = NULL;
    char json[512];
    struct err e;

    fake_thim_format(tcb, json, sizeof(json));
    assert_ok(thim_parse(span_str(json), &certs, &e));
    assert_ok(cert_chain_new(&certs, 1700000000, &c, &e));
    assert_null(certs.vcek_pem);
    assert_null(certs.tcbm);
    return c;
}

static void keeps_chain_and_tcb_together_as_delivered(void **state)
{
    struct cert_chain *c = make(0xdb18000000000004);

    assert_string_equal(c->pem, "-----BEGIN CERTIFICATE-----\nVCEK db18000000000004\n"
                                "-----BEGIN CERTIFICATE-----\nASK, ARK\n");
    assert_string_equal(c->tcbm, "DB18000000000004");
    assert_true(c->tcb == 0xdb18000000000004);
    assert_int_equal(c->fetched_s, 1700000000);
    cert_chain_release(c);
}

static void *acquire_and_release(void *arg)
{
    for (int i = 0; i < 10000; i++)
        cert_chain_release(cert_chain_acquire(arg));
    cert_chain_release(arg);
    return NULL;
}

static void lives_until_the_last_reference(void **state)
{
    struct cert_chain *c = make(1);
    pthread_t threads[2];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, acquire_and_release, cert_chain_acquire(c)), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c->n_refs, 1);
    assert_true(c->tcb == 1);
    cert_chain_releasep(&c);
    assert_null(c);
    cert_chain_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_chain_and_tcb_together_as_delivered),
        cmocka_unit_test(lives_until_the_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
