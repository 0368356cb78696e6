#include "support/asserts.h"

#include "codec/b64.h"
#include "codec/hex.h"

static void writes_the_vectors_of_rfc_4648_in_three_forms(void **state)
{
    static const struct {
        const char *plain, *std, *url, *url_padded;
    } cases[] = {
        { "", "", "", "" },
        { "f", "Zg==", "Zg", "Zg==" },
        { "fo", "Zm8=", "Zm8", "Zm8=" },
        { "foo", "Zm9v", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg", "Zm9vYg==" },
        { "\xff\xfe\xfb\xf0", "//778A==", "__778A", "__778A==" },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const want[] = { [B64_STD] = cases[i].std,
                                     [B64_URL] = cases[i].url,
                                     [B64_URL_PADDED] = cases[i].url_padded };
        for (size_t form = 0; form < ARRAY_LEN(want); form++) {
            CLEANUP(buf_done) struct buf text = { 0 };
            CLEANUP(buf_done) struct buf back = { 0 };
            assert_ok(b64_encode(span_str(cases[i].plain), (enum b64_form)form, &text, &e));
            assert_span_equal(buf_span(&text), span_str(want[form]));
            assert_ok(b64_decode(buf_span(&text), &back, &e));
            assert_span_equal(buf_span(&back), span_str(cases[i].plain));
        }
    }
}

static void reads_what_people_pipe_into_it(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {
        { "Zm9v\nYg==\n", "foob" }, { "Zm9v\r\nYg==", "foob" }, { "Z\nm9vYg=\n=", "foob" },
        { "Zm9vYh==", "foob" },     { "Zm9vYg", "foob" },
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf out = { 0 };
        assert_ok(b64_decode(span_str(cases[i].text), &out, &e));
        assert_span_equal(buf_span(&out), span_str(cases[i].plain));
    }
}

static void refuses_what_no_reading_makes_base64(void **state)
{
    static const char *const cases[] = { "%%%%", "a",    "eA==eA==", "e A=x", "\xc3\xa9",
                                         "=",    "eA=",  "eA===",    "eHh4=", "eA==\0",
                                         "====", "e=A=", "eHh4e",    " eHh4", "eHh4 " };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf out = { 0 };
        const struct span in = i == 9 ? span_of("eA==\0", 5) : span_str(cases[i]);
        assert_fails(ERR_PARSE, "illegal base64", b64_decode(in, &out, &e));
        assert_int_equal(out.n, 0);
    }
}

static void jose_has_one_spelling_for_each_value(void **state)
{
    static const char *const cases[] = { "Zg==", "Zm9v\n", "Zh", "+/77", "Z" };
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    (void)state;
    assert_ok(b64_decode_jose(span_str("__778A"), &out, &e));
    assert_span_equal(buf_span(&out), span_str("\xff\xfe\xfb\xf0"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_fails(ERR_PARSE, "illegal base64", b64_decode_jose(span_str(cases[i]), &out, &e));
}

static void hexadecimal_takes_either_case_and_an_even_number_of_digits(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    (void)state;
    assert_ok(hex_decode(span_str("00fFAb"), &out, &e));
    assert_span_equal(buf_span(&out), span_of("\x00\xff\xab", 3));
    assert_ok(hex_encode(buf_span(&out), &text, &e));
    assert_span_equal(buf_span(&text), span_str("00ffab"));
    assert_fails(ERR_PARSE, "odd", hex_decode(span_str("abc"), &out, &e));
    assert_fails(ERR_PARSE, "offset 2", hex_decode(span_str("ab0g"), &out, &e));
    assert_int_equal(out.n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_vectors_of_rfc_4648_in_three_forms),
        cmocka_unit_test(reads_what_people_pipe_into_it),
        cmocka_unit_test(refuses_what_no_reading_makes_base64),
        cmocka_unit_test(jose_has_one_spelling_for_each_value),
        cmocka_unit_test(hexadecimal_takes_either_case_and_an_even_number_of_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
