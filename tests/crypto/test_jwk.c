#include "support/asserts.h"

#include "crypto/digest.h"
#include "crypto/jwk.h"
#include "crypto/key_data.h"
#include "crypto/pkcs8.h"

/* ---- the wrapping key ---- */

/* RFC 7638 §3.1. */
#define RFC7638_N                                                                                  \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP" \
    "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY" \
    "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f" \
    "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
#define RFC7638_THUMBPRINT "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

static void makes_the_thumbprint_of_the_rfc(void **state)
{
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(str_freep) char *thumbprint = NULL;
    CLEANUP(buf_done) struct buf n = { 0 };
    struct err e;

    assert_ok(b64_decode_jose(span_str(RFC7638_N), &n, &e));
    assert_ok(rsa_public_from_numbers(buf_span(&n), span_of("\x01\x00\x01", 3), &k, &e));
    assert_ok(jwk_thumbprint(k, &thumbprint, &e));
    assert_string_equal(thumbprint, RFC7638_THUMBPRINT);
}

static void makes_the_thumbprint_that_another_library_makes(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(str_freep) char *thumbprint = NULL;
    struct err e;

    assert_ok(rsa_public_from_pem(span_str(key_data_text(data, "spki")), &k, &e));
    assert_ok(jwk_thumbprint(k, &thumbprint, &e));
    assert_string_equal(thumbprint, key_data_text(data, "thumbprint"));
}

/* The text whose hash is in the REPORT_DATA of a documented token. */
static void writes_the_published_runtime_data(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("published.json");
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf material = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct err e;

    key_data_b64(data, "material", &material);
    assert_ok(jwk_from_material(JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    assert_ok(jwk_to_rsa(jwk, &k, &e));
    assert_ok(jwk_set_format(k, &text, &e));
    assert_span_equal(buf_span(&text), span_str(key_data_text(data, "jwks")));
    assert_ok(digest_sha256(buf_span(&text), hash, &e));
    hex_format(hash, sizeof(hash), hex);
    assert_string_equal(hex, key_data_text(data, "jwks_sha256"));
}

/* ---- released keys ---- */

static enum jwk_kty kty_of(const json_t *jwk)
{
    const char *kty = key_data_text(jwk, "kty");

    return strcmp(kty, "RSA") == 0 ? JWK_RSA : strcmp(kty, "EC") == 0 ? JWK_EC : JWK_OCT;
}

static void assert_text_equal(const json_t *jwk, const json_t *want)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    char *sorted = json_dumps(want, JSON_COMPACT | JSON_SORT_KEYS);

    assert_ok(json_format(jwk, true, &text, &e));
    assert_span_equal(buf_span(&text), span_str(sorted));
    free(sorted);
}

/* The public members of a JWK as some vaults send them: numbers behind zeros, or padded. */
static json_t *announced(const json_t *jwk, const char *zeros)
{
    static const char *const numbers[] = { "n", "e", "x", "y" };
    json_t *out = json_object();

    if (json_object_get(jwk, "crv") != NULL)
        json_object_set(out, "crv", json_object_get(jwk, "crv"));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        CLEANUP(buf_done) struct buf bytes = { 0 };
        CLEANUP(buf_done) struct buf text = { 0 };
        struct err e;

        if (json_object_get(jwk, numbers[i]) == NULL)
            continue;
        assert_ok(buf_add(&bytes, "\0\0", strlen(zeros), &e));
        key_data_b64(jwk, numbers[i], &bytes);
        assert_ok(b64_encode(buf_span(&bytes), B64_URL_PADDED, &text, &e));
        json_object_set_new(out, numbers[i], json_stringn((const char *)text.p, text.n));
    }
    return out;
}

static void gives_the_jwk_that_another_library_gives(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("material.json");
    size_t i;
    json_t *c;

    assert_int_equal(json_array_size(data), 32);
    json_array_foreach (data, i, c) {
        const json_t *want = json_object_get(c, "jwk");
        const enum jwk_kty kty = kty_of(want);
        CLEANUP(buf_done) struct buf material = { 0 };
        CLEANUP(json_freep) json_t *plain = announced(want, "");
        CLEANUP(json_freep) json_t *with_zeros = announced(want, "00");
        const json_t *const peers[] = { NULL, plain, with_zeros };

        key_data_b64(c, "material", &material);
        for (size_t k = 0; k < ARRAY_LEN(peers); k++) {
            CLEANUP(json_freep) json_t *jwk = NULL;
            struct err e;

            if (jwk_from_material(kty, buf_span(&material), peers[k], NULL, &jwk, &e) != 0)
                fail_msg("%s, announced %zu: %s", key_data_text(c, "name"), k, e.msg);
            assert_text_equal(jwk, want);
        }
    }
}

static void gives_raw_bytes_as_an_oct_key(void **state)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(json_freep) json_t *want = json_pack("{s:s, s:s}", "k", "AP8A-w", "kty", "oct");
    struct err e;

    assert_ok(jwk_from_material(JWK_OCT, span_of("\0\xff\0\xfb", 4), NULL, NULL, &jwk, &e));
    assert_text_equal(jwk, want);
}

static void copies_key_ops(void **state)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(json_freep) json_t *ops = json_pack("[s, s]", "wrapKey", "encrypt");
    CLEANUP(json_freep)
    json_t *want =
        json_pack("{s:s, s:s, s:[s, s]}", "k", "YQ", "kty", "oct", "key_ops", "wrapKey", "encrypt");
    struct err e;

    assert_ok(jwk_from_material(JWK_OCT, span_str("a"), NULL, ops, &jwk, &e));
    json_array_clear(ops);
    assert_text_equal(jwk, want);
}

static void refuses_key_ops_that_are_no_list(void **state)
{
    CLEANUP(json_freep) json_t *jwk = NULL;
    CLEANUP(json_freep) json_t *ops = json_string("encrypt");
    struct err e;

    assert_fails(ERR_PARSE, "\"key_ops\" is not an array",
                 jwk_from_material(JWK_OCT, span_str("a"), NULL, ops, &jwk, &e));
    assert_null(jwk);
}

static const struct refusal {
    const char *name;
    enum jwk_kty kty;
    enum err_code code;
    const char *needle;
} refusals[] = {
    { "RSA, n + 2", JWK_RSA, ERR_CHECK, "\"n\" is not \"p\" times \"q\"" },
    { "RSA, e + 2", JWK_RSA, ERR_CHECK, "\"d\" does not undo \"e\" modulo \"p\"" },
    { "RSA, d + 2", JWK_RSA, ERR_CHECK, "\"d\" does not undo \"e\" modulo \"p\"" },
    { "RSA, p + 2", JWK_RSA, ERR_CHECK, "\"n\" is not \"p\" times \"q\"" },
    { "RSA, q + 2", JWK_RSA, ERR_CHECK, "\"n\" is not \"p\" times \"q\"" },
    { "RSA, dp + 2", JWK_RSA, ERR_CHECK, "\"dp\" is not \"d\" modulo \"p\"" },
    { "RSA, dq + 2", JWK_RSA, ERR_CHECK, "\"dq\" is not \"d\" modulo \"q\"" },
    { "RSA, qi + 2", JWK_RSA, ERR_CHECK, "\"qi\" is not the inverse of \"q\"" },
    { "RSA, n = 0", JWK_RSA, ERR_CHECK, "a modulus of 0 bits" },
    { "RSA, e = 0", JWK_RSA, ERR_CHECK, "\"e\" is not an odd number above 1" },
    { "RSA, d = 0", JWK_RSA, ERR_CHECK, "\"d\" does not undo \"e\" modulo \"p\"" },
    { "RSA, p = 0", JWK_RSA, ERR_CHECK, "\"p\" is not an odd number above 1" },
    { "RSA, q = 0", JWK_RSA, ERR_CHECK, "\"q\" is not an odd number above 1" },
    { "RSA, dp = 0", JWK_RSA, ERR_CHECK, "\"dp\" is not \"d\" modulo \"p\"" },
    { "RSA, dq = 0", JWK_RSA, ERR_CHECK, "\"dq\" is not \"d\" modulo \"q\"" },
    { "RSA, qi = 0", JWK_RSA, ERR_CHECK, "\"qi\" is not the inverse of \"q\"" },
    { "RSA, e = 1", JWK_RSA, ERR_CHECK, "\"e\" is not an odd number above 1" },
    { "RSA, even e", JWK_RSA, ERR_CHECK, "\"e\" is not an odd number above 1" },
    { "RSA, p = n and q = 1", JWK_RSA, ERR_CHECK, "\"q\" is not an odd number above 1" },
    { "RSA, p = 1 and q = n", JWK_RSA, ERR_CHECK, "\"p\" is not an odd number above 1" },
    { "RSA, p = q", JWK_RSA, ERR_CHECK, "\"p\" and \"q\" are the same" },
    { "RSA, d + n", JWK_RSA, ERR_CHECK, "\"d\" is not below \"n\"" },
    { "RSA, dp + p - 1", JWK_RSA, ERR_CHECK, "\"dp\" is not below \"p\"" },
    { "RSA, dq + q - 1", JWK_RSA, ERR_CHECK, "\"dq\" is not below \"q\"" },
    { "RSA, qi + p", JWK_RSA, ERR_CHECK, "\"qi\" is not below \"p\"" },
    { "RSA, only p knows d", JWK_RSA, ERR_CHECK, "\"d\" does not undo \"e\" modulo \"q\"" },
    { "RSA, only q knows d", JWK_RSA, ERR_CHECK, "\"d\" does not undo \"e\" modulo \"p\"" },
    { "RSA, n of 16392 bits", JWK_RSA, ERR_CHECK, "\"n\" is too long" },
    { "RSA-512", JWK_RSA, ERR_CHECK, "a modulus of 512 bits" },
    { "RSA, three primes", JWK_RSA, ERR_CHECK, "more than two primes" },
    { "RSA, version 2", JWK_RSA, ERR_PARSE, "does not hold a PKCS#1 private key" },
    { "RSA, something behind the numbers", JWK_RSA, ERR_PARSE, "something follows its numbers" },
    { "RSA, a number short", JWK_RSA, ERR_PARSE, "\"qi\" is missing" },
    { "RSA, something behind PKCS#1", JWK_RSA, ERR_PARSE, "does not hold a PKCS#1" },
    { "RSA, something behind PKCS#8", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, something behind the key", JWK_RSA, ERR_PARSE, "something follows" },
    { "RSA, cut", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, open length", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, PKCS#8 version 1", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, unknown parameters", JWK_RSA, ERR_PARSE, "unknown parameters" },
    { "RSA, negative number", JWK_RSA, ERR_PARSE, "\"n\" is missing" },
    { "RSA, number with a zero too many", JWK_RSA, ERR_PARSE, "\"n\" is missing" },
    { "RSA, PKCS#1", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, public key", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA, encrypted", JWK_RSA, ERR_PARSE, "not a PKCS#8 private key" },
    { "RSA-PSS", JWK_RSA, ERR_CHECK, "a key of another type" },
    { "EC, another point", JWK_EC, ERR_CHECK, "the public point is not that of \"d\"" },
    { "EC, the negative point", JWK_EC, ERR_CHECK, "the public point is not that of \"d\"" },
    { "EC, a point off the curve", JWK_EC, ERR_CHECK, "the public point is not that of \"d\"" },
    { "EC, half a point", JWK_EC, ERR_CHECK, "the public point is not that of \"d\"" },
    { "EC, infinity", JWK_EC, ERR_CHECK, "the public point is not that of \"d\"" },
    { "EC, empty point", JWK_EC, ERR_PARSE, "no point where it should be" },
    { "EC, point in bits", JWK_EC, ERR_PARSE, "no point where it should be" },
    { "EC, d = 0", JWK_EC, ERR_CHECK, "\"d\" is not between 1 and the order" },
    { "EC, empty d", JWK_EC, ERR_CHECK, "\"d\" is not between 1 and the order" },
    { "EC, d = order", JWK_EC, ERR_CHECK, "\"d\" is not between 1 and the order" },
    { "EC, d = order + 1", JWK_EC, ERR_CHECK, "\"d\" is not between 1 and the order" },
    { "EC, long d", JWK_EC, ERR_CHECK, "\"d\" is too long for P-256" },
    { "EC, two curves", JWK_EC, ERR_CHECK, "two different curves" },
    { "EC, version 0", JWK_EC, ERR_PARSE, "does not hold an EC private key" },
    { "EC, something behind SEC 1", JWK_EC, ERR_PARSE, "does not hold an EC private key" },
    { "EC, something behind the point", JWK_EC, ERR_PARSE, "no point where it should be" },
    { "EC, something behind PKCS#8", JWK_EC, ERR_PARSE, "not a PKCS#8 private key" },
    { "EC, something behind the curve", JWK_EC, ERR_CHECK, "not on a curve that is known" },
    { "EC, no curve", JWK_EC, ERR_CHECK, "not on a curve that is known" },
    { "EC, SEC 1", JWK_EC, ERR_PARSE, "not a PKCS#8 private key" },
    { "EC, P-224", JWK_EC, ERR_CHECK, "not on a curve that is known" },
    { "EC, explicit parameters", JWK_EC, ERR_CHECK, "not on a curve that is known" },
    { "Ed25519", JWK_EC, ERR_CHECK, "a key of another type" },
    { "X25519", JWK_EC, ERR_CHECK, "a key of another type" },
    { "DSA", JWK_RSA, ERR_CHECK, "a key of another type" },
};

static void refuses_material_that_lies(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("refused.json");

    assert_int_equal(json_object_size(data), ARRAY_LEN(refusals));
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *r = &refusals[i];
        CLEANUP(buf_done) struct buf material = { 0 };
        CLEANUP(json_freep) json_t *jwk = NULL;
        struct err e = { 0 };

        key_data_b64(data, r->name, &material);
        if (jwk_from_material(r->kty, buf_span(&material), NULL, NULL, &jwk, &e) == 0)
            fail_msg("\"%s\" was accepted", r->name);
        if (e.code != r->code || strstr(e.msg, r->needle) == NULL)
            fail_msg("\"%s\" gave %s \"%s\"", r->name, err_code_name(e.code), e.msg);
        assert_null(jwk);
    }
}

/* No prefix of a key is a key, whatever is behind it in memory. */
static void refuses_every_prefix(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("material.json");
    size_t i;
    json_t *c;

    json_array_foreach (data, i, c) {
        CLEANUP(buf_done) struct buf material = { 0 };
        CLEANUP(json_freep) json_t *jwk = NULL;
        const enum jwk_kty kty = kty_of(json_object_get(c, "jwk"));
        struct err e;

        key_data_b64(c, "material", &material);
        for (size_t n = 0; n < material.n; n++)
            assert_int_equal(jwk_from_material(kty, span_of(material.p, n), NULL, NULL, &jwk, &e),
                             -1);
        assert_null(jwk);
    }
}

static void refuses_material_of_another_kind(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("material.json");
    CLEANUP(buf_done) struct buf huge = { 0 };
    CLEANUP(json_freep) json_t *jwk = NULL;
    uint8_t *to = NULL;
    size_t i;
    json_t *c;
    struct err e;

    json_array_foreach (data, i, c) {
        CLEANUP(buf_done) struct buf material = { 0 };
        const bool rsa = kty_of(json_object_get(c, "jwk")) == JWK_RSA;

        key_data_b64(c, "material", &material);
        assert_fails(
            ERR_CHECK, "a key of another type",
            jwk_from_material(rsa ? JWK_EC : JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    }
    assert_fails(ERR_PARSE, "an oct key without bytes",
                 jwk_from_material(JWK_OCT, span_str(""), NULL, NULL, &jwk, &e));
    assert_ok(buf_reserve(&huge, PKCS8_MAX + 1, &to, &e));
    memset(to, 0x30, PKCS8_MAX + 1);
    assert_fails(ERR_PARSE, "too many for a private key",
                 jwk_from_material(JWK_RSA, span_of(to, PKCS8_MAX + 1), NULL, NULL, &jwk, &e));
    assert_null(jwk);
}

static void refuses_a_key_that_was_not_announced(void **state)
{
    static const struct {
        const char *key, *member, *value;
        enum err_code code;
        const char *needle;
    } cases[] = {
        { "RSA-1024", "n", "AQAB", ERR_CHECK, "its \"n\" differs" },
        { "RSA-1024", "n", "", ERR_CHECK, "its \"n\" differs" },
        { "RSA-1024", "e", "Aw", ERR_CHECK, "its \"e\" differs" },
        { "RSA-1024", "e", "AQABAA", ERR_CHECK, "its \"e\" differs" },
        { "RSA-1024", "e", "?", ERR_PARSE, "\"e\" of the announced key: illegal base64" },
        { "P-256", "crv", "P-384", ERR_CHECK, "its \"crv\" differs" },
        { "P-256", "crv", "P-256K", ERR_CHECK, "its \"crv\" differs" },
        { "P-256", "x", "AQAB", ERR_CHECK, "its \"x\" differs" },
        { "P-256", "y", "AQAB", ERR_CHECK, "its \"y\" differs" },
        { "P-256", "y", "AQA=B", ERR_PARSE, "\"y\" of the announced key: illegal base64" },
    };
    CLEANUP(json_freep) json_t *data = key_data_load("material.json");
    size_t i;
    json_t *c;

    for (size_t k = 0; k < ARRAY_LEN(cases); k++)
        json_array_foreach (data, i, c) {
            CLEANUP(buf_done) struct buf material = { 0 };
            CLEANUP(json_freep) json_t *jwk = NULL;
            CLEANUP(json_freep) json_t *peer = announced(json_object_get(c, "jwk"), "");
            CLEANUP(json_freep) json_t *number = json_pack("{s:i}", cases[k].member, 7);
            const enum jwk_kty kty = kty_of(json_object_get(c, "jwk"));
            struct err e;

            if (strcmp(key_data_text(c, "name"), cases[k].key) != 0)
                continue;
            key_data_b64(c, "material", &material);
            json_object_set_new(peer, cases[k].member, json_string(cases[k].value));
            assert_fails(cases[k].code, cases[k].needle,
                         jwk_from_material(kty, buf_span(&material), peer, NULL, &jwk, &e));
            assert_fails(ERR_PARSE, cases[k].member,
                         jwk_from_material(kty, buf_span(&material), number, NULL, &jwk, &e));
            assert_null(jwk);
        }
}

/* ---- a released key at work ---- */

static json_t *released_rsa(const json_t *data)
{
    CLEANUP(buf_done) struct buf material = { 0 };
    json_t *jwk = NULL;
    struct err e;

    key_data_b64(data, "material", &material);
    assert_ok(jwk_from_material(JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    return jwk;
}

static void decrypts_with_a_released_key(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(json_freep) json_t *jwk = released_rsa(data);
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf cipher = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 };
    CLEANUP(buf_done) struct buf message = { 0 };
    struct err e;

    assert_ok(jwk_to_rsa(jwk, &k, &e));
    key_data_b64(data, "SHA256", &cipher);
    key_data_hex(data, "message", &message);
    assert_ok(rsa_oaep_decrypt(k, DIGEST_SHA256, buf_span(&cipher), &plain, &e));
    assert_span_equal(buf_span(&plain), buf_span(&message));
}

static void refuses_a_jwk_that_is_no_rsa_pair(void **state)
{
    static const struct {
        const char *member, *value; /* NULL: taken away */
        enum err_code code;
        const char *needle;
    } cases[] = {
        { "kty", NULL, ERR_CHECK, "does not hold an RSA key" },
        { "kty", "EC", ERR_CHECK, "does not hold an RSA key" },
        { "n", NULL, ERR_PARSE, "\"n\" is missing" },
        { "d", NULL, ERR_PARSE, "\"d\" is missing" },
        { "qi", NULL, ERR_PARSE, "\"qi\" is missing" },
        { "e", "A", ERR_PARSE, "\"e\": illegal base64" },
        { "e", "", ERR_CHECK, "\"e\" is not an odd number above 1" },
        { "d", "AQAB", ERR_CHECK, "\"d\" does not undo \"e\"" },
        { "p", "AQAB", ERR_CHECK, "\"dp\" is not below \"p\"" },
    };
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) json_t *jwk = released_rsa(data);
        CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
        struct err e;

        if (cases[i].value == NULL)
            json_object_del(jwk, cases[i].member);
        else
            json_object_set_new(jwk, cases[i].member, json_string(cases[i].value));
        assert_fails(cases[i].code, cases[i].needle, jwk_to_rsa(jwk, &k, &e));
        assert_null(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_thumbprint_of_the_rfc),
        cmocka_unit_test(makes_the_thumbprint_that_another_library_makes),
        cmocka_unit_test(writes_the_published_runtime_data),
        cmocka_unit_test(gives_the_jwk_that_another_library_gives),
        cmocka_unit_test(gives_raw_bytes_as_an_oct_key),
        cmocka_unit_test(copies_key_ops),
        cmocka_unit_test(refuses_key_ops_that_are_no_list),
        cmocka_unit_test(refuses_material_that_lies),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(refuses_material_of_another_kind),
        cmocka_unit_test(refuses_a_key_that_was_not_announced),
        cmocka_unit_test(decrypts_with_a_released_key),
        cmocka_unit_test(refuses_a_jwk_that_is_no_rsa_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
