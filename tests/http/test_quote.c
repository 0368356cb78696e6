#include "support/asserts.h"

#include "base/str.h"
#include "http/call.h"

#include <stdio.h>

#define HEADER  "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"
#define PAYLOAD "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"
#define SIG     "POstGetfAytaZS82wHcjoTyoqhMyxXiWdR7Nn7A29DNSl0EiXLdwJ6xC6AfgZWF1bOsS"
#define OPAQUE  "9ac2e6f4-Secret/with+all=kinds:of chars"

static const char *const NO_SECRETS[HTTP_MAX_SECRETS] = { NULL };

static void shows_harmless_text_as_it_is(void **state)
{
    static const char *const texts[] = {
        "",
        "{\"error\":{\"code\":\"Forbidden\",\"message\":\"Target environment attestation statement "
        "cannot be verified.\"}}",
        "AKV10000: Request is missing a Bearer or PoP token.",
        "Bearer token is expired. Bearer authorization=\"https://login.microsoftonline.com/x\"",
        "Bearer",
        "no Bearer ",
        "forbearer of news",
        "my-very-long-managed-hsm-0123456789.privatelink-of-a-region-1.managedhsm.azure.net",
        "https://sharedeus2.eus2.attest.azure.net/attest/SevSnpVm?api-version=2020-10-01",
        "Microsoft.AzureAttestation.ConfidentialComputing.InvalidParameterException.Message",
        "see eyJ, a.b.c, 1.2.3.4 and keys.eyJ",
        HEADER " is only a header",
        "it\xe2\x80\x99s \xc3\xa4 \xf0\x9f\x98\x80",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char out[HTTP_QUOTE_MAX + 1];
        http_quote(span_str(texts[i]), NO_SECRETS, out);
        assert_string_equal(out, texts[i]);
    }
}

static void masks_what_looks_like_a_credential(void **state)
{
    static const struct {
        const char *text, *out;
    } cases[] = {
        { HEADER "." PAYLOAD "." SIG, "[masked]" },
        { "token '" HEADER "." PAYLOAD "." SIG "' is refused", "token '[masked]' is refused" },
        { "{\"t\":\"" HEADER "." PAYLOAD ".\"}", "{\"t\":\"[masked]\"}" },
        { "eyJ9.e30.x", "[masked]" },
        { HEADER "..iv." PAYLOAD ".tag", "[masked]" },
        { "a=20" HEADER "." PAYLOAD "." SIG ",b", "a=[masked],b" },
        { "0123456789abcdefABC.0123456789abcdef_-x.0123456789abcdef0123", "[masked]" },
        { "x.Y." SIG, "x.Y." SIG },
        { "one " SIG "." SIG " two", "one " SIG "." SIG " two" },
        { "Authorization: Bearer abc123", "Authorization: Bearer [masked]" },
        { "bearer   xxx.", "bearer   [masked]" },
        { "\"BEARER a+b/c=\"", "\"BEARER [masked]\"" },
        { "Bearer\tsecret, Bearer other", "Bearer [masked], Bearer [masked]" },
        { "Bearer " HEADER "." PAYLOAD "." SIG "~more", "Bearer [masked]" },
        { "Bearer token abc", "Bearer token abc" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[HTTP_QUOTE_MAX + 1];
        http_quote(span_str(cases[i].text), NO_SECRETS, out);
        assert_string_equal(out, cases[i].out);
    }
}

static void masks_given_secrets_and_pieces_of_them(void **state)
{
    static const char *const secrets[HTTP_MAX_SECRETS] = { OPAQUE, "", "short", NULL };
    static const struct {
        const char *text, *out;
    } cases[] = {
        { OPAQUE, "[masked]" },
        { "got " OPAQUE "!", "got [masked]!" },
        { OPAQUE OPAQUE "x" OPAQUE, "[masked]x[masked]" },
        { "xx9ac2e6f4-Secret/with...", "xx[masked]..." },
        { "...with+all=kinds:of chars", "...[masked]" },
        { "[Secret/with+]", "[[masked]]" },
        { "[Secret/with]", "[Secret/with]" },
        { "shorts are short", "[masked]s are [masked]" },
        { "shor", "shor" },
        { "shortshort", "[masked]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[HTTP_QUOTE_MAX + 1];
        http_quote(span_str(cases[i].text), secrets, out);
        assert_string_equal(out, cases[i].out);
    }
}

static void takes_all_four_secrets(void **state)
{
    static const char *const secrets[HTTP_MAX_SECRETS] = { "alpha-secret-1", "beta", "gamma",
                                                           "delta-secret-4" };
    char out[HTTP_QUOTE_MAX + 1];

    http_quote(span_str("alpha-secret-1,beta,gamma,delta-secret-4"), secrets, out);
    assert_string_equal(out, "[masked],[masked],[masked],[masked]");
}

static void blanks_what_no_line_may_contain(void **state)
{
    char out[HTTP_QUOTE_MAX + 1];

    http_quote(span_of("a\0b\r\nc\x1b[2J\x7f", 11), NO_SECRETS, out);
    assert_string_equal(out, "a b  c [2J ");
    http_quote(span_str("\xff \xc3 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x80"), NO_SECRETS,
               out);
    assert_string_equal(out, "? ? ?? ??? ???? ??");
}

static void cuts_in_the_middle(void **state)
{
    char text[2000], out[HTTP_QUOTE_MAX + 1];

    memset(text, '.', sizeof(text));
    memcpy(text, "start", 5);
    memcpy(text + 507, "endXX", 5);
    http_quote(span_of(text, 512), NO_SECRETS, out);
    assert_int_equal(strlen(out), 512);
    assert_null(strstr(out, "[...]"));
    memcpy(text + sizeof(text) - 3, "end", 3);
    http_quote(span_of(text, sizeof(text)), NO_SECRETS, out);
    assert_int_equal(strlen(out), 512);
    assert_true(str_starts_with(out, "start"));
    assert_true(str_ends_with(out, "end"));
    assert_non_null(strstr(out, ". [...] ."));
}

/* A character of three bytes at each place of the cut: neither end may show a part of it. */
static void cuts_between_characters(void **state)
{
    for (size_t shift = 0; shift < 3; shift++) {
        char text[2000], out[HTTP_QUOTE_MAX + 1];
        size_t n = shift;
        memset(text, 'a', sizeof(text));
        for (; n + 3 <= sizeof(text); n += 3)
            memcpy(text + n, "\xe2\x82\xac", 3);
        http_quote(span_of(text, n), NO_SECRETS, out);
        const char *mark = strstr(out, " [...] ");
        assert_non_null(mark);
        assert_int_equal((mark - out - (ptrdiff_t)shift) % 3, 0);
        assert_int_equal(strlen(mark + 7) % 3, 0);
        assert_true(strlen(out) > 500);
    }
}

static void masks_before_it_cuts(void **state)
{
    static const char *const secrets[HTTP_MAX_SECRETS] = { OPAQUE, NULL };
    CLEANUP(buf_done) struct buf text = { 0 };
    char out[HTTP_QUOTE_MAX + 1];
    struct err e;

    /* the places where the cut falls, were it made first, lie in both secrets and in a token */
    for (int i = 0; i < 220; i++)
        assert_ok(buf_add_str(&text, "-", &e));
    assert_ok(buf_add_str(&text, OPAQUE " " HEADER "." PAYLOAD "." SIG " " SIG "x" OPAQUE " ", &e));
    for (int i = 0; i < 220; i++)
        assert_ok(buf_add_str(&text, "-", &e));
    http_quote(buf_span(&text), secrets, out);
    assert_null(strstr(out, "9ac2e6f4"));
    assert_null(strstr(out, "kinds"));
    assert_null(strstr(out, "eyJ"));
    assert_non_null(strstr(out, "-[masked] [masked] "));
}

static void handles_a_hostile_megabyte_in_no_time(void **state)
{
    static const char *const secrets[HTTP_MAX_SECRETS] = { SIG SIG, "a", NULL };
    CLEANUP(buf_done) struct buf text = { 0 };
    char out[HTTP_QUOTE_MAX + 1];
    struct err e;

    for (int i = 0; i < 60000; i++)
        assert_ok(buf_add_str(&text, "POstGetfAytaZS82b", &e));
    http_quote(buf_span(&text), secrets, out);
    assert_true(str_starts_with(out, "[masked]b[masked]b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_harmless_text_as_it_is),
        cmocka_unit_test(masks_what_looks_like_a_credential),
        cmocka_unit_test(masks_given_secrets_and_pieces_of_them),
        cmocka_unit_test(takes_all_four_secrets),
        cmocka_unit_test(blanks_what_no_line_may_contain),
        cmocka_unit_test(cuts_in_the_middle),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(masks_before_it_cuts),
        cmocka_unit_test(handles_a_hostile_megabyte_in_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
