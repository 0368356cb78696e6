/* Keys of the local cloud as JSON Web Keys: what a vault imports and what a service publishes. */
#include "crypto/pkey.h"

#include "codec/b64.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <string.h>

#define MAX_NUMBER  1100 /* bytes of one number: RSA-8192 and some leading zeros */
#define MAX_NUMBERS 8
#define MAX_POINT   (1 + 2 * 66) /* an uncompressed point of P-521 */

/* The numbers while a key is built from them; the builder only refers to them. */
struct build {
    OSSL_PARAM_BLD *bld;
    BIGNUM *numbers[MAX_NUMBERS];
    size_t n;
};

static void build_done(struct build *b)
{
    for (size_t i = 0; i < b->n; i++)
        BN_clear_free(b->numbers[i]);
    OSSL_PARAM_BLD_free(b->bld);
}

static int decode_member(const json_t *jwk, const char *name, struct buf *out, struct err *e)
{
    const char *text;

    if (json_get_string(jwk, name, &text, e) != 0)
        return -1;
    if (text == NULL)
        return err_set(e, ERR_PARSE, "\"%s\" is missing in the key", name);
    if (b64_decode(span_str(text), out, e) != 0)
        return err_wrap(e, "\"%s\" of the key", name);
    if (out->n == 0 || out->n > MAX_NUMBER)
        return err_set(e, ERR_PARSE, "\"%s\" of the key has %zu bytes", name, out->n);
    return 0;
}

static int push_number(struct build *b, const json_t *jwk, const char *member, const char *param,
                       struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };

    if (decode_member(jwk, member, &bytes, e) != 0)
        return -1;
    BIGNUM *n = BN_bin2bn(bytes.p, (int)bytes.n, NULL);
    if (n == NULL)
        return err_nomem(e);
    b->numbers[b->n++] = n;
    if (OSSL_PARAM_BLD_push_BN(b->bld, param, n) != 1)
        return err_nomem(e);
    return 0;
}

static int push_rsa(struct build *b, const json_t *jwk, struct err *e)
{
    static const struct {
        const char *member, *param;
    } numbers[MAX_NUMBERS] = {
        { "n", OSSL_PKEY_PARAM_RSA_N },          { "e", OSSL_PKEY_PARAM_RSA_E },
        { "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
        { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
        { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (push_number(b, jwk, numbers[i].member, numbers[i].param, e) != 0)
            return -1;
    return 0;
}

/* Both coordinates right-aligned behind the 04 of an uncompressed point. */
static int read_point(const json_t *jwk, size_t width, uint8_t out[static MAX_POINT], struct err *e)
{
    static const char *const names[] = { "x", "y" };

    memset(out, 0, MAX_POINT);
    out[0] = POINT_CONVERSION_UNCOMPRESSED;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(buf_done) struct buf bytes = { 0 };

        if (decode_member(jwk, names[i], &bytes, e) != 0)
            return -1;
        if (bytes.n == 0 || bytes.n > width)
            return err_set(e, ERR_PARSE, "\"%s\" is too long for the curve", names[i]);
        memcpy(out + 1 + (i + 1) * width - bytes.n, bytes.p, bytes.n);
    }
    return 0;
}

static int push_ec(struct build *b, const json_t *jwk, uint8_t point[static MAX_POINT],
                   struct err *e)
{
    const char *crv;
    const struct pkey_curve *curve = NULL;

    if (json_get_string(jwk, "crv", &crv, e) != 0)
        return -1;
    for (size_t i = 0; crv != NULL && i < ARRAY_LEN(pkey_curves); i++)
        if (strcmp(crv, pkey_curves[i].name) == 0)
            curve = &pkey_curves[i];
    if (curve == NULL)
        return err_set(e, ERR_PARSE, "\"crv\" of the key is P-256, P-384 or P-521");
    if (read_point(jwk, curve->width, point, e) != 0 ||
        push_number(b, jwk, "d", OSSL_PKEY_PARAM_PRIV_KEY, e) != 0)
        return -1;
    if (OSSL_PARAM_BLD_push_utf8_string(b->bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl_name,
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(b->bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * curve->width) != 1)
        return err_nomem(e);
    return 0;
}

static int build_key(struct build *b, const char *type, EVP_PKEY **out, struct err *e)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b->bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    int result = 0;

    if (params == NULL || ctx == NULL)
        result = err_nomem(e);
    else if (EVP_PKEY_fromdata_init(ctx) != 1 ||
             EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, params) != 1)
        result = pkey_fail(e, ERR_CHECK, "the numbers make no key");
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return result;
}

int signer_from_jwk(const json_t *jwk, struct signer **out, struct err *e)
{
    const char *kty;
    uint8_t point[MAX_POINT];

    if (json_get_string(jwk, "kty", &kty, e) != 0)
        return -1;
    if (kty == NULL)
        return err_set(e, ERR_PARSE, "\"kty\" is missing in the key");
    const bool is_rsa = strcmp(kty, "RSA") == 0 || strcmp(kty, "RSA-HSM") == 0;
    if (!is_rsa && strcmp(kty, "EC") != 0 && strcmp(kty, "EC-HSM") != 0)
        return err_set(e, ERR_PARSE, "\"kty\" of the key is neither RSA nor EC");

    CLEANUP(build_done) struct build b = { .bld = OSSL_PARAM_BLD_new() };
    if (b.bld == NULL)
        return err_nomem(e);
    if ((is_rsa ? push_rsa(&b, jwk, e) : push_ec(&b, jwk, point, e)) != 0)
        return -1;
    CLEANUP(pkey_freep) EVP_PKEY *key = NULL;
    if (build_key(&b, is_rsa ? "RSA" : "EC", &key, e) != 0)
        return -1;
    return signer_accept(&key, out, e);
}

/* width 0: as many bytes as the number needs. */
static int set_number(json_t *jwk, const char *member, const EVP_PKEY *key, const char *param,
                      size_t width, struct err *e)
{
    CLEANUP(pkey_bn_freep) BIGNUM *n = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    uint8_t bytes[MAX_NUMBER];

    if (EVP_PKEY_get_bn_param(key, param, &n) != 1)
        return pkey_fail(e, ERR_NOMEM, "reading a public key failed");
    const size_t size = width != 0 ? width : (size_t)BN_num_bytes(n);
    if (size > sizeof(bytes) || BN_bn2binpad(n, bytes, (int)size) < 0)
        return pkey_fail(e, ERR_CHECK, "a public key with a number that is too long");
    if (b64_encode(span_of(bytes, size), B64_URL, &text, e) != 0)
        return -1;
    if (json_object_set_new(jwk, member, json_stringn((const char *)text.p, text.n)) != 0)
        return err_nomem(e);
    return 0;
}

int signer_public_jwk(const struct signer *k, json_t **out, struct err *e)
{
    const EVP_PKEY *key = signer_pkey(k);
    const struct pkey_curve *curve = pkey_curve(key);
    CLEANUP(json_freep)
    json_t *jwk = curve == NULL ? json_pack("{s:s}", "kty", "RSA")
                                : json_pack("{s:s, s:s}", "kty", "EC", "crv", curve->name);

    if (jwk == NULL)
        return err_nomem(e);
    if (curve == NULL) {
        if (set_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0, e) != 0 ||
            set_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0, e) != 0)
            return -1;
    } else if (set_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, curve->width, e) != 0 ||
               set_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, curve->width, e) != 0) {
        return -1;
    }
    *out = TAKE(jwk);
    return 0;
}
