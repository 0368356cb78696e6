/* The servers of one cloudsim: TLS and plain ones for the services, one for control. */
#ifndef SIM_LISTENERS_H
#define SIM_LISTENERS_H

#include "sim/outputs.h"

#define LISTENERS_MAX          16
#define LISTENERS_ADDRESS_SIZE 64

struct listeners_config {
    int tls_port, plain_port, control_port; /* on 127.0.0.1; 0: any free one */
    const char *tls_list, *plain_list;      /* "ip:port,…" instead of the port; NULL or "" */
};

struct listeners {
    struct simhttpd *servers[LISTENERS_MAX];
    size_t n;
    struct outputs_places places;
    char plain_address[LISTENERS_ADDRESS_SIZE];
};

/* Fails: ERR_ARG (the lists), ERR_SYS (the message names the address). */
MUST_CHECK int listeners_open(const struct listeners_config *config, struct sim *sim,
                              struct listeners *out, struct err *e);

/* Waits for the requests that are under way; after sim_stop() these are short. */
void listeners_close(struct listeners *l);

#endif
