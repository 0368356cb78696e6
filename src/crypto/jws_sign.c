/* Signs what the caller wrote, byte for byte; the only thing read of it is "alg". */
#include "crypto/jws_sign.h"

#include "codec/b64.h"
#include "crypto/jws_alg.h"
#include "crypto/pkey.h"

#include <string.h>

#define MAX_RSA_SIZE 1024 /* of a signature under RSA-8192 */

static const struct {
    const char *name;
    enum signer_curve curve;
    const EVP_MD *(*hash)(void);
} ec_algs[] = {
    { "ES256", SIGNER_P256, EVP_sha256 },
    { "ES384", SIGNER_P384, EVP_sha384 },
};

static int sign_rsa(const struct signer *k, const struct jws_alg *alg, struct span input,
                    struct buf *out, struct err *e)
{
    CLEANUP(pkey_md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;
    uint8_t sig[MAX_RSA_SIZE];
    size_t n = sizeof(sig);

    if (EVP_PKEY_get_base_id(signer_pkey(k)) != EVP_PKEY_RSA)
        return err_set(e, ERR_ARG, "alg %s needs an RSA key", alg->name);
    if (md == NULL || EVP_DigestSignInit(md, &ctx, alg->hash(), NULL, signer_pkey(k)) != 1)
        return pkey_fail(e, ERR_NOMEM, "signing failed");
    if (jws_alg_set_padding(alg, ctx, e) != 0)
        return -1;
    if (EVP_DigestSign(md, sig, &n, input.p, input.n) != 1)
        return pkey_fail(e, ERR_NOMEM, "signing failed");
    return b64_encode(span_of(sig, n), B64_URL, out, e);
}

static int sign(const struct signer *k, const char *alg, struct span input, struct buf *out,
                struct err *e)
{
    const struct jws_alg *rsa = jws_alg_find(alg);

    if (rsa != NULL)
        return sign_rsa(k, rsa, input, out, e);
    for (size_t i = 0; i < ARRAY_LEN(ec_algs); i++) {
        const struct pkey_curve *curve = &pkey_curves[ec_algs[i].curve];
        uint8_t rs[2 * SIGNER_P384_SIZE];

        if (strcmp(ec_algs[i].name, alg) != 0)
            continue;
        if (pkey_curve(signer_pkey(k)) != curve)
            return err_set(e, ERR_ARG, "alg %s needs a %s key", alg, curve->name);
        if (signer_ecdsa(k, ec_algs[i].hash(), input, curve->width, rs, e) != 0)
            return -1;
        return b64_encode(span_of(rs, 2 * curve->width), B64_URL, out, e);
    }
    return err_set(e, ERR_ARG, "no such alg");
}

int jws_sign(const struct signer *k, struct span header, struct span payload, struct buf *out,
             struct err *e)
{
    CLEANUP(json_freep) json_t *fields = NULL;
    CLEANUP(buf_done) struct buf text = { 0 }, sig = { 0 };
    const char *alg;

    if (json_parse(header, &fields, e) != 0 || json_get_string(fields, "alg", &alg, e) != 0) {
        e->code = ERR_ARG;
        return err_wrap(e, "the header of a JWS");
    }
    if (alg == NULL)
        return err_set(e, ERR_ARG, "the header of a JWS is an object with \"alg\"");
    if (b64_encode(header, B64_URL, &text, e) != 0 || buf_add_str(&text, ".", e) != 0 ||
        b64_encode(payload, B64_URL, &text, e) != 0)
        return -1;
    if (sign(k, alg, buf_span(&text), &sig, e) != 0)
        return -1;
    if (buf_add_str(&text, ".", e) != 0 || buf_add(&text, sig.p, sig.n, e) != 0)
        return -1;
    return buf_add(out, text.p, text.n, e);
}
