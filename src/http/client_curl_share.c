#include "http/client_curl_share.h"

static void lock(CURL *easy, curl_lock_data what, curl_lock_access access, void *user)
{
    struct client_curl_share *s = user;

    (void)easy;
    (void)access;
    pthread_mutex_lock(&s->locks[what]);
}

static void unlock(CURL *easy, curl_lock_data what, void *user)
{
    struct client_curl_share *s = user;

    (void)easy;
    pthread_mutex_unlock(&s->locks[what]);
}

void client_curl_share_done(struct client_curl_share *s)
{
    curl_share_cleanup(s->curl);
    for (size_t i = 0; i < ARRAY_LEN(s->locks); i++)
        pthread_mutex_destroy(&s->locks[i]);
    s->curl = NULL;
}

int client_curl_share_init(struct client_curl_share *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(out->locks); i++)
        pthread_mutex_init(&out->locks[i], NULL);
    out->curl = curl_share_init();
    if (out->curl != NULL && curl_share_setopt(out->curl, CURLSHOPT_LOCKFUNC, lock) == CURLSHE_OK &&
        curl_share_setopt(out->curl, CURLSHOPT_UNLOCKFUNC, unlock) == CURLSHE_OK &&
        curl_share_setopt(out->curl, CURLSHOPT_USERDATA, out) == CURLSHE_OK &&
        curl_share_setopt(out->curl, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
        return 0;
    client_curl_share_done(out);
    return err_set(e, ERR_NOMEM, "libcurl has no memory for TLS sessions");
}
