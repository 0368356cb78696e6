#include "support/asserts.h"

#include "crypto/jwk.h"
#include "crypto/key_data.h"
#include "crypto/pkey.h"
#include "crypto/rsa.h"
#include "crypto/rsa_numbers.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

/* ---- making keys ---- */

static void assert_sound(const struct rsa_key *k)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, rsa_key_pkey(k), NULL);

    assert_int_equal(EVP_PKEY_check(ctx), 1); /* the primes as well */
    EVP_PKEY_CTX_free(ctx);
}

static void makes_keys_that_openssl_finds_sound(void **state)
{
    static const unsigned sizes[] = { RSA_WRAP_BITS, RSA_WRAP_BITS, RSA_WRAP_BITS, 3072 };
    CLEANUP(buf_done) struct buf before = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
        CLEANUP(buf_done) struct buf exponent = { 0 };
        CLEANUP(buf_done) struct buf n = { 0 };
        struct err e;

        assert_ok(rsa_generate(sizes[i], &k, &e));
        assert_int_equal(EVP_PKEY_get_bits(rsa_key_pkey(k)), sizes[i]);
        assert_int_equal(rsa_key_size(k), sizes[i] / 8);
        assert_ok(rsa_key_exponent(k, &exponent, &e));
        assert_span_equal(buf_span(&exponent), span_of("\x01\x00\x01", 3));
        assert_ok(rsa_key_modulus(k, &n, &e));
        assert_int_equal(n.n, sizes[i] / 8);
        assert_true(n.p[0] >= 0x80);
        assert_false(span_equal(buf_span(&n), buf_span(&before)));
        buf_done(&before);
        assert_ok(buf_add(&before, n.p, n.n, &e));
        assert_sound(k);
    }
}

static void makes_no_key_of_another_size(void **state)
{
    static const unsigned sizes[] = { 0, 1024, 2047, 8193, UINT32_MAX };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct rsa_key *k = NULL;
        struct err e;

        assert_fails(ERR_CHECK, "is not made", rsa_generate(sizes[i], &k, &e));
        assert_null(k);
    }
}

/* ---- OAEP ---- */

static const struct {
    const char *name;
    enum digest_alg hash;
    size_t size;
} hashes[] = {
    { "SHA1", DIGEST_SHA1, 20 },
    { "SHA256", DIGEST_SHA256, 32 },
    { "SHA384", DIGEST_SHA384, 48 },
};

/* The pair of oaep.json. */
static struct rsa_key *fixed_pair(const json_t *data)
{
    CLEANUP(buf_done) struct buf material = { 0 };
    CLEANUP(json_freep) json_t *jwk = NULL;
    struct rsa_key *k = NULL;
    struct err e;

    key_data_b64(data, "material", &material);
    assert_ok(jwk_from_material(JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    assert_ok(jwk_to_rsa(jwk, &k, &e));
    return k;
}

static void decrypts_what_another_library_encrypted(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *k = fixed_pair(data);
    CLEANUP(buf_done) struct buf message = { 0 };

    key_data_hex(data, "message", &message);
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        CLEANUP(buf_done) struct buf cipher = { 0 };
        CLEANUP(buf_done) struct buf plain = { 0 };
        struct err e;

        key_data_b64(data, hashes[i].name, &cipher);
        assert_ok(buf_add_str(&plain, "before", &e));
        assert_ok(rsa_oaep_decrypt(k, hashes[i].hash, buf_span(&cipher), &plain, &e));
        assert_span_equal(span_of(plain.p, 6), span_str("before"));
        assert_span_equal(span_of(plain.p + 6, plain.n - 6), buf_span(&message));
    }
}

static void encrypts_as_much_as_fits(void **state)
{
    static const uint8_t zeros[256];
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *pair = fixed_pair(data);
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    struct err e;

    assert_ok(rsa_public_from_pem(span_str(key_data_text(data, "spki")), &k, &e));
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        const size_t most = 256 - 2 * hashes[i].size - 2;
        const size_t sizes[] = { 0, 1, most };

        for (size_t j = 0; j < ARRAY_LEN(sizes); j++) {
            CLEANUP(buf_done) struct buf cipher = { 0 };
            CLEANUP(buf_done) struct buf plain = { 0 };

            assert_ok(rsa_oaep_encrypt(k, hashes[i].hash, span_of(zeros, sizes[j]), &cipher, &e));
            assert_int_equal(cipher.n, 256);
            assert_ok(rsa_oaep_decrypt(pair, hashes[i].hash, buf_span(&cipher), &plain, &e));
            assert_span_equal(buf_span(&plain), span_of(zeros, sizes[j]));
        }
        CLEANUP(buf_done) struct buf cipher = { 0 };
        assert_fails(ERR_CHECK, "bytes are too long for RSA-OAEP",
                     rsa_oaep_encrypt(k, hashes[i].hash, span_of(zeros, most + 1), &cipher, &e));
        assert_int_equal(cipher.n, 0);
    }
}

/* The message is the whole message: nothing in it tells the reasons apart. */
static void assert_does_not_decrypt(const struct rsa_key *k, enum digest_alg hash, struct span in)
{
    CLEANUP(buf_done) struct buf plain = { 0 };
    struct err e;

    assert_fails(ERR_CHECK, "", rsa_oaep_decrypt(k, hash, in, &plain, &e));
    assert_string_equal(e.msg, "RSA-OAEP decryption failed");
    assert_int_equal(plain.n, 0);
    assert_int_equal(ERR_peek_error(), 0);
}

static void says_the_same_whatever_does_not_decrypt(void **state)
{
    static const struct {
        const char *name;
        enum digest_alg hash;
    } cases[] = {
        { "SHA1", DIGEST_SHA256 },
        { "SHA256", DIGEST_SHA1 },
        { "SHA384", DIGEST_SHA256 },
        { "SHA256, MGF1 with SHA1", DIGEST_SHA256 },
        { "SHA256, MGF1 with SHA1", DIGEST_SHA1 },
        { "SHA256, with a label", DIGEST_SHA256 },
        { "PKCS#1 v1.5", DIGEST_SHA1 },
    };
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *k = fixed_pair(data);
    CLEANUP(buf_done) struct buf cipher = { 0 };
    CLEANUP(rsa_key_freep) struct rsa_key *public = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *another = NULL;
    uint8_t large[257] = { 0 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_done) struct buf other = { 0 };

        key_data_b64(data, cases[i].name, &other);
        assert_does_not_decrypt(k, cases[i].hash, buf_span(&other));
    }
    key_data_b64(data, "SHA256", &cipher);
    assert_ok(rsa_public_from_pem(span_str(key_data_text(data, "spki")), &public, &e));
    assert_does_not_decrypt(public, DIGEST_SHA256, buf_span(&cipher));
    assert_ok(rsa_generate(RSA_WRAP_BITS, &another, &e));
    assert_does_not_decrypt(another, DIGEST_SHA256, buf_span(&cipher));

    assert_does_not_decrypt(k, DIGEST_SHA256, span_of(cipher.p, 255));
    assert_does_not_decrypt(k, DIGEST_SHA256, span_of(NULL, 0));
    memcpy(large + 1, cipher.p, 256);
    assert_does_not_decrypt(k, DIGEST_SHA256, span_of(large, 257)); /* a zero in front */
    memset(large, 0xff, sizeof(large));
    assert_does_not_decrypt(k, DIGEST_SHA256, span_of(large, 256)); /* above the modulus */
    cipher.p[255] ^= 1;
    assert_does_not_decrypt(k, DIGEST_SHA256, buf_span(&cipher));
}

/* RFC 8017 §7.1.2 step 1b: as long as the modulus, even where its first byte is zero. */
static void decrypts_whole_ciphertexts_only(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *k = fixed_pair(data);
    CLEANUP(buf_done) struct buf cipher = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 };
    struct err e;

    do {
        buf_done(&cipher);
        assert_ok(rsa_oaep_encrypt(k, DIGEST_SHA256, span_str("message"), &cipher, &e));
    } while (cipher.p[0] != 0);
    assert_does_not_decrypt(k, DIGEST_SHA256, span_of(cipher.p + 1, cipher.n - 1));
    assert_ok(rsa_oaep_decrypt(k, DIGEST_SHA256, buf_span(&cipher), &plain, &e));
    assert_span_equal(buf_span(&plain), span_str("message"));
}

/* ---- public keys from outside ---- */

static void reads_public_keys_of_three_kinds(void **state)
{
    static const char *const kinds[] = { "spki", "pkcs1", "certificate" };
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
        CLEANUP(str_freep) char *thumbprint = NULL;
        CLEANUP(buf_done) struct buf text = { 0 };
        struct err e;

        assert_ok(buf_printf(&text, &e, "a comment\n%s", key_data_text(data, kinds[i])));
        assert_ok(rsa_public_from_pem(buf_span(&text), &k, &e));
        assert_ok(jwk_thumbprint(k, &thumbprint, &e));
        assert_string_equal(thumbprint, key_data_text(data, "thumbprint"));
    }
}

static void refuses_what_is_no_public_key(void **state)
{
    static const struct {
        const char *name, *text; /* of oaep.json, or itself */
        const char *needle;
    } cases[] = {
        { "private", NULL, "neither a public key nor a certificate" },
        { "ec", NULL, "not an RSA key" },
        { "rsa-1024", NULL, "an RSA key of 1024 bits" },
        { "spki and a byte", NULL, "does not hold a public key" },
        { "pkcs1 and a byte", NULL, "does not hold a public key" },
        { "certificate and a byte", NULL, "does not hold a public key" },
        { NULL, "", "no PEM file" },
        { NULL, "ssh-rsa AAAA", "not a PEM file" },
        { NULL, "-----BEGIN PUBLIC KEY-----\nAAAA", "not a PEM file" },
        { NULL, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END CERTIFICATE-----\n", "not a PEM file" },
        { NULL, "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n", "not a PEM file" },
        { NULL, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
          "does not hold a public key" },
        { NULL, "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
          "does not hold a public key" },
        { NULL, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "does not hold a public key" },
    };
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(buf_done) struct buf huge = { 0 };
    struct rsa_key *k = NULL;
    uint8_t *to = NULL;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text =
            cases[i].text != NULL ? cases[i].text : key_data_text(data, cases[i].name);

        assert_fails(ERR_PARSE, cases[i].needle, rsa_public_from_pem(span_str(text), &k, &e));
        assert_int_equal(ERR_peek_error(), 0);
    }
    assert_ok(buf_reserve(&huge, 64 * 1024 + 1, &to, &e));
    memset(to, '\n', 64 * 1024 + 1);
    assert_fails(ERR_PARSE, "no PEM file", rsa_public_from_pem(span_of(to, 64 * 1024 + 1), &k, &e));
    assert_null(k);
}

static void takes_numbers_with_leading_zeros(void **state)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(rsa_key_freep) struct rsa_key *with_zeros = NULL;
    CLEANUP(str_freep) char *thumbprint = NULL;
    CLEANUP(buf_done) struct buf n = { 0 };
    struct err e;

    assert_ok(rsa_public_from_pem(span_str(key_data_text(data, "spki")), &k, &e));
    assert_ok(buf_add(&n, "\0\0", 2, &e));
    assert_ok(rsa_key_modulus(k, &n, &e));
    assert_ok(rsa_public_from_numbers(buf_span(&n), span_of("\0\1\0\1", 4), &with_zeros, &e));
    assert_ok(jwk_thumbprint(with_zeros, &thumbprint, &e));
    assert_string_equal(thumbprint, key_data_text(data, "thumbprint"));
}

static void refuses_numbers_that_make_no_key(void **state)
{
    static const struct {
        size_t n_bytes;
        uint8_t first, last; /* of n, ff between */
        const char *exponent;
        size_t exponent_size;
        const char *needle;
    } cases[] = {
        { 256, 0x7f, 0xff, "\1\0\1", 3, "an RSA key of 2047 bits" },
        { 128, 0xff, 0xff, "\1\0\1", 3, "an RSA key of 1024 bits" },
        { 1025, 0x01, 0xff, "\1\0\1", 3, "too long" },
        { 0, 0, 0, "\1\0\1", 3, "without modulus or exponent" },
        { 256, 0xff, 0xff, "", 0, "without modulus or exponent" },
        { 256, 0xff, 0xff, "\0\0", 2, "without modulus or exponent" },
        { 256, 0xff, 0xff, "\1", 1, "cannot be one" },
        { 256, 0xff, 0xff, "\2", 1, "cannot be one" },
        { 256, 0xff, 0xff, "\1\0\0", 3, "cannot be one" },
        { 256, 0xff, 0xfe, "\1\0\1", 3, "cannot be one" },
        { 256, 0xff, 0xff, "\1\0\0\0\0\0\0\0\1", 9, "too long" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rsa_key *k = NULL;
        uint8_t n[1025];
        struct err e;

        memset(n, 0xff, sizeof(n));
        if (cases[i].n_bytes != 0) {
            n[0] = cases[i].first;
            n[cases[i].n_bytes - 1] = cases[i].last;
        }
        assert_fails(ERR_PARSE, cases[i].needle,
                     rsa_public_from_numbers(span_of(n, cases[i].n_bytes),
                                             span_of(cases[i].exponent, cases[i].exponent_size), &k,
                                             &e));
        assert_null(k);
    }
}

static void refuses_private_numbers_that_are_missing(void **state)
{
    const struct rsa_numbers none = { 0 };
    struct rsa_key *k = NULL;
    struct err e;

    assert_fails(ERR_CHECK, "a modulus of 0 bits", rsa_private_from_numbers(&none, &k, &e));
    assert_null(k);
    rsa_key_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_keys_that_openssl_finds_sound),
        cmocka_unit_test(makes_no_key_of_another_size),
        cmocka_unit_test(decrypts_what_another_library_encrypted),
        cmocka_unit_test(encrypts_as_much_as_fits),
        cmocka_unit_test(says_the_same_whatever_does_not_decrypt),
        cmocka_unit_test(decrypts_whole_ciphertexts_only),
        cmocka_unit_test(reads_public_keys_of_three_kinds),
        cmocka_unit_test(refuses_what_is_no_public_key),
        cmocka_unit_test(takes_numbers_with_leading_zeros),
        cmocka_unit_test(refuses_numbers_that_make_no_key),
        cmocka_unit_test(refuses_private_numbers_that_are_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
