/* Entries are kept as the JSON text that they will be listed as: nothing is shared with the
 * requests, and their size is known. */
#include "sim/journal.h"

#include "base/str.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
    TAILQ_ENTRY(entry) link;
    uint64_t n;
    const char *service, *op; /* static */
    struct buf json;
};

TAILQ_HEAD(entry_list, entry);

struct journal {
    pthread_mutex_t lock; /* of everything below */
    struct entry_list entries;
    size_t n_entries, size; /* size: of their text */
    uint64_t last;          /* number given last */
};

int journal_new(struct journal **out, struct err *e)
{
    struct journal *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return err_nomem(e);
    pthread_mutex_init(&j->lock, NULL);
    TAILQ_INIT(&j->entries);
    *out = j;
    return 0;
}

static void drop_oldest(struct journal *j)
{
    struct entry *x = TAILQ_FIRST(&j->entries);

    TAILQ_REMOVE(&j->entries, x, link);
    j->n_entries--;
    j->size -= x->json.n;
    buf_done(&x->json);
    free(x);
}

void journal_clear(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    while (!TAILQ_EMPTY(&j->entries))
        drop_oldest(j);
    pthread_mutex_unlock(&j->lock);
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    journal_clear(j);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* A JSON string of text from outside; what is not UTF-8 is shown as ASCII with dots. NULL: no
 * memory. */
static json_t *text_of(struct span s)
{
    const char *p = s.n == 0 ? "" : (const char *)s.p;
    json_t *v = json_stringn(p, s.n);

    if (v != NULL)
        return v;
    CLEANUP(str_freep) char *ascii = malloc(s.n + 1);
    if (ascii == NULL)
        return NULL;
    for (size_t i = 0; i < s.n; i++)
        ascii[i] = s.p[i] < 0x80 ? p[i] : '.';
    ascii[s.n] = '\0';
    return json_stringn(ascii, s.n);
}

/* Repeated headers are joined with a comma, as HTTP reads them. */
static int add_header(json_t *headers, const struct sim_header *h, struct err *e)
{
    CLEANUP(str_freep) char *name = NULL;
    CLEANUP(str_freep) char *joined = NULL;

    if (str_dup(h->name, &name, e) != 0)
        return -1;
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    const char *before = json_string_value(json_object_get(headers, name));
    if (before != NULL && str_printf(&joined, e, "%s, %s", before, h->value) != 0)
        return -1;
    if (json_object_set_new(headers, name, text_of(span_str(joined ? joined : h->value))) != 0)
        return err_nomem(e);
    return 0;
}

static int headers_of(const struct sim_request *req, json_t **out, struct err *e)
{
    CLEANUP(json_freep) json_t *headers = json_object();

    if (headers == NULL)
        return err_nomem(e);
    for (size_t i = 0; i < req->n_headers; i++)
        if (add_header(headers, &req->headers[i], e) != 0)
            return -1;
    *out = TAKE(headers);
    return 0;
}

static int format_entry(uint64_t n, int64_t t_ms, const struct sim_request *req,
                        const struct sim_reply *reply, struct buf *out, struct err *e)
{
    CLEANUP(json_freep) json_t *headers = NULL;
    struct span body = req->body;

    if (headers_of(req, &headers, e) != 0)
        return -1;
    if (body.n > JOURNAL_MAX_BODY)
        body.n = JOURNAL_MAX_BODY;
    CLEANUP(json_freep)
    json_t *v = json_pack(
        "{sI sf ss ss so so so sO so si ss sI}", "n", (json_int_t)n, "t", (double)t_ms / 1000,
        "service", req->service, "op", req->op, "method", text_of(span_str(req->method)),
        "authority", text_of(span_str(req->authority)), "target", text_of(span_str(req->target)),
        "headers", headers, "body", text_of(body), "status", reply->status, "verdict",
        reply->verdict, "connection", (json_int_t)req->connection);
    if (v == NULL)
        return err_nomem(e);
    return json_format(v, false, out, e);
}

int journal_add(struct journal *j, int64_t t_ms, const struct sim_request *req,
                const struct sim_reply *reply, struct err *e)
{
    struct entry *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return err_nomem(e);
    pthread_mutex_lock(&j->lock);
    if (format_entry(j->last + 1, t_ms, req, reply, &x->json, e) != 0) {
        pthread_mutex_unlock(&j->lock);
        buf_done(&x->json);
        free(x);
        return -1;
    }
    x->n = ++j->last;
    x->service = req->service;
    x->op = req->op;
    TAILQ_INSERT_TAIL(&j->entries, x, link);
    j->n_entries++;
    j->size += x->json.n;
    while (j->n_entries > JOURNAL_MAX_ENTRIES || j->size > JOURNAL_MAX_SIZE)
        drop_oldest(j);
    pthread_mutex_unlock(&j->lock);
    return 0;
}

static bool is_wanted(const struct entry *x, const char *service, const char *op, uint64_t since)
{
    return x->n > since && (service == NULL || strcmp(service, x->service) == 0) &&
           (op == NULL || strcmp(op, x->op) == 0);
}

static int format_list(const struct entry_list *list, const char *service, const char *op,
                       uint64_t since, struct buf *out, struct err *e)
{
    const struct entry *x = NULL;
    const char *before = "[";

    TAILQ_FOREACH(x, list, link)
    {
        if (!is_wanted(x, service, op, since))
            continue;
        if (buf_add_str(out, before, e) != 0 || buf_add(out, x->json.p, x->json.n, e) != 0)
            return -1;
        before = ",";
    }
    return buf_add_str(out, before[0] == '[' ? "[]" : "]", e);
}

int journal_list(struct journal *j, const char *service, const char *op, uint64_t since,
                 struct buf *out, struct err *e)
{
    pthread_mutex_lock(&j->lock);
    const int r = format_list(&j->entries, service, op, since, out, e);
    pthread_mutex_unlock(&j->lock);
    return r;
}
