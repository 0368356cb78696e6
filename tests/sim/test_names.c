#include "support/asserts.h"

#include "sim/names.h"

static void knows_the_members_of_each_family(void **state)
{
    static const struct {
        enum names_kind kind;
        enum names_family family;
        const char *host;
        bool is_member;
    } cases[] = {
        { NAMES_LOCALHOST, NAMES_MAA, "a.attest.localhost", true },
        { NAMES_LOCALHOST, NAMES_MAA, "a.neu.attest.localhost", true },
        { NAMES_LOCALHOST, NAMES_MAA, ".attest.localhost", false },
        { NAMES_LOCALHOST, NAMES_MAA, "attest.localhost", false },
        { NAMES_LOCALHOST, NAMES_MAA, "a.attest.localhost.evil", false },
        { NAMES_LOCALHOST, NAMES_MAA, "a.attest.azure.net", false },
        { NAMES_LOCALHOST, NAMES_AKV, "v.vault.localhost", true },
        { NAMES_LOCALHOST, NAMES_AKV, "v.managedhsm.localhost", false },
        { NAMES_LOCALHOST, NAMES_HSM, "v.managedhsm.localhost", true },
        { NAMES_LOCALHOST, NAMES_LOGIN, "login.localhost", true },
        { NAMES_LOCALHOST, NAMES_LOGIN, "x.login.localhost", false },
        { NAMES_AZURE, NAMES_MAA, "sharedeus2.eus2.attest.azure.net", true },
        { NAMES_AZURE, NAMES_AKV, "v.vault.azure.net", true },
        { NAMES_AZURE, NAMES_HSM, "h.managedhsm.azure.net", true },
        { NAMES_AZURE, NAMES_LOGIN, "login.microsoftonline.com", true },
        { NAMES_AZURE, NAMES_AKV, "v.vault.localhost", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (names_match(cases[i].kind, cases[i].family, cases[i].host) != cases[i].is_member)
            fail_msg("row %zu: %s", i, cases[i].host);
}

/* RFC 6125 §6.4.3: the wildcard is the whole first label and stands for exactly one. */
static bool covers(const char *name, const char *host)
{
    if (name[0] != '*')
        return strcmp(name, host) == 0;
    const char *dot = strchr(host, '.');
    return dot != NULL && strcmp(dot, name + 1) == 0;
}

static void tells_clients_names_that_it_serves_and_certifies(void **state)
{
    for (int kind = NAMES_LOCALHOST; kind <= NAMES_AZURE; kind++) {
        for (int family = 0; family < NAMES_N_FAMILIES; family++) {
            const char *host = names_default_host(kind, family);
            bool found = false;
            for (const char *const *n = names_certificate(kind); *n != NULL; n++)
                found = found || covers(*n, host);
            assert_true(found);
            assert_true(names_match(kind, family, host));
        }
    }
}

static void refuses_an_unknown_kind(void **state)
{
    enum names_kind kind = NAMES_AZURE;
    struct err e;

    assert_fails(ERR_ARG, "use localhost or azure", names_kind_parse("aws", &kind, &e));
    assert_int_equal(kind, NAMES_AZURE);
    assert_ok(names_kind_parse("localhost", &kind, &e));
    assert_int_equal(kind, NAMES_LOCALHOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_members_of_each_family),
        cmocka_unit_test(tells_clients_names_that_it_serves_and_certifies),
        cmocka_unit_test(refuses_an_unknown_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
