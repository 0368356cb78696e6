/*
 * Opening a signed answer. The list of algorithms, "crit" and "b64", whose key it is, and every
 * size are decided before the signature is computed, and the payload is parsed last. A header that
 * was judged good is remembered for a while: a vault sends the same one each time.
 */
#include "crypto/jws.h"

#include "base/str.h"
#include "codec/b64.h"
#include "crypto/digest.h"
#include "crypto/jws_alg.h"
#include "crypto/pkey.h"

#include <openssl/err.h>

#include <string.h>

#define MAX_JWS      1048576
#define MAX_MEMORY_S 600
#define MIN_RSA_BITS 2048
#define MAX_RSA_BITS 8192

/* The three parts as they stand; borrowed. */
struct parts {
    struct span header, payload, signature;
};

/* Splits at exactly two dots. Base64 is looked at when a part is decoded. */
static int split(struct span compact, struct parts *out, struct err *e)
{
    struct span *const parts[] = { &out->header, &out->payload, &out->signature };
    const uint8_t *from = compact.p, *const end = compact.p + compact.n;

    if (compact.n == 0 || compact.n > MAX_JWS)
        return err_set(e, ERR_PARSE, "a JWS of %zu bytes", compact.n);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const uint8_t *dot = memchr(from, '.', (size_t)(end - from));
        const bool is_last = i + 1 == ARRAY_LEN(parts);

        if ((dot == NULL) != is_last)
            return err_set(e, ERR_PARSE, "a JWS has three parts");
        *parts[i] = span_of(from, (size_t)((is_last ? end : dot) - from));
        from = is_last ? end : dot + 1;
    }
    return 0;
}

static int decode_object(struct span part, const char *what, json_t **out, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(json_freep) json_t *value = NULL;

    if (b64_decode_jose(part, &text, e) != 0 || json_parse(buf_span(&text), &value, e) != 0)
        return err_wrap(e, "the JWS %s", what);
    if (!json_is_object(value))
        return err_set(e, ERR_PARSE, "the JWS %s is no JSON object", what);
    *out = TAKE(value);
    return 0;
}

static int check_signature_form(struct span signature, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };

    if (b64_decode_jose(signature, &bytes, e) != 0)
        return err_wrap(e, "the JWS signature");
    return 0;
}

int jws_peek(struct span compact, json_t **out_header, json_t **out_payload, struct err *e)
{
    CLEANUP(json_freep) json_t *header = NULL;
    CLEANUP(json_freep) json_t *payload = NULL;
    struct parts parts = { 0 };

    if (split(compact, &parts, e) != 0 || decode_object(parts.header, "header", &header, e) != 0 ||
        decode_object(parts.payload, "payload", &payload, e) != 0 ||
        check_signature_form(parts.signature, e) != 0)
        return -1;
    if (out_header != NULL)
        *out_header = TAKE(header);
    if (out_payload != NULL)
        *out_payload = TAKE(payload);
    return 0;
}

/* NULL when it is not one of ours; *e says why. */
static const struct jws_alg *read_alg(const json_t *header, struct err *e)
{
    const char *name = NULL;
    char shown[32 + 16];

    if (json_get_string(header, "alg", &name, e) != 0) {
        err_wrap(e, "the JWS header");
        return NULL;
    }
    if (name == NULL) {
        err_set(e, ERR_PARSE, "the JWS header has no \"alg\"");
        return NULL;
    }
    const struct jws_alg *alg = jws_alg_find(name);
    if (alg == NULL) {
        str_quote(span_str(name), 32, shown);
        err_set(e, ERR_CHECK, "the JWS algorithm \"%s\" is not allowed", shown);
    }
    return alg;
}

/* Both change how the rest is to be understood, and we understand neither. */
static int refuse_extensions(const json_t *header, struct err *e)
{
    static const char *const names[] = { "crit", "b64" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_object_get(header, names[i]) != NULL)
            return err_set(e, ERR_CHECK, "the JWS header has \"%s\"", names[i]);
    return 0;
}

/* Standard base64 in its one spelling. */
static int add_x5c_entry(struct x509_list *chain, const json_t *entry, struct err *e)
{
    CLEANUP(buf_done) struct buf der = { 0 }, again = { 0 };

    if (!json_is_string(entry))
        return err_set(e, ERR_PARSE, "not a string");
    const struct span text = span_of(json_string_value(entry), json_string_length(entry));
    if (b64_decode(text, &der, e) != 0 || b64_encode(buf_span(&der), B64_STD, &again, e) != 0)
        return -1;
    if (!span_equal(text, buf_span(&again)))
        return err_set(e, ERR_PARSE, "not standard base64");
    return x509_list_add_der(chain, buf_span(&der), e);
}

static int read_x5c(const json_t *header, struct x509_list *chain, struct err *e)
{
    const json_t *x5c = json_object_get(header, "x5c");
    const size_t n = json_array_size(x5c);

    if (n == 0 || n > X509_MAX_CHAIN)
        return err_set(e, ERR_PARSE, "the JWS header needs an \"x5c\" of 1 to %d certificates",
                       X509_MAX_CHAIN);
    for (size_t i = 0; i < n; i++)
        if (add_x5c_entry(chain, json_array_get(x5c, i), e) != 0)
            return err_wrap(e, "certificate %zu of \"x5c\"", i + 1);
    return 0;
}

static int check_thumbprint(const json_t *header, const struct x509_cert *leaf, struct err *e)
{
    const char *text;
    uint8_t digest[SHA256_SIZE];
    CLEANUP(buf_done) struct buf want = { 0 };

    if (json_get_string(header, "x5t#S256", &text, e) != 0)
        return err_wrap(e, "the JWS header");
    if (text == NULL)
        return 0;
    if (digest_sha256(x509_cert_der(leaf), digest, e) != 0 ||
        b64_encode(span_of(digest, sizeof(digest)), B64_URL, &want, e) != 0)
        return -1;
    if (!span_equal(span_str(text), buf_span(&want)))
        return err_set(e, ERR_CHECK, "\"x5t#S256\" is not that of the first certificate");
    return 0;
}

static int check_key(EVP_PKEY *key, struct err *e)
{
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        return err_set(e, ERR_CHECK, "the signer's key is no RSA key");
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
        return err_set(e, ERR_CHECK, "the signer's RSA key has %d bits", bits);
    return 0;
}

/* Over the first two parts and the dot between them, as they stand. */
static int check_signature(struct span signed_part, struct span signature, EVP_PKEY *key,
                           const struct jws_alg *alg, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    CLEANUP(pkey_md_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL; /* ctx's */

    if (ctx == NULL)
        return err_nomem(e);
    if (b64_decode_jose(signature, &bytes, e) != 0)
        return err_wrap(e, "the JWS signature");
    if (EVP_DigestVerifyInit(ctx, &options, alg->hash(), NULL, key) != 1)
        return pkey_fail(e, ERR_CHECK, "the JWS signature cannot be checked");
    if (jws_alg_set_padding(alg, options, e) != 0)
        return -1;
    if (EVP_DigestVerify(ctx, bytes.p, bytes.n, signed_part.p, signed_part.n) != 1) {
        ERR_clear_error();
        return err_set(e, ERR_CHECK, "the JWS signature is not of the signer's key");
    }
    return 0;
}

/* How long a judgement holds: as long as all the certificates do, and not for long, because the
 * root is not among them. */
static int64_t holds_until(const struct x509_list *chain, int64_t unix_s)
{
    int64_t until_s = unix_s + MAX_MEMORY_S;

    for (size_t i = 0; i < chain->n; i++)
        if (x509_not_after(chain->certs[i]) < until_s)
            until_s = x509_not_after(chain->certs[i]);
    return until_s;
}

/* Everything that a header says, and who it says signs. */
static int judge_header(struct span part, struct signer_cache *signers, const char *host,
                        int64_t unix_s, struct jws_signer *out, struct err *e)
{
    CLEANUP(json_freep) json_t *header = NULL;
    CLEANUP(x509_list_done) struct x509_list chain = { 0 };

    if (decode_object(part, "header", &header, e) != 0)
        return -1;
    const struct jws_alg *alg = read_alg(header, e);
    if (alg == NULL || refuse_extensions(header, e) != 0 || read_x5c(header, &chain, e) != 0 ||
        check_thumbprint(header, chain.certs[0], e) != 0)
        return -1;
    EVP_PKEY *key = X509_get0_pubkey(x509_cert_x509(chain.certs[0]));
    if (check_key(key, e) != 0)
        return -1;
    if (signer_cache_check(signers, &chain, host, unix_s, e) != 0)
        return err_wrap(e, "the signer of the JWS");
    if (EVP_PKEY_up_ref(key) != 1)
        return err_nomem(e);
    *out = (struct jws_signer){
        .key = key, .alg = alg, .since_s = unix_s, .until_s = holds_until(&chain, unix_s)
    };
    return 0;
}

int jws_open_x5c(struct span compact, struct signer_cache *signers, const char *host,
                 int64_t unix_s, json_t **out_payload, struct err *e)
{
    CLEANUP(jws_signer_done) struct jws_signer signer = { .key = NULL };
    struct jws_memory *memory = signer_cache_headers(signers);
    uint8_t name[SHA256_SIZE];
    struct parts parts = { 0 };

    if (split(compact, &parts, e) != 0 || check_signature_form(parts.signature, e) != 0 ||
        jws_memory_name(parts.header, host, name, e) != 0)
        return -1;
    const bool is_known = jws_memory_recall(memory, name, unix_s, &signer);
    if (!is_known && judge_header(parts.header, signers, host, unix_s, &signer, e) != 0)
        return -1;
    const struct span signed_part = span_of(compact.p, parts.header.n + 1 + parts.payload.n);
    if (check_signature(signed_part, parts.signature, signer.key, signer.alg, e) != 0)
        return -1;
    if (!is_known)
        jws_memory_keep(memory, name, &signer);
    return decode_object(parts.payload, "payload", out_payload, e);
}
