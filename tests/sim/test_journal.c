#include "support/asserts.h"

#include "sim/journal.h"

#include <stdlib.h>

static struct sim_request request(const char *service, const char *op, struct span body)
{
    static const struct sim_header headers[] = {
        { "Metadata", "true" }, { "X-A", "1" }, { "x-a", "2" }, { "X-Bad", "\xff" }
    };

    return (struct sim_request){
        .service = service,
        .op = op,
        .method = "GET",
        .authority = "Host:1",
        .target = "/p?q=%20",
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .body = body,
        .connection = 5,
    };
}

static void add(struct journal *j, const char *service, const char *op, struct span body)
{
    const struct sim_request req = request(service, op, body);
    const struct sim_reply reply = { .status = 201, .verdict = "fine" };
    struct err e;

    assert_ok(journal_add(j, 1500, &req, &reply, &e));
}

static json_t *list(struct journal *j, const char *service, const char *op, uint64_t since)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    json_t *v = NULL;

    assert_ok(journal_list(j, service, op, since, &text, &e));
    assert_ok(json_parse(buf_span(&text), &v, &e));
    return v;
}

static void journal_freep(struct journal **j)
{
    journal_free(*j);
}

static void shows_what_was_received_and_answered(void **state)
{
    static const char want[] =
        "{\"n\":1,\"t\":1.5,\"service\":\"imds\",\"op\":\"token\",\"method\":\"GET\","
        "\"authority\":\"Host:1\",\"target\":\"/p?q=%20\",\"headers\":{\"metadata\":\"true\","
        "\"x-a\":\"1, 2\",\"x-bad\":\".\"},\"body\":\"b\\u0000d\",\"status\":201,"
        "\"verdict\":\"fine\",\"connection\":5}";
    CLEANUP(journal_freep) struct journal *j = NULL;
    CLEANUP(json_freep) json_t *all = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;

    assert_ok(journal_new(&j, &e));
    add(j, "imds", "token", span_of("b\0d", 3));
    all = list(j, NULL, NULL, 0);
    assert_int_equal(json_array_size(all), 1);
    assert_ok(json_format(json_array_get(all, 0), false, &text, &e));
    assert_span_equal(buf_span(&text), span_str(want));
}

static void filters_by_service_op_and_number(void **state)
{
    CLEANUP(journal_freep) struct journal *j = NULL;
    struct err e;
    static const struct {
        const char *service, *op;
        uint64_t since;
        size_t n;
    } cases[] = {
        { NULL, NULL, 0, 3 },       { "imds", NULL, 0, 2 },  { "imds", "token", 0, 1 },
        { NULL, NULL, 2, 1 },       { "imds", NULL, 2, 0 },  { "maa", "attest", 2, 1 },
        { "maa", "attest", 99, 0 }, { NULL, "token", 0, 1 },
    };

    assert_ok(journal_new(&j, &e));
    add(j, "imds", "token", span_str(""));
    add(j, "imds", "other", span_str(""));
    add(j, "maa", "attest", span_str(""));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep)
        json_t *v = list(j, cases[i].service, cases[i].op, cases[i].since);
        assert_int_equal(json_array_size(v), cases[i].n);
    }
}

static void numbers_go_on_after_clearing(void **state)
{
    CLEANUP(journal_freep) struct journal *j = NULL;
    CLEANUP(json_freep) json_t *v = NULL;
    struct err e;

    assert_ok(journal_new(&j, &e));
    add(j, "imds", "token", span_str(""));
    journal_clear(j);
    add(j, "imds", "token", span_str(""));
    v = list(j, NULL, NULL, 0);
    assert_int_equal(json_array_size(v), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(v, 0), "n")), 2);
}

static void keeps_bodies_to_their_limit_and_shows_binary_ones(void **state)
{
    CLEANUP(journal_freep) struct journal *j = NULL;
    CLEANUP(json_freep) json_t *v = NULL;
    struct err e;
    const size_t size = JOURNAL_MAX_BODY + 10;
    uint8_t *big = malloc(size);

    assert_non_null(big);
    memset(big, 'x', size);
    big[1] = 0xfe;
    assert_ok(journal_new(&j, &e));
    add(j, "maa", "attest", span_of(big, size));
    free(big);
    v = list(j, NULL, NULL, 0);
    const json_t *body = json_object_get(json_array_get(v, 0), "body");
    assert_int_equal(json_string_length(body), JOURNAL_MAX_BODY);
    assert_memory_equal(json_string_value(body), "x.x", 3);
}

static void drops_the_oldest_when_it_is_full(void **state)
{
    CLEANUP(journal_freep) struct journal *j = NULL;
    CLEANUP(json_freep) json_t *v = NULL;
    struct err e;

    assert_ok(journal_new(&j, &e));
    for (int i = 0; i < JOURNAL_MAX_ENTRIES + 3; i++)
        add(j, "imds", "token", span_str(""));
    v = list(j, NULL, NULL, 0);
    assert_int_equal(json_array_size(v), JOURNAL_MAX_ENTRIES);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(v, 0), "n")), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_was_received_and_answered),
        cmocka_unit_test(filters_by_service_op_and_number),
        cmocka_unit_test(numbers_go_on_after_clearing),
        cmocka_unit_test(keeps_bodies_to_their_limit_and_shows_binary_ones),
        cmocka_unit_test(drops_the_oldest_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
