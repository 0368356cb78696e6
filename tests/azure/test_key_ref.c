#include "support/asserts.h"

#include "azure/endpoint.h"

#include <stdio.h>

#define V "0123456789abcdef0123456789abcdef"

static const struct endpoint VAULT = { .host = "a.vault.azure.net",
                                       .authority = "a.vault.azure.net" };
static const struct endpoint PORTED = { .host = "a.vault.localhost",
                                        .authority = "a.vault.localhost:8443" };
static const struct endpoint_allow ANY = { 0 };

static void reads_the_three_forms(void **state)
{
    static const struct {
        const char *kid, *name, *version;
    } cases[] = {
        { "k", "k", "" },
        { "My-Key-1", "My-Key-1", "" },
        { "-", "-", "" },
        { "key/" V, "key", V },
        { "https://a.vault.azure.net/keys/key", "key", "" },
        { "https://a.vault.azure.net/keys/key/" V, "key", V },
        { "https://A.Vault.azure.net:443/keys/key", "key", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[KEY_NAME_SIZE + KEY_VERSION_SIZE], want[400];
        struct key_ref k;
        struct err e;
        assert_ok(key_ref_parse(cases[i].kid, &VAULT, &ANY, &k, &e));
        assert_string_equal(k.name, cases[i].name);
        assert_string_equal(k.version, cases[i].version);
        key_ref_format(&k, text);
        snprintf(want, sizeof(want), "%s%s%s", k.name, *k.version ? "/" : "", k.version);
        assert_string_equal(text, want);
    }
}

static void names_are_bounded(void **state)
{
    char kid[KEY_NAME_SIZE + 1] = "", text[KEY_NAME_SIZE + KEY_VERSION_SIZE];
    struct key_ref k = { 0 };
    struct err e;

    memset(kid, 'n', KEY_NAME_SIZE - 1);
    assert_ok(key_ref_parse(kid, &VAULT, &ANY, &k, &e));
    assert_string_equal(k.name, kid);
    memcpy(k.version, V, sizeof(V));
    key_ref_format(&k, text);
    assert_int_equal(strlen(text), KEY_NAME_SIZE - 1 + 1 + 32);
    memset(kid, 'n', KEY_NAME_SIZE);
    assert_fails(ERR_ARG, "", key_ref_parse(kid, &VAULT, &ANY, &k, &e));
}

static void refuses_everything_else(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "a/",
        "/a",
        "a/b",
        "a/" V "0",
        "a/0123456789ABCDEF0123456789abcdef",
        "a/0123456789abcdef0123456789abcde",
        "a/" V "/release",
        "a//" V,
        "a_b",
        "a.b",
        "..",
        "a b",
        "a\n",
        "a?x",
        "a#x",
        "a%2f",
        "a\\b",
        "k\xc3\xa4",
        "keys/a",
        "a.vault.azure.net/keys/a",
        "://a",
        "https://",
        "https://a.vault.azure.net",
        "https://a.vault.azure.net/",
        "https://a.vault.azure.net/keys",
        "https://a.vault.azure.net/keys/",
        "https://a.vault.azure.net/keys/a/",
        "https://a.vault.azure.net//keys/a",
        "https://a.vault.azure.net/keys/../keys/a",
        "https://a.vault.azure.net/keys/a/release",
        "https://a.vault.azure.net/keys/a?api-version=7.4",
        "https://a.vault.azure.net/secrets/a",
        "https://a.vault.azure.net/keys/a/" V "/",
        "http://a.vault.azure.net/keys/a",
        "https://b.vault.azure.net/keys/a",
        "https://a.vault.azure.net.evil.example.com/keys/a",
        "https://a.vault.azure.net:8443/keys/a",
        "https://u@a.vault.azure.net/keys/a",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct key_ref k = { .name = "untouched" };
        struct err e;
        assert_fails(ERR_ARG, "", key_ref_parse(cases[i], &VAULT, &ANY, &k, &e));
        assert_string_equal(k.name, "untouched");
    }
}

static void a_url_may_leave_the_vaults_port_out(void **state)
{
    struct key_ref k;
    struct err e;

    assert_ok(key_ref_parse("https://a.vault.localhost/keys/k", &PORTED, &ANY, &k, &e));
    assert_ok(key_ref_parse("https://a.vault.localhost:8443/keys/k", &PORTED, &ANY, &k, &e));
    assert_fails(ERR_ARG, "is not in the vault a.vault.localhost:8443",
                 key_ref_parse("https://a.vault.localhost:443/keys/k", &PORTED, &ANY, &k, &e));
}

static void only_the_configured_names_are_allowed(void **state)
{
    static const char *const kids[] = { "one", "two", NULL };
    static const char *const none[] = { NULL };
    static const struct endpoint_allow allow = { .kids = kids }, nothing = { .kids = none };
    struct key_ref k;
    struct err e;

    assert_ok(key_ref_parse("two/" V, &VAULT, &allow, &k, &e));
    assert_ok(key_ref_parse("https://a.vault.azure.net/keys/one", &VAULT, &allow, &k, &e));
    assert_fails(ERR_CHECK, "key three is not allowed",
                 key_ref_parse("three", &VAULT, &allow, &k, &e));
    assert_fails(ERR_CHECK, "", key_ref_parse("on", &VAULT, &allow, &k, &e));
    assert_fails(ERR_CHECK, "", key_ref_parse("ONE", &VAULT, &allow, &k, &e));
    assert_fails(ERR_CHECK, "", key_ref_parse("one", &VAULT, &nothing, &k, &e));
}

static void recognises_its_key_in_an_answer(void **state)
{
    static const struct {
        const char *version, *url;
        bool match;
    } cases[] = {
        { "", "https://a.vault.azure.net/keys/Key", true },
        { "", "https://a.vault.azure.net/keys/key", true },
        { "", "https://a.vault.azure.net/keys/KEY/" V, true },
        { "", "https://a.vault.azure.net:8443/keys/Key", true },
        { "", "HTTPS://A.VAULT.AZURE.NET/keys/Key", true },
        { V, "https://a.vault.azure.net/keys/Key/" V, true },
        { V, "https://a.vault.azure.net/keys/Key", false },
        { V, "https://a.vault.azure.net/keys/Key/ffffffffffffffffffffffffffffffff", false },
        { "", "https://a.vault.azure.net/keys/Key2", false },
        { "", "https://a.vault.azure.net/keys/Ke", false },
        { "", "https://b.vault.azure.net/keys/Key", false },
        { "", "https://a.vault.azure.net.evil.example.com/keys/Key", false },
        { "", "http://a.vault.azure.net/keys/Key", false },
        { "", "a.vault.azure.net/keys/Key", false },
        { "", "https://a.vault.azure.net/secrets/Key", false },
        { "", "https://a.vault.azure.net/keys/Key/x", false },
        { "", "Key", false },
        { "", "", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct key_ref k = { .name = "Key" };
        memcpy(k.version, cases[i].version, strlen(cases[i].version) + 1);
        if (key_ref_matches_url(&k, &VAULT, cases[i].url) != cases[i].match)
            fail_msg("version \"%s\", %s", cases[i].version, cases[i].url);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_three_forms),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(a_url_may_leave_the_vaults_port_out),
        cmocka_unit_test(only_the_configured_names_are_allowed),
        cmocka_unit_test(recognises_its_key_in_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
