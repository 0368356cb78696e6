/*
 * The cache of access tokens. For each resource there is one entry; what its token allows now:
 *
 *   left of its life           callers get             and
 *   more than "ahead"          the token               nothing
 *   "margin" .. "ahead"        the token               one background thread asks for the next
 *   "margin" or less, or none  the outcome of a flight one caller asks, the others wait for it
 *
 * "ahead" is 300 s or a fifth of the life, whichever is more, but at most half of it; "margin" is
 * a quarter of it, but at least 2 s and at most 10 s: a token that near to its end may not survive
 * the journey. A token whose answer named no end counts as one of 60 s. The background thread tries
 * until it succeeds.
 *
 * Locks: id->lock guards the list and the tokens and is held for moments only. A flight has a lock
 * of its own; nobody joins one while holding id->lock.
 */
#include "azure/identity.h"

#include "azure/identity_source.h"
#include "base/flight.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

#define MIN_MARGIN_MS         2000
#define MAX_MARGIN_MS         10000
#define AHEAD_MS              300000
#define UNKNOWN_LIFE_S        60
#define MAX_LIFE_S            31536000LL /* a year */
#define BACKGROUND_MS         8000 /* limit of one background attempt: identity_free() waits for it */
#define REFRESHER_STACK       262144
#define PUBLIC_LOGIN_BASE_URL "https://login.microsoftonline.com"

struct entry {
    struct identity *id;
    char *resource;
    char *login_url;
    struct flight flight; /* one request at a time, foreground or background */

    /* The rest is guarded by id->lock. */
    struct entry *next;
    char *token;        /* NULL: none */
    int64_t expires_ms; /* on the clock of env, as is refresh_ms */
    int64_t refresh_ms;
    int64_t margin_ms;
    bool refreshing;    /* the thread is at work */
    bool has_refresher; /* the thread was started and not yet joined */
    pthread_t refresher;
};

struct identity {
    const struct http_env *env;
    bool is_workload;
    char *client_id, *imds_url;               /* managed identity; client_id may be NULL */
    char *tenant_id, *token_file, *login_url; /* workload identity; login_url may be NULL */

    pthread_mutex_t lock;
    pthread_cond_t closing_cond;
    bool closing;
    struct entry *entries;
};

/* "https://host[:port]" of a URL that names nothing more; without a scheme it is https. */
static int read_base_url(const char *what, const char *text, bool https_only, char **out,
                         struct err *e)
{
    struct url_parts u = { 0 };
    struct err why;

    if (url_parse(text, &u, &why) != 0)
        return err_set(e, ERR_ARG, "%s is not a URL: %s", what, why.msg);
    if (*u.path != '\0' && strcmp(u.path, "/") != 0)
        return err_set(e, ERR_ARG, "%s has a path", what);
    if (https_only && !u.https)
        return err_set(e, ERR_ARG, "%s is not https", what);
    const int n = (int)(strlen(text) - strlen(u.path));
    return str_printf(out, e, "%s%.*s", strstr(text, "://") != NULL ? "" : "https://", n, text);
}

static int init_locks(struct identity *id, struct err *e)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0)
        return err_nomem(e);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    const int rc = pthread_cond_init(&id->closing_cond, &attr);
    pthread_condattr_destroy(&attr);
    if (rc != 0)
        return err_nomem(e);
    if (pthread_mutex_init(&id->lock, NULL) != 0) {
        pthread_cond_destroy(&id->closing_cond);
        return err_nomem(e);
    }
    return 0;
}

static void free_strings(struct identity *id)
{
    str_freep(&id->client_id);
    str_freep(&id->imds_url);
    str_freep(&id->tenant_id);
    str_freep(&id->token_file);
    str_freep(&id->login_url);
}

static int configure_workload(struct identity *id, const struct identity_config *c, struct err *e)
{
    id->is_workload = true;
    if (!identity_tenant_is_sane(c->workload_tenant_id))
        return err_set(e, ERR_ARG, "the tenant of the workload identity is not a tenant's name");
    if (!str_is_empty(c->authority_host) &&
        read_base_url("the authority host", c->authority_host, true, &id->login_url, e) != 0)
        return -1;
    if (str_dup(c->workload_client_id, &id->client_id, e) != 0 ||
        str_dup(c->workload_tenant_id, &id->tenant_id, e) != 0)
        return -1;
    return str_dup(c->workload_token_file, &id->token_file, e);
}

static int configure_managed(struct identity *id, const struct identity_config *c, struct err *e)
{
    if (read_base_url("the address of the instance metadata service", c->imds_url, false,
                      &id->imds_url, e) != 0)
        return -1;
    return str_is_empty(c->client_id) ? 0 : str_dup(c->client_id, &id->client_id, e);
}

int identity_new(const struct identity_config *config, const struct http_env *env,
                 struct identity **out, struct err *e)
{
    struct identity *id = calloc(1, sizeof(*id));
    const bool workload = !str_is_empty(config->workload_client_id) &&
                          !str_is_empty(config->workload_tenant_id) &&
                          !str_is_empty(config->workload_token_file);

    if (id == NULL)
        return err_nomem(e);
    id->env = env;
    if ((workload ? configure_workload(id, config, e) : configure_managed(id, config, e)) != 0 ||
        init_locks(id, e) != 0) {
        free_strings(id);
        free(id);
        return -1;
    }
    *out = id;
    return 0;
}

static void entry_free(struct entry *en)
{
    if (en->has_refresher)
        pthread_join(en->refresher, NULL);
    flight_done(&en->flight);
    str_free(en->token);
    str_free(en->resource);
    str_free(en->login_url);
    free(en);
}

void identity_free(struct identity *id)
{
    if (id == NULL)
        return;
    pthread_mutex_lock(&id->lock);
    id->closing = true;
    pthread_cond_broadcast(&id->closing_cond);
    pthread_mutex_unlock(&id->lock);
    while (id->entries != NULL) {
        struct entry *en = id->entries;
        id->entries = en->next;
        entry_free(en);
    }
    pthread_cond_destroy(&id->closing_cond);
    pthread_mutex_destroy(&id->lock);
    free_strings(id);
    free(id);
}

const char *identity_kind(const struct identity *id)
{
    return id->is_workload ? "workload identity" : "managed identity";
}

/* NULL when out of memory. */
static struct entry *entry_new(struct identity *id, const char *resource, const char *login_host,
                               struct err *e)
{
    struct entry *en = calloc(1, sizeof(*en));

    if (en == NULL) {
        err_nomem(e);
        return NULL;
    }
    en->id = id;
    if (str_dup(resource, &en->resource, e) == 0 &&
        (id->login_url != NULL ? str_dup(id->login_url, &en->login_url, e)
         : login_host == NULL  ? str_dup(PUBLIC_LOGIN_BASE_URL, &en->login_url, e)
                               : str_printf(&en->login_url, e, "https://%s", login_host)) == 0 &&
        flight_init(&en->flight, e) == 0)
        return en;
    str_free(en->resource);
    str_free(en->login_url);
    free(en);
    return NULL;
}

/* Called with id->lock held; NULL: there is none. */
static struct entry *find_entry(const struct identity *id, const char *resource)
{
    struct entry *en = id->entries;

    while (en != NULL && strcmp(en->resource, resource) != 0)
        en = en->next;
    return en;
}

/* Entries stay until identity_free(), so that they may be used without the lock. */
static int get_entry(struct identity *id, const char *resource, const char *login_host,
                     struct entry **out, struct err *e)
{
    pthread_mutex_lock(&id->lock);
    struct entry *en = find_entry(id, resource);
    if (en == NULL) {
        en = entry_new(id, resource, login_host, e);
        if (en != NULL) {
            en->next = id->entries;
            id->entries = en;
        }
    }
    pthread_mutex_unlock(&id->lock);
    if (en == NULL)
        return -1;
    *out = en;
    return 0;
}

/* How much of the token's life is left; called with id->lock held. */
static int64_t left_ms(const struct entry *en)
{
    return en->token != NULL ? en->expires_ms - clock_now_ms(en->id->env->clk) : 0;
}

static bool is_refresh_due(const struct entry *en)
{
    return en->token == NULL || clock_now_ms(en->id->env->clk) >= en->refresh_ms;
}

static int fetch(const struct entry *en, int64_t deadline_ms, struct access_token *out,
                 struct err *e)
{
    const struct identity *id = en->id;
    const struct identity_workload w = { id->client_id, id->tenant_id, id->token_file };
    const int rc = id->is_workload ? identity_workload_fetch(id->env, en->login_url, &w,
                                                             en->resource, deadline_ms, out, e)
                                   : identity_imds_fetch(id->env, id->imds_url, id->client_id,
                                                         en->resource, deadline_ms, out, e);

    metrics_add(id->env->metrics, "skr_token_requests_total", 1,
                id->is_workload ? "workload_identity" : "managed_identity",
                rc == 0 ? "ok" : err_code_name(e->code), NULL);
    return rc;
}

/* Takes the token. */
static void store(struct entry *en, struct access_token *t)
{
    struct identity *id = en->id;
    const int64_t now_ms = clock_now_ms(id->env->clk);
    int64_t life_ms = t->life_s > 0 ? t->life_s : UNKNOWN_LIFE_S;

    life_ms = (life_ms < MAX_LIFE_S ? life_ms : MAX_LIFE_S) * 1000;
    int64_t ahead_ms = life_ms / 5 > AHEAD_MS ? life_ms / 5 : AHEAD_MS;
    if (ahead_ms > life_ms / 2)
        ahead_ms = life_ms / 2;
    int64_t margin_ms = life_ms / 4 < MAX_MARGIN_MS ? life_ms / 4 : MAX_MARGIN_MS;
    if (margin_ms < MIN_MARGIN_MS)
        margin_ms = MIN_MARGIN_MS;

    pthread_mutex_lock(&id->lock);
    str_free(en->token);
    en->token = TAKE(t->text);
    en->expires_ms = now_ms + life_ms;
    en->refresh_ms = en->expires_ms - ahead_ms;
    en->margin_ms = margin_ms;
    pthread_mutex_unlock(&id->lock);
    const int64_t now_s = clock_unix_s(id->env->clk);
    metrics_set(id->env->metrics, "skr_token_fetched_seconds", (double)now_s, en->resource, NULL,
                NULL);
    metrics_set(id->env->metrics, "skr_token_expiry_seconds",
                (double)now_s + (double)life_ms / 1000, en->resource, NULL, NULL);
}

/* The work of a flight's leader; ahead: in the background, while the old token is still good.
 * A token that another flight brought since the caller looked is taken instead. */
static int lead(struct entry *en, bool ahead, int64_t deadline_ms, struct err *e)
{
    struct identity *id = en->id;
    CLEANUP(access_token_done) struct access_token t = { 0 };
    int rc = 0;

    pthread_mutex_lock(&id->lock);
    const bool needed = ahead ? is_refresh_due(en) : left_ms(en) <= en->margin_ms;
    pthread_mutex_unlock(&id->lock);
    if (needed) {
        if (!ahead)
            metrics_add(id->env->metrics, "skr_token_cache_total", 1, "miss", NULL, NULL);
        rc = fetch(en, deadline_ms, &t, e);
        if (rc == 0)
            store(en, &t);
    }
    flight_land(&en->flight, rc == 0 ? NULL : e);
    return rc;
}

/* flight.h counts on the system's clock, callers on that of env. */
static int64_t flight_deadline(const struct identity *id, int64_t deadline_ms)
{
    return clock_now_ms(clock_system()) + (deadline_ms - clock_now_ms(id->env->clk));
}

static int refresh(struct entry *en, struct err *e)
{
    const int64_t deadline_ms = clock_now_ms(en->id->env->clk) + BACKGROUND_MS;

    switch (flight_join(&en->flight, flight_deadline(en->id, deadline_ms), e)) {
    case FLIGHT_LEAD:
        return lead(en, true, deadline_ms, e);
    case FLIGHT_LANDED:
        return 0;
    default:
        return -1;
    }
}

/* False: the object is being freed. */
static bool pause_unless_closing(struct identity *id, int64_t ms)
{
    const int64_t until_ms = clock_now_ms(clock_system()) + ms;
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = until_ms % 1000 * 1000000 };
    int rc = 0;

    pthread_mutex_lock(&id->lock);
    while (!id->closing && rc == 0)
        rc = pthread_cond_timedwait(&id->closing_cond, &id->lock, &until);
    const bool closing = id->closing;
    pthread_mutex_unlock(&id->lock);
    return !closing;
}

static void *refresher_main(void *arg)
{
    struct entry *en = arg;
    struct err e;

    for (int n_failed = 1; refresh(en, &e) != 0; n_failed++) {
        log_warning("refreshing the token for %s ahead of its end failed, will be tried again: %s",
                    en->resource, e.msg);
        if (!pause_unless_closing(en->id, retry_background_ms(n_failed, random_u32())))
            break;
    }
    pthread_mutex_lock(&en->id->lock);
    en->refreshing = false;
    pthread_mutex_unlock(&en->id->lock);
    return NULL;
}

/* Called with id->lock held. A thread that cannot be started is no failure: the token is good, and
 * the next caller tries again. */
static void start_refresher(struct entry *en)
{
    pthread_attr_t attr;

    if (en->refreshing || en->id->closing)
        return;
    if (en->has_refresher) /* it is past its last use of the lock: this does not wait */
        pthread_join(en->refresher, NULL);
    en->has_refresher = false;
    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, REFRESHER_STACK);
        if (rc == 0)
            rc = pthread_create(&en->refresher, &attr, refresher_main, en);
        pthread_attr_destroy(&attr);
    }
    en->has_refresher = en->refreshing = rc == 0;
    if (rc != 0)
        log_warning("no thread to refresh the token for %s: %s", en->resource, strerror(rc));
}

/* A copy of the cached token; *out stays NULL when there is none, or it is too near to its end.
 * fresh: it comes from the service just now, where even a token of a second is the best there is.
 */
static int take_cached(struct entry *en, bool fresh, char **out, struct err *e)
{
    int rc = 0;

    pthread_mutex_lock(&en->id->lock);
    if (left_ms(en) > (fresh ? 0 : en->margin_ms)) {
        if (is_refresh_due(en))
            start_refresher(en);
        rc = str_dup(en->token, out, e);
    }
    pthread_mutex_unlock(&en->id->lock);
    return rc;
}

static int get_token(struct entry *en, int64_t deadline_ms, char **out, struct err *e)
{
    struct identity *id = en->id;

    if (take_cached(en, false, out, e) != 0)
        return -1;
    if (*out != NULL)
        metrics_add(id->env->metrics, "skr_token_cache_total", 1, "hit", NULL, NULL);

    /* More than one round only when a token was dropped between its landing and our look. */
    while (*out == NULL) {
        switch (flight_join(&en->flight, flight_deadline(id, deadline_ms), e)) {
        case FLIGHT_LEAD:
            if (lead(en, false, deadline_ms, e) != 0)
                return -1;
            break;
        case FLIGHT_LANDED:
            metrics_add(id->env->metrics, "skr_token_cache_total", 1, "wait", NULL, NULL);
            break;
        default:
            return -1;
        }
        if (take_cached(en, true, out, e) != 0)
            return -1;
    }
    return 0;
}

int identity_token(struct identity *id, const char *resource, const char *login_host,
                   int64_t deadline_ms, char **out_token, struct err *e)
{
    struct entry *en = NULL;
    char *token = NULL;

    if (get_entry(id, resource, login_host, &en, e) != 0 ||
        get_token(en, deadline_ms, &token, e) != 0)
        return err_wrap(e, "no access token for %s", resource);
    *out_token = token;
    return 0;
}

bool identity_has_to_ask(struct identity *id, const char *resource)
{
    pthread_mutex_lock(&id->lock);
    const struct entry *en = find_entry(id, resource);
    const bool has_to = en == NULL || left_ms(en) <= en->margin_ms;
    pthread_mutex_unlock(&id->lock);
    return has_to;
}

void identity_drop(struct identity *id, const char *resource, const char *token)
{
    pthread_mutex_lock(&id->lock);
    struct entry *en = find_entry(id, resource);
    if (en != NULL && en->token != NULL && digest_equal(span_str(en->token), span_str(token)))
        str_freep(&en->token);
    pthread_mutex_unlock(&id->lock);
}
