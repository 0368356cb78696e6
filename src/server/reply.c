#include "server/reply.h"

#include "base/log.h"
#include "base/str.h"

static const char OUT_OF_MEMORY[] =
    "{\"error\":\"out of memory\",\"code\":\"internal\",\"stage\":\"request\",\"retryable\":false}";

static const char CONTENT_TYPE[] = "application/json; charset=utf-8";

static void reply_out_of_memory(struct httpd_response *out)
{
    struct err e;

    buf_done(&out->body);
    out->status = 500;
    if (buf_add_str(&out->body, OUT_OF_MEMORY, &e) != 0)
        log_error("an answer could not be made: %s", e.msg);
}

void reply_json(struct httpd_response *out, int status, json_t *value)
{
    struct err e;

    out->status = status;
    out->content_type = CONTENT_TYPE;
    if (value == NULL || json_format(value, false, &out->body, &e) != 0)
        reply_out_of_memory(out);
    json_decref(value);
}

void reply_text(struct httpd_response *out, const char *json)
{
    struct err e;

    out->status = 200;
    out->content_type = CONTENT_TYPE;
    if (buf_add_str(&out->body, json, &e) != 0)
        reply_out_of_memory(out);
}

static int set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value);
}

/* Messages quote foreign text, which need not be UTF-8. */
static json_t *text(const char *s)
{
    json_t *v = json_string(s);
    char ascii[ERR_MSG_SIZE];
    size_t n = 0;

    if (v != NULL)
        return v;
    for (; n < sizeof(ascii) - 1 && s[n] != '\0'; n++)
        ascii[n] = (char)((unsigned char)s[n] < 0x80 ? s[n] : '?');
    ascii[n] = '\0';
    return json_string(ascii);
}

static void log_failure(const struct failure *f)
{
    const enum log_level level = f->stage == STAGE_REQUEST ? LOG_INFO
                                 : f->status == 403        ? LOG_WARNING
                                                           : LOG_ERROR;

    log_at(level, "answered %d (%s, %s): %s", f->status, f->code, stage_name(f->stage), f->err.msg);
}

void reply_failure(struct httpd_response *out, const struct httpd_request *req, struct failure *f)
{
    json_t *d = json_object();
    int rc = 0;

    log_failure(f);
    rc |= set(d, "error", text(f->err.msg));
    rc |= set(d, "code", json_string(f->code));
    rc |= set(d, "stage", json_string(stage_name(f->stage)));
    if (f->upstream_status != 0)
        rc |= set(d, "upstream_status", json_integer(f->upstream_status));
    rc |= set(d, "request_id", json_string(req->id));
    rc |= set(d, "retryable", json_boolean(f->retryable));
    if (f->hint != NULL)
        rc |= set(d, "hint", json_string(f->hint));
    if (f->explain != NULL)
        rc |= set(d, "explain", TAKE(f->explain));
    if (rc != 0) {
        json_decref(d);
        d = NULL;
    }
    reply_json(out, f->status, d);
    out->retry_after_s = f->retry_after_s;
}
