#include "sim/listeners.h"

#include "base/str.h"
#include "sim/control.h"
#include "sim/pki.h"
#include "sim/simhttpd.h"

#include <stdio.h>
#include <string.h>

#define LOOPBACK "127.0.0.1"
#define MAX_PORT 65535

static void serve_cloud(void *ctx, struct sim_request *req, struct sim_reply *out)
{
    sim_serve(ctx, req, out);
}

static void serve_control(void *ctx, struct sim_request *req, struct sim_reply *out)
{
    control_serve(ctx, req, out);
}

/* The certificate and key as the server library wants them. */
struct tls_texts {
    char *cert, *key;
};

static void tls_texts_done(struct tls_texts *t)
{
    str_free(t->cert);
    str_free(t->key);
}

static int add(struct listeners *l, struct sim *sim, enum sim_listener kind, const char *address,
               int port, struct err *e)
{
    CLEANUP(tls_texts_done) struct tls_texts tls = { 0 };

    if (l->n == LISTENERS_MAX)
        return err_set(e, ERR_ARG, "more than %d listeners", LISTENERS_MAX);
    if (kind == SIM_TLS && (str_from_span(pki_server_cert(sim->pki), &tls.cert, e) != 0 ||
                            str_from_span(pki_server_key(sim->pki), &tls.key, e) != 0))
        return -1;
    const struct simhttpd_config config = {
        .listener = kind,
        .address = address,
        .port = port,
        .cert = tls.cert,
        .key = tls.key,
        .handle = kind == SIM_CONTROL ? serve_control : serve_cloud,
        .ctx = sim,
    };
    if (simhttpd_start(&config, &l->servers[l->n], e) != 0)
        return -1;
    l->n++;
    return 0;
}

/* "ip:port" into its parts. */
static int split(const char *text, char address[static LISTENERS_ADDRESS_SIZE], int *out_port,
                 struct err *e)
{
    const char *colon = strrchr(text, ':');
    const size_t n = colon == NULL ? 0 : (size_t)(colon - text);
    uint64_t port = 0;

    if (n == 0 || n >= LISTENERS_ADDRESS_SIZE)
        return err_set(e, ERR_ARG, "\"%.80s\" is not of the form ip:port", text);
    if (str_to_u64(colon + 1, 10, MAX_PORT, &port, e) != 0)
        return err_wrap(e, "port of \"%.80s\"", text);
    memcpy(address, text, n);
    address[n] = '\0';
    *out_port = (int)port;
    return 0;
}

/* list: "ip:port,…", or empty for loopback and port. The first one is told to clients. */
static int add_all(struct listeners *l, struct sim *sim, enum sim_listener kind, const char *list,
                   int port, char first_address[static LISTENERS_ADDRESS_SIZE], int *out_port,
                   struct err *e)
{
    CLEANUP(str_freep) char *copy = NULL;
    char address[LISTENERS_ADDRESS_SIZE] = LOOPBACK;
    const size_t first = l->n;

    if (str_is_empty(list)) {
        memcpy(first_address, address, sizeof(address));
        if (add(l, sim, kind, LOOPBACK, port, e) != 0)
            return -1;
    } else if (str_dup(list, &copy, e) != 0) {
        return -1;
    }
    for (char *rest = copy, *item = NULL; (item = strsep(&rest, ",")) != NULL;) {
        if (split(item, address, &port, e) != 0 || add(l, sim, kind, address, port, e) != 0)
            return -1;
        if (l->n == first + 1)
            memcpy(first_address, address, sizeof(address));
    }
    *out_port = simhttpd_port(l->servers[first]);
    return 0;
}

static int open_all(const struct listeners_config *c, struct sim *sim, struct listeners *l,
                    struct err *e)
{
    struct outputs_places *p = &l->places;
    char unused[LISTENERS_ADDRESS_SIZE];

    if (add_all(l, sim, SIM_TLS, c->tls_list, c->tls_port, unused, &p->tls_port, e) != 0 ||
        add_all(l, sim, SIM_PLAIN, c->plain_list, c->plain_port, l->plain_address, &p->plain_port,
                e) != 0)
        return -1;
    p->plain_address = l->plain_address;
    p->control_address = LOOPBACK;
    return add_all(l, sim, SIM_CONTROL, NULL, c->control_port, unused, &p->control_port, e);
}

int listeners_open(const struct listeners_config *config, struct sim *sim, struct listeners *out,
                   struct err *e)
{
    *out = (struct listeners){ 0 };
    if (open_all(config, sim, out, e) != 0) {
        sim_stop(sim);
        listeners_close(out);
        return -1;
    }
    return 0;
}

void listeners_close(struct listeners *l)
{
    while (l->n > 0)
        simhttpd_stop(l->servers[--l->n]);
}
