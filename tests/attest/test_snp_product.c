#include "support/asserts.h"

#include "attest/snp_product.h"

static void knows_processors_by_family_and_model(void **state)
{
    static const struct {
        uint8_t family, model;
        const char *name; /* NULL: unknown */
    } cases[] = {
        { 0x19, 0x00, "Milan" }, { 0x19, 0x01, "Milan" }, { 0x19, 0x0f, "Milan" },
        { 0x19, 0x10, "Genoa" }, { 0x19, 0x11, "Genoa" }, { 0x19, 0x1f, "Genoa" },
        { 0x19, 0xa0, "Genoa" }, { 0x19, 0xaf, "Genoa" }, { 0x1a, 0x00, "Turin" },
        { 0x1a, 0x02, "Turin" }, { 0x1a, 0x11, "Turin" }, { 0x19, 0x20, NULL },
        { 0x19, 0x9f, NULL },    { 0x19, 0xb0, NULL },    { 0x1a, 0x12, NULL },
        { 0x17, 0x01, NULL },    { 0x00, 0x00, NULL },    { 0xff, 0xff, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct snp_product *p = snp_product_by_cpuid(cases[i].family, cases[i].model);

        if (cases[i].name == NULL)
            assert_null(p);
        else
            assert_string_equal(p->name, cases[i].name);
    }
}

static void knows_products_by_name_up_to_the_stepping(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: unknown */
    } cases[] = {
        { "Milan", "Milan" }, { "Milan-B0", "Milan" }, { "Milan-", "Milan" },
        { "Genoa", "Genoa" }, { "Turin", "Turin" },    { "", NULL },
        { "-", NULL },        { "milan", NULL },       { "Milan ", NULL },
        { "MilanB0", NULL },  { "Venice", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct snp_product *p = snp_product_by_name(span_str(cases[i].text));

        if (cases[i].name == NULL)
            assert_null(p);
        else
            assert_string_equal(p->name, cases[i].name);
    }
}

static void only_turin_has_a_short_chip_id(void **state)
{
    assert_int_equal(snp_product_by_name(span_str("Milan"))->hwid_size, 64);
    assert_int_equal(snp_product_by_name(span_str("Genoa"))->hwid_size, 64);
    assert_int_equal(snp_product_by_name(span_str("Turin"))->hwid_size, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_processors_by_family_and_model),
        cmocka_unit_test(knows_products_by_name_up_to_the_stepping),
        cmocka_unit_test(only_turin_has_a_short_chip_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
