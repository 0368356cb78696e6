#include "skr/user_agent.h"

#include "base/log.h"
#include "base/str.h"
#include "crypto/jws.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_NAME   "ConfidentialSkrContainer"
#define VAULT_RESOURCE "https://vault.azure.net"
#define PATIENCE_MS    120000
#define ID_SIZE        128

/* An id that may stand in a header: letters, digits and dashes. */
static bool is_id(const char *s, size_t n)
{
    return n > 0 && n < ID_SIZE &&
           strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") >= n;
}

bool user_agent_from_claims(const json_t *claims, char out[static USER_AGENT_SIZE])
{
    static const char prefix[] = "/subscriptions/";
    const char *rid = json_string_value(json_object_get(claims, "xms_az_rid"));
    const char *appid = json_string_value(json_object_get(claims, "appid"));

    if (rid != NULL && str_starts_with(rid, prefix)) {
        const char *id = rid + sizeof(prefix) - 1;
        const size_t n = strcspn(id, "/");
        if (is_id(id, n)) {
            snprintf(out, USER_AGENT_SIZE, DEFAULT_NAME " subscription_id=%.*s", (int)n, id);
            return true;
        }
    }
    if (appid == NULL || !is_id(appid, strlen(appid)))
        return false;
    snprintf(out, USER_AGENT_SIZE, DEFAULT_NAME " client_id=%s", appid);
    return true;
}

static int find_name(struct user_agent *u, char out[static USER_AGENT_SIZE], struct err *e)
{
    CLEANUP(str_freep) char *token = NULL;
    CLEANUP(json_freep) json_t *claims = NULL;
    const int64_t deadline = clock_now_ms(u->clk) + PATIENCE_MS;

    if (identity_token(u->identity, VAULT_RESOURCE, "login.microsoftonline.com", deadline, &token,
                       e) != 0)
        return -1;
    if (jws_peek(span_str(token), NULL, &claims, e) != 0)
        return err_wrap(e, "the vault token");
    if (!user_agent_from_claims(claims, out))
        return err_set(e, ERR_CHECK, "the vault token names no subscription and no client");
    return 0;
}

static void *run(void *arg)
{
    struct user_agent *u = arg;
    char text[USER_AGENT_SIZE];
    struct err e;

    if (find_name(u, text, &e) != 0) {
        log_info("the User-Agent stays " DEFAULT_NAME ": %s", e.msg);
        return NULL;
    }
    pthread_mutex_lock(&u->lock);
    memcpy(u->text, text, sizeof(text));
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

int user_agent_init(struct user_agent *u, const char *configured, struct identity *identity,
                    const struct clock *clk, struct err *e)
{
    *u = (struct user_agent){ .identity = identity, .clk = clk };
    pthread_mutex_init(&u->lock, NULL);
    snprintf(u->text, sizeof(u->text), "%s", configured != NULL ? configured : DEFAULT_NAME);
    if (configured != NULL)
        return 0;
    if (pthread_create(&u->thread, NULL, run, u) != 0)
        return err_set(e, ERR_SYS, "starting a thread failed");
    u->running = true;
    return 0;
}

void user_agent_done(struct user_agent *u)
{
    if (u->running)
        pthread_join(u->thread, NULL);
    u->running = false;
    pthread_mutex_destroy(&u->lock);
}

void user_agent_copy(struct user_agent *u, char out[static USER_AGENT_SIZE])
{
    pthread_mutex_lock(&u->lock);
    memcpy(out, u->text, USER_AGENT_SIZE);
    pthread_mutex_unlock(&u->lock);
}
