#include "support/asserts.h"

#include "codec/b64.h"
#include "crypto/jwk.h"
#include "support/fake_maa.h"

static void the_token_speaks_for_the_key_of_the_session(void **state)
{
    CLEANUP(session_releasep) struct session *s = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf want = { 0 };
    CLEANUP(buf_done) struct buf sent = { 0 };
    struct fake_maa f;
    bool reused = true;
    struct err e;

    (void)state;
    fake_maa_start(&f, 60000, 1000);
    s = fake_maa_get(&f, "one", &reused);
    assert_ok(wrapping_key_open(s->key, &k, &e));
    assert_ok(jwk_set_format(k, &want, &e));
    assert_ok(b64_decode(span_str(f.runtime_data), &sent, &e));
    assert_span_equal(buf_span(&sent), buf_span(&want));
    assert_non_null(strstr(buf_cstr(&want), s->kid));
    assert_true(s->reported_tcb == FAKE_MAA_TCB);
    fake_maa_stop(&f);
}

static void a_tokens_life_is_the_shorter_of_what_two_clocks_say(void **state)
{
    static const struct {
        const char *claims;
        int64_t want;
    } cases[] = {
        { "{\"exp\":2000,\"iat\":1000}", 990 },
        { "{\"exp\":2000}", 990 },
        { "{\"exp\":1010,\"iat\":1000}", 8 }, /* a fifth of a short life */
        { "{\"exp\":1001,\"iat\":1000}", 0 },
        { "{\"exp\":1000,\"iat\":900}", 0 },   /* ours is ahead of the service's */
        { "{\"exp\":9100,\"iat\":9000}", 89 }, /* ours is behind: its whole life */
        { "{\"exp\":2000,\"iat\":1000.5}", 990 },
        { "{\"exp\":1e14}", 86390 },
        { "{\"exp\":1e300}", 0 },
        { "{\"exp\":-5}", 0 },
        { "{\"exp\":\"2000\"}", 0 },
        { "{\"exp\":2000,\"iat\":\"1000\"}", 990 },
        { "{\"exp\":2000,\"iat\":3000}", 0 },
        { "{}", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf token = { 0 };
        struct err e;
        assert_ok(buf_add_str(&token, "e30.", &e));
        assert_ok(b64_encode(span_str(cases[i].claims), B64_URL, &token, &e));
        assert_ok(buf_add_str(&token, ".c2ln", &e));
        const int64_t sent_s = strstr(cases[i].claims, "9100") != NULL ? 999 : 1000;
        assert_int_equal(session_token_life_s(buf_cstr(&token), sent_s, 1000), cases[i].want);
    }
    assert_int_equal(session_token_life_s("no token", 1000, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_speaks_for_the_key_of_the_session),
        cmocka_unit_test(a_tokens_life_is_the_shorter_of_what_two_clocks_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
