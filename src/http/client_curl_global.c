/* libcurl copies headers, requests and answers into memory of its own, which therefore comes from
 * functions that overwrite before they free. realloc() could move a block and leave the old bytes
 * behind, so a growing block is copied. */
#include "http/client_curl_global.h"

#include "base/buf.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wiping_free(void *p)
{
    if (p == NULL)
        return;
    mem_wipe(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *p, size_t n)
{
    const size_t had = p != NULL ? malloc_usable_size(p) : 0;

    if (p != NULL && n != 0 && n <= had)
        return p;
    void *grown = malloc(n != 0 ? n : 1);
    if (grown == NULL)
        return NULL;
    if (had != 0)
        memcpy(grown, p, had < n ? had : n);
    wiping_free(p);
    return grown;
}

int client_curl_global_init(struct err *e)
{
    const CURLcode rc = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free,
                                             wiping_realloc, strdup, calloc);

    if (rc != CURLE_OK)
        return err_set(e, ERR_NOMEM, "libcurl cannot start: %s", curl_easy_strerror(rc));
    return 0;
}

void client_curl_global_done(void)
{
    curl_global_cleanup();
}
