/* Parameters are read from the target as it was sent, so that the simulated services see what the
 * real ones would: repeated names, broken percent codes, empty segments. */
#include "sim/exchange.h"

#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *sim_request_header(const struct sim_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_headers; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sim_url_decode(struct span text, bool form, char **out, struct err *e)
{
    CLEANUP(buf_done) struct buf b = { 0 };

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '%') {
            const int high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
            const int low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return err_set(e, ERR_PARSE, "broken percent code at byte %zu", i);
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        if (buf_add(&b, &c, 1, e) != 0)
            return -1;
    }
    return str_from_span(buf_span(&b), out, e);
}

/* One "name=value" of a list; the first occurrence of name is decoded into *out. */
static int take_pair(struct span pair, const char *name, char **out, size_t *n, struct err *e)
{
    CLEANUP(str_freep) char *key = NULL;
    const uint8_t *eq = pair.n == 0 ? NULL : memchr(pair.p, '=', pair.n);
    const size_t key_size = eq == NULL ? pair.n : (size_t)(eq - pair.p);
    const struct span value =
        eq == NULL ? span_of(NULL, 0) : span_of(eq + 1, pair.n - key_size - 1);

    if (sim_url_decode(span_of(pair.p, key_size), true, &key, e) != 0)
        return -1;
    if (strcmp(key, name) != 0)
        return 0;
    (*n)++;
    return *out != NULL ? 0 : sim_url_decode(value, true, out, e);
}

static int find_parameter(struct span list, const char *name, char **out, size_t *out_n,
                          struct err *e)
{
    CLEANUP(str_freep) char *found = NULL;
    size_t n = 0;

    while (list.n > 0) {
        const uint8_t *amp = memchr(list.p, '&', list.n);
        const size_t size = amp == NULL ? list.n : (size_t)(amp - list.p);
        if (size > 0 && take_pair(span_of(list.p, size), name, &found, &n, e) != 0)
            return err_wrap(e, "parameter \"%s\"", name);
        list = amp == NULL ? span_of(NULL, 0) : span_of(amp + 1, list.n - size - 1);
    }
    *out = TAKE(found);
    *out_n = n;
    return 0;
}

int sim_request_query(const struct sim_request *req, const char *name, char **out, size_t *out_n,
                      struct err *e)
{
    const char *mark = strchr(req->target, '?');

    return find_parameter(span_str(mark == NULL ? "" : mark + 1), name, out, out_n, e);
}

int sim_request_form(const struct sim_request *req, const char *name, char **out, size_t *out_n,
                     struct err *e)
{
    return find_parameter(req->body, name, out, out_n, e);
}

void sim_host_of(const char *authority, char out[static SIM_HOST_SIZE])
{
    const char *bracket = authority[0] == '[' ? strchr(authority, ']') : NULL;
    const size_t size =
        bracket != NULL ? (size_t)(bracket - authority) + 1 : strcspn(authority, ":");
    size_t n = 0;

    for (; n < size && n < SIM_HOST_SIZE - 1; n++)
        out[n] = (char)tolower((unsigned char)authority[n]);
    out[n] = '\0';
}

int sim_request_json(const struct sim_request *req, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *v = NULL;

    if (json_parse(req->body, &v, e) != 0)
        return -1;
    if (!json_is_object(v))
        return err_set(e, ERR_PARSE, "the body is no JSON object");
    *out = TAKE(v);
    return 0;
}

void sim_reply_done(struct sim_reply *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        str_free(r->headers[i].name);
        str_free(r->headers[i].value);
    }
    buf_done(&r->body);
    *r = (struct sim_reply){ 0 };
}

int sim_reply_header(struct sim_reply *r, const char *name, const char *value, struct err *e)
{
    CLEANUP(str_freep) char *own_name = NULL;
    CLEANUP(str_freep) char *own_value = NULL;

    if (str_dup(name, &own_name, e) != 0 || str_dup(value, &own_value, e) != 0)
        return -1;
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) {
            str_free(r->headers[i].value);
            r->headers[i].value = TAKE(own_value);
            return 0;
        }
    }
    if (r->n_headers == SIM_MAX_HEADERS)
        return err_set(e, ERR_ARG, "more than %d headers in one answer", SIM_MAX_HEADERS);
    r->headers[r->n_headers++] = (struct sim_owned_header){ TAKE(own_name), TAKE(own_value) };
    return 0;
}

int sim_reply_json(struct sim_reply *r, int status, json_t *value, struct err *e)
{
    CLEANUP(json_freep) json_t *own = value;
    CLEANUP(buf_done) struct buf text = { 0 };

    if (own == NULL)
        return err_nomem(e);
    if (json_format(own, false, &text, e) != 0)
        return -1;
    return sim_reply_bytes(r, status, "application/json; charset=utf-8", buf_span(&text), e);
}

int sim_reply_bytes(struct sim_reply *r, int status, const char *content_type, struct span body,
                    struct err *e)
{
    CLEANUP(buf_done) struct buf copy = { 0 };

    if (buf_add(&copy, body.p, body.n, e) != 0 ||
        (content_type != NULL && sim_reply_header(r, "Content-Type", content_type, e) != 0))
        return -1;
    buf_done(&r->body);
    r->body = copy;
    copy = (struct buf){ 0 };
    r->status = status;
    return 0;
}

void sim_reply_verdict(struct sim_reply *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->verdict, sizeof(r->verdict), fmt, ap);
    va_end(ap);
}
