#include "skr/annotation.h"

#include "base/file.h"
#include "base/str.h"
#include "codec/b64.h"
#include "crypto/rsa.h"

#include <string.h>

#define INPUT_MAX (64 * 1024) /* what RSA can wrap is far less; the message then says so */

struct key_info {
    json_t *json; /* owns the strings */
    const char *public_key_path, *kms_endpoint, *attester_endpoint;
};

static void key_info_done(struct key_info *i)
{
    json_decref(i->json);
    *i = (struct key_info){ 0 };
}

static int parse_info(struct span text, struct key_info *out, struct err *e)
{
    if (json_parse(text, &out->json, e) != 0)
        return -1;
    if (!json_is_object(out->json))
        return err_set(e, ERR_PARSE, "not a JSON object");
    if (json_get_string_nocase(out->json, "public_key_path", &out->public_key_path, e) != 0 ||
        json_get_string_nocase(out->json, "kms_endpoint", &out->kms_endpoint, e) != 0 ||
        json_get_string_nocase(out->json, "attester_endpoint", &out->attester_endpoint, e) != 0)
        return -1;
    if (str_is_empty(out->public_key_path))
        return err_set(e, ERR_PARSE, "member \"public_key_path\" is missing");
    return 0;
}

static int load_info(const char *key_path, struct key_info *out, struct err *e)
{
    CLEANUP(str_freep) char *path = NULL;
    CLEANUP(buf_done) struct buf text = { 0 };

    if (str_printf(&path, e, "%s-info.json", key_path) != 0)
        return -1;
    if (file_read(path, INPUT_MAX, &text, e) != 0)
        return err_wrap(e, "the info file of the wrapping key");
    if (parse_info(buf_span(&text), out, e) != 0)
        return err_wrap(e, "%s", path);
    return 0;
}

static int encrypt(const char *public_key_path, struct span data, struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf pem = { 0 };
    CLEANUP(rsa_key_freep) struct rsa_key *key = NULL;

    if (file_read(public_key_path, INPUT_MAX, &pem, e) != 0)
        return err_wrap(e, "the public key");
    if (rsa_public_from_pem(buf_span(&pem), &key, e) != 0)
        return err_wrap(e, "%s is no public RSA key in PEM form", public_key_path);
    return rsa_oaep_encrypt(key, DIGEST_SHA256, data, out, e);
}

static int add_optional(json_t *packet, const char *name, const char *value)
{
    return str_is_empty(value) ? 0 : json_object_set_new(packet, name, json_string(value));
}

static int format_packet(const char *kid, const struct key_info *info, struct span wrapped,
                         struct buf *out, struct err *e)
{
    CLEANUP(buf_done) struct buf b64 = { 0 };

    if (b64_encode(wrapped, B64_STD, &b64, e) != 0)
        return -1;
    CLEANUP(json_freep)
    json_t *packet = json_pack("{s:s,s:s%,s:s}", "kid", kid, "wrapped_data", (const char *)b64.p,
                               b64.n, "wrap_type", "rsa_3072");
    if (packet == NULL)
        return err_set(e, ERR_PARSE, "the key's name is not UTF-8");
    if (add_optional(packet, "kms_endpoint", info->kms_endpoint) != 0 ||
        add_optional(packet, "attester_endpoint", info->attester_endpoint) != 0)
        return err_nomem(e);
    return json_format(packet, false, out, e);
}

int annotation_wrap(const char *key_path, struct span data, struct buf *out, struct err *e)
{
    CLEANUP(key_info_done) struct key_info info = { 0 };
    CLEANUP(buf_done) struct buf wrapped = { 0 };
    const char *slash = strrchr(key_path, '/');

    if (load_info(key_path, &info, e) != 0 || encrypt(info.public_key_path, data, &wrapped, e) != 0)
        return -1;
    return format_packet(slash != NULL ? slash + 1 : key_path, &info, buf_span(&wrapped), out, e);
}

int annotation_wrap_file(const char *infile, const char *key_path, const char *outfile,
                         struct err *e)
{
    CLEANUP(buf_done) struct buf data = { 0 };
    CLEANUP(buf_done) struct buf packet = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };

    if (file_read(infile, INPUT_MAX, &data, e) != 0)
        return err_wrap(e, "the input file");
    if (annotation_wrap(key_path, buf_span(&data), &packet, e) != 0 ||
        b64_encode(buf_span(&packet), B64_STD, &text, e) != 0)
        return -1;
    return file_write(outfile, buf_span(&text), e);
}
