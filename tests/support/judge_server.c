#include "support/asserts.h"

#include "support/judge_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_server(const char *directory, int in, int out)
{
    char script[512];

    snprintf(script, sizeof(script), "%s/tests/http/judge_server.py", getenv("SOURCE_ROOT"));
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl("/usr/bin/python3", "/usr/bin/python3", "-I", "-W", "ignore", script, directory,
          (char *)NULL);
    _exit(127);
}

static bool read_ports(struct judge_server *j, FILE *from)
{
    char line[64];

    while (fgets(line, sizeof(line), from) != NULL && j->n_ports < ARRAY_LEN(j->ports)) {
        char *blank = strchr(line, ' ');
        if (blank == NULL)
            return false;
        *blank = '\0';
        if (strcmp(line, "ready") == 0)
            return true;
        snprintf(j->ports[j->n_ports].name, sizeof(j->ports[0].name), "%.19s", line);
        j->ports[j->n_ports++].port = (int)strtol(blank + 1, NULL, 10);
    }
    return false;
}

int judge_server_start(void **state)
{
    struct judge_server *j = calloc(1, sizeof(*j));
    int in[2], out[2];
    char ca[128];
    struct err e;

    snprintf(j->directory, sizeof(j->directory), "judge_XXXXXX");
    if (mkdtemp(j->directory) == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return -1;
    j->pid = fork();
    if (j->pid == 0)
        run_server(j->directory, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    j->to_child = in[1];
    FILE *from = fdopen(out[0], "r");
    const bool is_ready = read_ports(j, from);
    fclose(from);
    *state = j;
    if (!is_ready) {
        print_error("judge_server.py did not start\n");
        return -1;
    }
    snprintf(ca, sizeof(ca), "%s/ca.pem", j->directory);
    if (roots_new(ca, "/nonexistent", &j->roots, &e) != 0)
        return -1;
    const struct http_client_curl_config config = { 2000, j->roots };
    return http_client_curl_new(&config, &j->client, &e);
}

int judge_server_stop(void **state)
{
    struct judge_server *j = *state;
    char path[128];

    http_client_close(j->client);
    roots_free(j->roots);
    close(j->to_child);
    waitpid(j->pid, NULL, 0);
    static const char *const names[] = { "ca", "good", "untrusted", "expired", "other", "old" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s.pem", j->directory, names[i]);
        unlink(path);
    }
    const int rc = rmdir(j->directory);
    free(j);
    return rc;
}

int judge_server_port(const struct judge_server *j, const char *name)
{
    for (size_t i = 0; i < j->n_ports; i++)
        if (strcmp(j->ports[i].name, name) == 0)
            return j->ports[i].port;
    fail_msg("the judge has no port \"%s\"", name);
    return 0;
}

void judge_server_url(const struct judge_server *j, const char *port, const char *path,
                      char out[static JUDGE_URL_SIZE])
{
    snprintf(out, JUDGE_URL_SIZE, "%s://127.0.0.1:%d%s",
             strcmp(port, "plain") == 0 ? "http" : "https", judge_server_port(j, port), path);
}

int judge_server_get(const struct judge_server *j, const char *port, const char *path,
                     struct http_response *out, struct err *e)
{
    char url[JUDGE_URL_SIZE];

    judge_server_url(j, port, path, url);
    const struct http_request request = { .method = "GET", .url = url, .timeout_ms = 10000 };
    return http_perform(j->client, &request, out, e);
}
