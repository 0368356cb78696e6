#include "support/asserts.h"

#include "http/url.h"

static void encodes_everything_but_unreserved_characters(void **state)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct err e;

    assert_ok(buf_add_str(&out, "resource=", &e));
    assert_ok(url_encode("https://a.b/c?d=e&f g~-._\x7f\xc3\xa4%", &out, &e));
    assert_ok(url_encode("", &out, &e));
    assert_string_equal(buf_cstr(&out),
                        "resource=https%3A%2F%2Fa.b%2Fc%3Fd%3De%26f%20g~-._%7F%C3%A4%25");
}

static void parses_what_endpoints_look_like(void **state)
{
    static const struct {
        const char *text;
        bool https;
        const char *host;
        int port;
        const char *path;
    } cases[] = {
        { "sharedeus2.eus2.attest.azure.net", true, "sharedeus2.eus2.attest.azure.net", 0, "" },
        { "https://Vault.Azure.NET/", true, "vault.azure.net", 0, "/" },
        { "HTTP://127.0.0.1:8080/a?b=c#d", false, "127.0.0.1", 8080, "/a?b=c#d" },
        { "HtTpS://x:443", true, "x", 443, "" },
        { "x-1.y:65535/p", true, "x-1.y", 65535, "/p" },
        { "x:1/http://y", true, "x", 1, "/http://y" },
        { "host/a@b:c", true, "host", 0, "/a@b:c" },
        { "http://[::1]:80/x", false, "::1", 80, "/x" },
        { "[2001:DB8::A]", true, "2001:db8::a", 0, "" },
        { "http://[::ffff:1.2.3.4]", false, "::ffff:1.2.3.4", 0, "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url_parts parts;
        struct err e;
        assert_ok(url_parse(cases[i].text, &parts, &e));
        assert_int_equal(parts.https, cases[i].https);
        assert_string_equal(parts.host, cases[i].host);
        assert_int_equal(parts.port, cases[i].port);
        assert_string_equal(parts.path, cases[i].path);
    }
}

static void accepts_the_longest_host_and_no_longer_one(void **state)
{
    char text[300];
    struct url_parts parts;
    struct err e;

    memset(text, 'a', sizeof(text));
    text[253] = '\0';
    assert_ok(url_parse(text, &parts, &e));
    assert_int_equal(strlen(parts.host), 253);
    text[253] = 'a';
    text[254] = '\0';
    assert_fails(ERR_PARSE, "longer than 253", url_parse(text, &parts, &e));
}

static const struct {
    const char *text, *needle;
} REFUSED[] = {
    { "", "empty" },
    { "https://", "empty" },
    { "/path", "empty" },
    { "//host/path", "empty" },
    { "https:///path", "empty" },
    { "ftp://host", "scheme" },
    { "file:///etc/passwd", "scheme" },
    { "httpss://host", "scheme" },
    { "://host", "scheme" },
    { "https:/host", "port" },
    { "https:host", "port" },
    { "user@host", "user information" },
    { "https://user:pw@host/", "user information" },
    { "https://good.net:80@evil.net/", "user information" },
    { "https://[::1]@evil.net/", "user information" },
    { "https://good.net\\@evil.net/", "user information" },
    { "https://good.net\\.evil.net/", "contains '\\'" },
    { "https://good.net?.evil.net/", "contains '?'" },
    { "https://good.net#.evil.net/", "contains '#'" },
    { "https://good.net%2eevil.net", "contains '%'" },
    { "https://under_score.net", "contains '_'" },
    { "https://host;x", "contains ';'" },
    { "https://a..b", "empty label" },
    { "https://.a", "empty label" },
    { "https://a.", "empty label" },
    { "https://.", "empty label" },
    { "https://a.:443/", "empty label" },
    { "127.1", "IPv4" },
    { "2130706433", "IPv4" },
    { "0x7f000001", "IPv4" },
    { "0X7F.0.0.0x1", "IPv4" },
    { "0177.0.0.1", "IPv4" },
    { "127.0.0.256", "IPv4" },
    { "1.2.3.4.5", "IPv4" },
    { "vault.0x", "IPv4" },
    { "host:", "port" },
    { "host:0", "port" },
    { "host:65536", "port" },
    { "host:4294967377", "port" },
    { "host:+80", "port" },
    { "host:80x", "port" },
    { "host:80:80", "port" },
    { "host:-1", "port" },
    { "[::1", "IPv6" },
    { "[::1/]", "IPv6" },
    { "[]", "IPv6" },
    { "[::1%25eth0]", "IPv6" },
    { "[fe80::1%eth0]", "IPv6" },
    { "[127.0.0.1]", "IPv6" },
    { "[::g]", "IPv6" },
    { "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]", "IPv6" },
    { "[::1]x", "followed by 'x'" },
    { "::1", "empty" },
    { "host/a b", "offset 6" },
    { " host", "offset 0" },
    { "host ", "offset 4" },
    { "host/a\tb", "offset 6" },
    { "host/a\r\nX: y", "offset 6" },
    { "ho\xc3\xb6st", "offset 2" },
    { "host/\x7f", "offset 5" },
};

static void refuses_urls_that_can_be_read_in_two_ways(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct url_parts parts = { .port = -7 };
        struct err e;
        assert_fails(ERR_PARSE, REFUSED[i].needle, url_parse(REFUSED[i].text, &parts, &e));
        assert_int_equal(parts.port, -7);
    }
}

static void knows_this_machine_by_its_names(void **state)
{
    static const char *const local[] = { "localhost", "maa.localhost",   "127.0.0.1", "127.9.8.7",
                                         "::1",       "169.254.169.254", "0:0:0:0::1" };
    static const char *const foreign[] = {
        "localhost.evil.net", "xlocalhost",      "128.0.0.1", "169.254.169.253", "::2",
        "127.0.0.1.evil.net", "vault.azure.net", ""
    };

    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        assert_true(url_host_is_local(local[i]));
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_false(url_host_is_local(foreign[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_everything_but_unreserved_characters),
        cmocka_unit_test(parses_what_endpoints_look_like),
        cmocka_unit_test(accepts_the_longest_host_and_no_longer_one),
        cmocka_unit_test(refuses_urls_that_can_be_read_in_two_ways),
        cmocka_unit_test(knows_this_machine_by_its_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
