/*
 * Makes foreign text fit to be shown. One pass over the text: at each place the longest of these
 * that applies is masked as a whole, and everything else is copied.
 *
 *   1. a given secret, or 12 and more bytes in a row of one (the service may have cut it)
 *   2. a run of base64url characters and dots that has the shape of a JWT
 *   3. what follows the word Bearer
 *
 * The output keeps its two ends only, so text of any length needs no memory.
 */
#include "http/call.h"

#include <string.h>
#include <strings.h>

#define MASK            "[masked]"
#define CUT_MARK        " [...] "
#define GRAM            12
#define FILTER_BITS     (1u << 18)
#define BEARER          "bearer"
#define JWT_MIN_RUN     60
#define JWT_LONG_PART   16
#define MAX_DOTTED_WORD 40
#define KEPT_HEAD       ((HTTP_QUOTE_MAX - (sizeof(CUT_MARK) - 1) + 1) / 2)
#define KEPT_TAIL       (HTTP_QUOTE_MAX - (sizeof(CUT_MARK) - 1) - KEPT_HEAD)

/* Output: the first bytes, and the last ones in a ring. */
struct sink {
    char head[HTTP_QUOTE_MAX];
    char tail[HTTP_QUOTE_MAX];
    size_t n;        /* bytes written, kept or not */
    bool after_mask; /* a mask that follows at once says nothing new */
};

struct quote {
    struct span text;
    struct span secrets[HTTP_MAX_SECRETS];
    size_t n_secrets;
    uint8_t filter[FILTER_BITS / 8]; /* hashes of all GRAMs of the secrets */
    size_t run_end;                  /* runs up to here have been judged */
    struct sink sink;
};

static void sink_byte(struct sink *s, uint8_t c)
{
    if (s->n < sizeof(s->head))
        s->head[s->n] = (char)c;
    s->tail[s->n % sizeof(s->tail)] = (char)c;
    s->n++;
    s->after_mask = false;
}

static void sink_mask(struct sink *s)
{
    if (s->after_mask)
        return;
    for (const char *c = MASK; *c != '\0'; c++)
        sink_byte(s, (uint8_t)*c);
    s->after_mask = true;
}

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

/* Cuts between characters: a byte sequence of UTF-8 goes as a whole. */
static void sink_finish(const struct sink *s, char out[static HTTP_QUOTE_MAX + 1])
{
    if (s->n <= HTTP_QUOTE_MAX) {
        memcpy(out, s->head, s->n);
        out[s->n] = '\0';
        return;
    }

    size_t head = KEPT_HEAD, from = s->n - KEPT_TAIL, n = 0;
    while (head > 0 && is_continuation(s->head[head]))
        head--;
    while (from < s->n && is_continuation(s->tail[from % sizeof(s->tail)]))
        from++;
    memcpy(out, s->head, head);
    n += head;
    memcpy(out + n, CUT_MARK, sizeof(CUT_MARK) - 1);
    n += sizeof(CUT_MARK) - 1;
    for (; from < s->n; from++)
        out[n++] = s->tail[from % sizeof(s->tail)];
    out[n] = '\0';
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_run_char(uint8_t c)
{
    return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* Of RFC 6750 b64token. */
static bool is_token_char(uint8_t c)
{
    return is_run_char(c) || c == '~' || c == '+' || c == '/' || c == '=';
}

/* FNV-1a. */
static uint32_t gram_hash(const uint8_t *p)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < GRAM; i++)
        h = (h ^ p[i]) * 16777619u;
    return (h ^ (h >> 16)) % FILTER_BITS;
}

static void learn_secrets(struct quote *q, const char *const secrets[static HTTP_MAX_SECRETS])
{
    for (size_t i = 0; i < HTTP_MAX_SECRETS && secrets[i] != NULL; i++) {
        const struct span s = span_str(secrets[i]);
        if (s.n == 0)
            continue;
        q->secrets[q->n_secrets++] = s;
        for (size_t k = 0; k + GRAM <= s.n; k++) {
            const uint32_t h = gram_hash(s.p + k);
            q->filter[h / 8] |= (uint8_t)(1u << (h % 8));
        }
    }
}

/* Length of the longest piece of a secret of at least GRAM bytes that starts here; 0: none. */
static size_t piece_at(const struct quote *q, const uint8_t *p, size_t left)
{
    const uint32_t h = left < GRAM ? 0 : gram_hash(p);
    size_t longest = 0;

    if (left < GRAM || (q->filter[h / 8] & (1u << (h % 8))) == 0)
        return 0;
    for (size_t i = 0; i < q->n_secrets; i++) {
        const struct span s = q->secrets[i];
        const uint8_t *found = memmem(s.p, s.n, p, GRAM);
        size_t n = GRAM;
        while (found != NULL && n < left && found + n < s.p + s.n && found[n] == p[n])
            n++;
        if (found != NULL && n > longest)
            longest = n;
    }
    return longest;
}

static size_t secret_at(const struct quote *q, size_t at)
{
    const uint8_t *p = q->text.p + at;
    const size_t left = q->text.n - at;
    size_t longest = piece_at(q, p, left);

    for (size_t i = 0; i < q->n_secrets; i++) {
        const struct span s = q->secrets[i];
        if (s.n < GRAM && s.n <= left && s.n > longest && memmem(p, s.n, s.p, s.n) != NULL)
            longest = s.n;
    }
    return longest;
}

/* What is known of a run of base64url characters and dots. */
struct run {
    size_t n, n_parts, n_long_parts, longest_part;
    bool is_jose; /* a part starts as the JSON text {" does in base64url */
    bool has_case, has_word_only;
};

static struct run run_measure(struct span text)
{
    struct run r = { .n_parts = 1, .has_word_only = true };
    size_t part = 0;

    for (; r.n < text.n && is_run_char(text.p[r.n]); r.n++) {
        const uint8_t c = text.p[r.n];
        if (c == '.') {
            r.n_parts++;
            part = 0;
            continue;
        }
        part++;
        r.is_jose |= part == 3 && span_equal(span_of(text.p + r.n - 2, 3), span_str("eyJ"));
        r.has_case |= (c >= 'A' && c <= 'Z') || c == '_';
        r.has_word_only &= c > '9';
        r.n_long_parts += part == JWT_LONG_PART;
        r.longest_part = part > r.longest_part ? part : r.longest_part;
    }
    return r;
}

/* Host names have no capitals; names of types and namespaces have no digits and short words. */
static bool run_is_jwt(const struct run *r)
{
    if (r->n_parts < 3)
        return false;
    if (r->is_jose)
        return true;
    const bool is_name = r->has_word_only && r->longest_part <= MAX_DOTTED_WORD;
    return r->n >= JWT_MIN_RUN && r->n_long_parts >= 2 && r->has_case && !is_name;
}

/* Words that follow "Bearer" in messages about tokens. */
static bool is_plain_word(const uint8_t *p, size_t n)
{
    static const char *const words[] = { "token",     "tokens",         "or",
                                         "and",       "authorization",  "realm",
                                         "challenge", "authentication", "is",
                                         "scheme",    "error",          "resource" };
    while (n > 0 && (p[n - 1] == '.' || p[n - 1] == '='))
        n--;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && strncasecmp((const char *)p, words[i], n) == 0)
            return true;
    return false;
}

/* If "Bearer" and a credential start here: where the credential starts and how long it is. */
static bool bearer_at(const struct quote *q, size_t at, size_t *out_start, size_t *out_n)
{
    const uint8_t *p = q->text.p;
    size_t i = at + sizeof(BEARER) - 1, n = 0;

    if (i >= q->text.n || (at > 0 && is_alnum(p[at - 1])) ||
        strncasecmp((const char *)p + at, BEARER, sizeof(BEARER) - 1) != 0)
        return false;
    const size_t word_end = i;
    while (i < q->text.n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    while (i + n < q->text.n && is_token_char(p[i + n]))
        n++;
    if (i == word_end || n == 0 || is_plain_word(p + i, n))
        return false;
    *out_start = i;
    *out_n = n;
    return true;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629); 0: it is not one. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    const uint8_t c = p[0];
    const size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Copies one character, or a substitute for what is none; returns how many bytes it was. */
static size_t copy_character(struct quote *q, size_t at)
{
    const uint8_t *p = q->text.p + at;
    const size_t n = utf8_length(p, q->text.n - at);

    if (n == 0)
        sink_byte(&q->sink, '?');
    else if (p[0] < 0x20 || p[0] == 0x7f)
        sink_byte(&q->sink, ' ');
    else
        for (size_t i = 0; i < n; i++)
            sink_byte(&q->sink, p[i]);
    return n == 0 ? 1 : n;
}

/* Length of the JWT that starts here; 0: none. Each run is looked at once, however much of it
 * turns out to be a secret. */
static size_t jwt_at(struct quote *q, size_t at)
{
    if (at < q->run_end || !is_run_char(q->text.p[at]))
        return 0;
    const struct run r = run_measure(span_of(q->text.p + at, q->text.n - at));
    q->run_end = at + r.n;
    return run_is_jwt(&r) ? r.n : 0;
}

/* Handles what starts at a place; returns the place behind it. */
static size_t quote_step(struct quote *q, size_t at)
{
    const size_t n_jwt = jwt_at(q, at), n_secret = secret_at(q, at);
    size_t start = 0, n = 0;

    if (n_jwt != 0 || n_secret != 0) {
        sink_mask(&q->sink);
        return at + (n_jwt > n_secret ? n_jwt : n_secret);
    }
    if (bearer_at(q, at, &start, &n)) {
        while (at < start)
            at += copy_character(q, at);
        sink_mask(&q->sink);
        return start + n;
    }
    return at + copy_character(q, at);
}

void http_quote(struct span text, const char *const secrets[static HTTP_MAX_SECRETS],
                char out[static HTTP_QUOTE_MAX + 1])
{
    struct quote q = { .text = text };

    learn_secrets(&q, secrets);
    for (size_t at = 0; at < text.n;)
        at = quote_step(&q, at);
    sink_finish(&q.sink, out);
}
