/* Starts tests/http/judge_server.py, which speaks HTTP and TLS with Python's libraries, and a
 * client that trusts its certificates. */
#ifndef SUPPORT_JUDGE_SERVER_H
#define SUPPORT_JUDGE_SERVER_H

#include "http/client_curl.h"

#include <sys/types.h>

struct judge_server {
    pid_t pid;
    int to_child; /* closing it ends the server */
    char directory[64];
    size_t n_ports;
    struct {
        char name[20];
        int port;
    } ports[16];
    struct roots *roots;
    struct http_client *client;
};

/* For cmocka's group set-up and tear-down; *state is the struct judge_server. */
int judge_server_start(void **state);
int judge_server_stop(void **state);

#define JUDGE_URL_SIZE 512

/* "plain", "/echo" → http://127.0.0.1:PORT/echo; any other name but "plain" gives https. */
void judge_server_url(const struct judge_server *j, const char *port, const char *path,
                      char out[static JUDGE_URL_SIZE]);
int judge_server_port(const struct judge_server *j, const char *name);

/* GET within 10 s. */
int judge_server_get(const struct judge_server *j, const char *port, const char *path,
                     struct http_response *out, struct err *e);

#endif
