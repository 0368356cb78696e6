/*
 * The form is read in place, element by element: a parser with structs of its own would leave a
 * copy of the private numbers behind for each layer. OpenSSL's ASN1_get_object() bounds each
 * element; every layer must end where its last element does.
 */
#include "crypto/pkcs8.h"

#include "crypto/pkey.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

/* Tag with class and form, as in an identifier octet. */
#define DER_INTEGER      0x02
#define DER_BIT_STRING   0x03
#define DER_OCTET_STRING 0x04
#define DER_NULL         0x05
#define DER_OID          0x06
#define DER_SEQUENCE     0x30
#define DER_CONTEXT_0    0xa0
#define DER_CONTEXT_1    0xa1

/* The content of an object identifier. */
#define OID(content)                                                                               \
    {                                                                                              \
        .p = (const uint8_t *)(content), .n = sizeof(content) - 1                                  \
    }

static const struct span oid_rsa = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
static const struct span oid_ec = OID("\x2a\x86\x48\xce\x3d\x02\x01");

struct curve {
    struct span oid;
    const char *crv;
    int nid;
    size_t width;
};

static const struct curve curves[] = {
    { OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"), "P-256", NID_X9_62_prime256v1, 32 },
    { OID("\x2b\x81\x04\x00\x22"), "P-384", NID_secp384r1, 48 },
    { OID("\x2b\x81\x04\x00\x23"), "P-521", NID_secp521r1, 66 },
    { OID("\x2b\x81\x04\x00\x0a"), "P-256K", NID_secp256k1, 32 },
};

static bool is_next(struct span rest, uint8_t tag)
{
    return rest.n > 0 && rest.p[0] == tag;
}

/* The content of the next element, which must have this tag. */
static bool take(struct span *rest, uint8_t tag, struct span *content)
{
    const uint8_t *p = rest->p;
    int number = 0, class = 0;
    long n = 0;

    if (!is_next(*rest, tag))
        return false;
    const int form = ASN1_get_object(&p, &n, &number, &class, (long)rest->n);
    if ((form & ~V_ASN1_CONSTRUCTED) != 0) { /* an error, or a length that is left open */
        ERR_clear_error();
        return false;
    }
    *content = span_of(p, (size_t)n);
    *rest = span_of(p + n, rest->n - (size_t)(p - rest->p) - (size_t)n);
    return true;
}

/* As take(), and nothing may follow. */
static bool take_last(struct span rest, uint8_t tag, struct span *content)
{
    return take(&rest, tag, content) && rest.n == 0;
}

/* A number that is not negative and has one spelling. */
static bool take_number(struct span *rest, struct span *number)
{
    struct span v;

    if (!take(rest, DER_INTEGER, &v) || v.n == 0 || v.p[0] >= 0x80)
        return false;
    if (v.n > 1 && v.p[0] == 0 && v.p[1] < 0x80)
        return false;
    *number = v;
    return true;
}

static bool take_version(struct span *rest, uint8_t version)
{
    struct span v;

    return take_number(rest, &v) && v.n == 1 && v.p[0] == version;
}

/* PrivateKeyInfo: the algorithm's parameters and what is inside privateKey. */
static int open_info(struct span der, struct span algorithm, struct span *parameters,
                     struct span *key, struct err *e)
{
    struct span info, identifier, oid, attributes;

    if (der.n > PKCS8_MAX)
        return err_set(e, ERR_PARSE, "%zu bytes are too many for a private key", der.n);
    if (!take_last(der, DER_SEQUENCE, &info) || !take_version(&info, 0) ||
        !take(&info, DER_SEQUENCE, &identifier) || !take(&identifier, DER_OID, &oid) ||
        !take(&info, DER_OCTET_STRING, key))
        return err_set(e, ERR_PARSE, "not a PKCS#8 private key");
    if (info.n != 0 && !take_last(info, DER_CONTEXT_0, &attributes))
        return err_set(e, ERR_PARSE, "not a PKCS#8 private key: something follows");
    if (!span_equal(oid, algorithm))
        return err_set(e, ERR_CHECK, "the PKCS#8 holds a key of another type");
    *parameters = identifier;
    return 0;
}

/* ---- RSA ---- */

static int read_rsa(struct span key, struct rsa_numbers *out, struct err *e)
{
    struct span body, version, number;

    if (!take_last(key, DER_SEQUENCE, &body) || !take_number(&body, &version) || version.n != 1 ||
        version.p[0] > 1)
        return err_set(e, ERR_PARSE, "the PKCS#8 does not hold a PKCS#1 private key");
    if (version.p[0] == 1)
        return err_set(e, ERR_CHECK, "an RSA key of more than two primes");
    for (enum rsa_number i = 0; i < RSA_NUMBERS; i++) {
        if (!take_number(&body, &number))
            return err_set(e, ERR_PARSE, "RSA key: \"%s\" is missing", rsa_numbers_name(i));
        if (rsa_numbers_set(out, i, number, e) != 0)
            return -1;
    }
    if (body.n != 0)
        return err_set(e, ERR_PARSE, "RSA key: something follows its numbers");
    return 0;
}

int pkcs8_parse_rsa(struct span der, struct rsa_numbers *out, struct err *e)
{
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    struct span parameters, key, nothing;

    if (open_info(der, oid_rsa, &parameters, &key, e) != 0)
        return -1;
    if (parameters.n != 0 && (!take_last(parameters, DER_NULL, &nothing) || nothing.n != 0))
        return err_set(e, ERR_PARSE, "RSA key: unknown parameters");
    if (read_rsa(key, &numbers, e) != 0 || rsa_numbers_check(&numbers, e) != 0)
        return -1;
    *out = numbers;
    numbers = (struct rsa_numbers){ 0 };
    return 0;
}

/* ---- EC ---- */

struct ec_work {
    EC_GROUP *group;
    EC_POINT *point, *announced;
    BIGNUM *d, *x, *y;
    BN_CTX *ctx;
};

static void ec_work_done(struct ec_work *w)
{
    EC_POINT_free(w->point);
    EC_POINT_free(w->announced);
    EC_GROUP_free(w->group);
    BN_clear_free(w->d);
    BN_free(w->x);
    BN_free(w->y);
    BN_CTX_free(w->ctx);
}

void pkcs8_ec_done(struct pkcs8_ec *k)
{
    buf_done(&k->x);
    buf_done(&k->y);
    buf_done(&k->d);
    k->crv = NULL;
}

static int ec_work_init(struct ec_work *w, const struct curve *curve, struct span d, struct err *e)
{
    w->group = EC_GROUP_new_by_curve_name(curve->nid);
    w->ctx = BN_CTX_new();
    w->d = BN_bin2bn(d.p, (int)d.n, NULL);
    w->x = BN_new();
    w->y = BN_new();
    if (w->group == NULL || w->ctx == NULL || w->d == NULL || w->x == NULL || w->y == NULL)
        return pkey_fail(e, ERR_NOMEM, "checking an EC key");
    w->point = EC_POINT_new(w->group);
    w->announced = EC_POINT_new(w->group);
    if (w->point == NULL || w->announced == NULL)
        return pkey_fail(e, ERR_NOMEM, "checking an EC key");
    return 0;
}

/* The point of d, and the announced one if there is any. */
static int check_point(struct ec_work *w, struct span announced, struct err *e)
{
    if (BN_is_zero(w->d) || BN_cmp(w->d, EC_GROUP_get0_order(w->group)) >= 0)
        return err_set(e, ERR_CHECK, "EC key: \"d\" is not between 1 and the order of the curve");
    if (EC_POINT_mul(w->group, w->point, w->d, NULL, NULL, w->ctx) != 1 ||
        EC_POINT_get_affine_coordinates(w->group, w->point, w->x, w->y, w->ctx) != 1)
        return pkey_fail(e, ERR_NOMEM, "checking an EC key");
    if (announced.n == 0)
        return 0;
    if (EC_POINT_oct2point(w->group, w->announced, announced.p, announced.n, w->ctx) != 1 ||
        EC_POINT_cmp(w->group, w->point, w->announced, w->ctx) != 0) {
        ERR_clear_error();
        return err_set(e, ERR_CHECK, "EC key: the public point is not that of \"d\"");
    }
    return 0;
}

static int set_padded(const BIGNUM *number, size_t width, struct buf *out, struct err *e)
{
    uint8_t *to = NULL;

    if (buf_reserve(out, width, &to, e) != 0)
        return -1;
    if (BN_bn2binpad(number, to, (int)width) < 0)
        return pkey_fail(e, ERR_NOMEM, "checking an EC key");
    out->n = width;
    return 0;
}

/* ECPrivateKey; *announced stays empty when there is no public part. */
static int read_ec(struct span key, const struct curve *curve, struct span *d,
                   struct span *announced, struct err *e)
{
    struct span body, part, oid, bits;

    if (!take_last(key, DER_SEQUENCE, &body) || !take_version(&body, 1) ||
        !take(&body, DER_OCTET_STRING, d))
        return err_set(e, ERR_PARSE, "the PKCS#8 does not hold an EC private key");
    if (d->n > curve->width)
        return err_set(e, ERR_CHECK, "EC key: \"d\" is too long for %s", curve->crv);
    if (is_next(body, DER_CONTEXT_0) &&
        (!take(&body, DER_CONTEXT_0, &part) || !take_last(part, DER_OID, &oid) ||
         !span_equal(oid, curve->oid)))
        return err_set(e, ERR_CHECK, "EC key: two different curves");
    if (body.n == 0)
        return 0;
    if (!take_last(body, DER_CONTEXT_1, &part) || !take_last(part, DER_BIT_STRING, &bits) ||
        bits.n < 2 || bits.p[0] != 0)
        return err_set(e, ERR_PARSE, "EC key: no point where it should be");
    *announced = span_of(bits.p + 1, bits.n - 1);
    return 0;
}

static int find_curve(struct span parameters, const struct curve **out, struct err *e)
{
    struct span oid;

    if (take_last(parameters, DER_OID, &oid))
        for (size_t i = 0; i < ARRAY_LEN(curves); i++)
            if (span_equal(oid, curves[i].oid)) {
                *out = &curves[i];
                return 0;
            }
    return err_set(e, ERR_CHECK, "EC key: not on a curve that is known here");
}

int pkcs8_parse_ec(struct span der, struct pkcs8_ec *out, struct err *e)
{
    CLEANUP(pkcs8_ec_done) struct pkcs8_ec k = { 0 };
    CLEANUP(ec_work_done) struct ec_work w = { 0 };
    struct span parameters, key, d, announced = { 0 };
    const struct curve *curve = NULL;

    if (open_info(der, oid_ec, &parameters, &key, e) != 0 ||
        find_curve(parameters, &curve, e) != 0 || read_ec(key, curve, &d, &announced, e) != 0)
        return -1;
    if (ec_work_init(&w, curve, d, e) != 0 || check_point(&w, announced, e) != 0)
        return -1;
    if (set_padded(w.x, curve->width, &k.x, e) != 0 ||
        set_padded(w.y, curve->width, &k.y, e) != 0 || set_padded(w.d, curve->width, &k.d, e) != 0)
        return -1;
    k.crv = curve->crv;
    *out = k;
    k = (struct pkcs8_ec){ 0 };
    return 0;
}
