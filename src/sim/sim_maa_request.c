/*
 * Reads an attestation request. Base64 is taken in all its forms; the nonce is read from the text
 * of the body, as clients send numbers up to 2^64-1, which neither an integer nor a double of the
 * JSON library holds.
 */
#include "sim/sim_maa_request.h"

#include "base/str.h"
#include "codec/b64.h"
#include "sim/json_text.h"

#include <ctype.h>
#include <strings.h>

void maa_request_done(struct maa_request *r)
{
    buf_done(&r->report);
    buf_done(&r->chain_pem);
    buf_done(&r->runtime.bytes);
    buf_done(&r->init_time.bytes);
    str_free(r->nonce);
    *r = (struct maa_request){ 0 };
}

/* A member of base64; *out stays empty when it is absent or empty. */
static int read_b64(const json_t *object, const char *name, struct buf *out, struct err *e)
{
    const char *text = NULL;

    if (json_get_string(object, name, &text, e) != 0)
        return -1;
    if (text != NULL && b64_decode(span_str(text), out, e) != 0)
        return err_wrap(e, "%s is not base64url", name);
    return 0;
}

static int require_b64(const json_t *object, const char *name, struct buf *out, struct err *e)
{
    if (read_b64(object, name, out, e) != 0)
        return -1;
    return out->n != 0 ? 0 : err_set(e, ERR_PARSE, "%s is missing or empty", name);
}

/* The members "data" and "dataType"; empty data counts as none. */
static int read_data(const json_t *body, const char *name, struct maa_data *out, struct err *e)
{
    CLEANUP(json_freep) json_t *parsed = NULL;
    const json_t *member = json_object_get(body, name);
    const char *type = NULL;

    if (member == NULL || json_is_null(member))
        return 0;
    if (!json_is_object(member))
        return err_set(e, ERR_PARSE, "%s is not an object", name);
    if (read_b64(member, "data", &out->bytes, e) != 0 ||
        json_get_string(member, "dataType", &type, e) != 0)
        return err_wrap(e, "%s", name);
    if (out->bytes.n == 0)
        return 0;
    if (type != NULL && strcasecmp(type, "Binary") == 0) {
        out->type = MAA_DATA_BINARY;
        return 0;
    }
    if (type == NULL || strcasecmp(type, "JSON") != 0)
        return err_set(e, ERR_PARSE, "%s.dataType is neither JSON nor Binary", name);
    if (json_parse(buf_span(&out->bytes), &parsed, e) != 0)
        return err_wrap(e, "%s", name);
    if (!json_is_object(parsed))
        return err_set(e, ERR_PARSE, "%s is not a JSON object", name);
    out->type = MAA_DATA_JSON;
    return 0;
}

static bool is_natural(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!isdigit(text.p[i]))
            return false;
    return text.n != 0;
}

static int read_nonce(struct span text, const json_t *body, char **out, struct err *e)
{
    const json_t *nonce = json_object_get(body, "nonce");
    struct span number;

    if (nonce == NULL || json_is_null(nonce))
        return 0;
    if (json_is_string(nonce)) {
        const char *s = NULL;
        return json_get_string(body, "nonce", &s, e) != 0 ? -1 : str_dup(s, out, e);
    }
    if (!json_text_member(text, "nonce", &number) || !is_natural(number))
        return err_set(e, ERR_PARSE, "nonce is neither a string nor a natural number");
    return str_from_span(number, out, e);
}

static int read_evidence(const json_t *body, struct maa_request *r, struct err *e)
{
    CLEANUP(json_freep) json_t *evidence = NULL;
    CLEANUP(json_freep) json_t *uvm = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(buf_done) struct buf endorsements = { 0 };

    if (require_b64(body, "report", &text, e) != 0)
        return -1;
    if (json_parse(buf_span(&text), &evidence, e) != 0 ||
        require_b64(evidence, "SnpReport", &r->report, e) != 0 ||
        require_b64(evidence, "VcekCertChain", &r->chain_pem, e) != 0 ||
        read_b64(evidence, "Endorsements", &endorsements, e) != 0)
        return err_wrap(e, "report");
    if (endorsements.n != 0 && json_parse(buf_span(&endorsements), &uvm, e) != 0)
        return err_wrap(e, "report: Endorsements");
    return 0;
}

int maa_request_parse(struct span text, struct maa_request *out, struct err *e)
{
    CLEANUP(maa_request_done) struct maa_request r = { 0 };
    CLEANUP(json_freep) json_t *body = NULL;

    if (json_parse(text, &body, e) != 0)
        return err_wrap(e, "the body");
    if (!json_is_object(body))
        return err_set(e, ERR_PARSE, "the body is not a JSON object");
    if (read_evidence(body, &r, e) != 0 || read_data(body, "runtimeData", &r.runtime, e) != 0 ||
        read_data(body, "initTimeData", &r.init_time, e) != 0 ||
        read_nonce(text, body, &r.nonce, e) != 0)
        return -1;
    *out = r;
    r = (struct maa_request){ 0 };
    return 0;
}
