/* TLS sessions, judged by openssl s_server: its page says whether a connection was "New" or
 * "Reused", and it closes each one after its answer. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct judge_server *judge; /* for its certificates */

struct s_server {
    pid_t pid;
    int port;
};

static void run_s_server(const char *port, const char *cert, const char *version, int out)
{
    char accept[32], file[160];

    snprintf(accept, sizeof(accept), "127.0.0.1:%s", port);
    snprintf(file, sizeof(file), "%s/%s", judge->directory, cert);
    dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(STDIN_FILENO, STDERR_FILENO);
    execlp("openssl", "openssl", "s_server", "-www", "-accept", accept, "-cert", file, "-key", file,
           version, (char *)NULL);
    _exit(127);
}

static void start_s_server(int port, const char *cert, const char *version, struct s_server *out)
{
    char line[128] = "", port_text[16];
    int fds[2];

    snprintf(port_text, sizeof(port_text), "%d", port);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    out->pid = fork();
    if (out->pid == 0)
        run_s_server(port_text, cert, version, fds[1]);
    close(fds[1]);
    FILE *from = fdopen(fds[0], "r");
    while (!str_starts_with(line, "ACCEPT")) /* with an address when the port was left open */
        if (fgets(line, sizeof(line), from) == NULL)
            skip_because("openssl s_server does not start");
    fclose(from);
    out->port = port != 0 ? port : (int)strtol(strchr(line, ':') + 1, NULL, 10);
}

static void stop_s_server(const struct s_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

static int get(struct http_client *client, const char *host, int port, struct http_response *out,
               struct err *e)
{
    char url[128];

    snprintf(url, sizeof(url), "https://%s:%d/", host, port);
    const struct http_request request = { .method = "GET", .url = url, .timeout_ms = 10000 };
    return http_perform(client, &request, out, e);
}

static bool is_resumed(struct http_response *r)
{
    const char *page = buf_cstr(&r->body);
    const bool is_reused = strstr(page, "\nReused, TLS") != NULL;

    assert_true(is_reused != (strstr(page, "\nNew, TLS") != NULL));
    return is_reused;
}

static bool get_resumes(struct http_client *client, const char *host, int port)
{
    CLEANUP(http_response_done) struct http_response r = { 0 };
    struct err e;

    assert_ok(get(client, host, port, &r, &e));
    return is_resumed(&r);
}

static struct http_client *new_client(struct roots *roots)
{
    const struct http_client_curl_config config = { 2000, roots };
    struct http_client *client = NULL;
    struct err e;

    assert_ok(http_client_curl_new(&config, &client, &e));
    return client;
}

static void ignore(struct http_exchange *x, const struct err *e)
{
    assert_non_null(e); /* it is answered by nobody and ends with the client */
}

/* Each exchange under way keeps a handle of libcurl's from being used again. */
static void resumes_the_session_of_any_earlier_connection(void **state)
{
    static const char *const versions[] = { "-tls1_2", "-tls1_3" };
    char silent[JUDGE_URL_SIZE];

    judge_server_url(judge, "plain", "/silent", silent);
    const struct http_request request = { .method = "GET", .url = silent, .timeout_ms = 60000 };
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct http_client *client = new_client(judge->roots);
        struct http_exchange busy[4];
        struct s_server s;

        start_s_server(0, "good.pem", versions[i], &s);
        assert_false(get_resumes(client, "127.0.0.1", s.port));
        for (size_t n = 0; n < ARRAY_LEN(busy); n++) {
            busy[n] = (struct http_exchange){ .request = &request, .done = ignore };
            client->ops->submit(client, &busy[n]);
            assert_true(get_resumes(client, "127.0.0.1", s.port));
        }
        http_client_close(client);
        stop_s_server(&s);
    }
}

static void resumes_no_session_of_another_host_or_port(void **state)
{
    struct http_client *client = new_client(judge->roots);
    struct s_server one, other;

    start_s_server(0, "good.pem", "-tls1_3", &one);
    start_s_server(0, "good.pem", "-tls1_3", &other);
    assert_false(get_resumes(client, "127.0.0.1", one.port));
    assert_false(get_resumes(client, "localhost", one.port));
    assert_false(get_resumes(client, "127.0.0.1", other.port));
    assert_true(get_resumes(client, "localhost", one.port));
    http_client_close(client);
    stop_s_server(&one);
    stop_s_server(&other);
}

/* Whoever answers now does not know the session, and has to show a certificate. */
static void an_offered_session_excuses_no_certificate(void **state)
{
    static const struct {
        const char *cert, *needle;
    } cases[] = {
        { "untrusted.pem", "certificate" },
        { "expired.pem", "certificate has expired" },
        { "other.pem", "certificate subject name" },
    };
    static const char *const versions[] = { "-tls1_2", "-tls1_3" };

    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(versions); i++) {
        const char *version = versions[i % ARRAY_LEN(versions)];
        const char *cert = cases[i / ARRAY_LEN(versions)].cert;
        const char *needle = cases[i / ARRAY_LEN(versions)].needle;
        struct http_client *client = new_client(judge->roots);
        struct http_response r = { .status = -7 };
        struct s_server good, bad;
        struct err e;

        start_s_server(0, "good.pem", version, &good);
        assert_false(get_resumes(client, "127.0.0.1", good.port));
        stop_s_server(&good);
        start_s_server(good.port, cert, version, &bad);
        for (int n = 0; n < 2; n++) /* what was refused once leaves no session either */
            assert_fails(ERR_TLS, needle, get(client, "127.0.0.1", bad.port, &r, &e));
        stop_s_server(&bad);
        http_client_close(client);
    }
}

static void takes_no_session_from_a_client_with_other_roots(void **state)
{
    struct http_client *client = new_client(judge->roots), *same, *stranger;
    struct http_response r = { .status = -7 };
    struct roots *roots = NULL;
    struct s_server s;
    char file[160];
    struct err e;

    snprintf(file, sizeof(file), "%s/other.pem", judge->directory);
    assert_ok(roots_new(file, "/nonexistent", &roots, &e));
    same = new_client(judge->roots);
    stranger = new_client(roots);
    start_s_server(0, "good.pem", "-tls1_3", &s);
    assert_false(get_resumes(client, "127.0.0.1", s.port));
    assert_fails(ERR_TLS, "certificate", get(stranger, "127.0.0.1", s.port, &r, &e));
    assert_false(get_resumes(same, "127.0.0.1", s.port));
    assert_true(get_resumes(client, "127.0.0.1", s.port));
    stop_s_server(&s);
    http_client_close(stranger);
    http_client_close(same);
    http_client_close(client);
    roots_free(roots);
}

static int start(void **state)
{
    const int rc = judge_server_start(state);

    judge = *state;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_the_session_of_any_earlier_connection),
        cmocka_unit_test(resumes_no_session_of_another_host_or_port),
        cmocka_unit_test(an_offered_session_excuses_no_certificate),
        cmocka_unit_test(takes_no_session_from_a_client_with_other_roots),
    };

    return cmocka_run_group_tests(tests, start, judge_server_stop);
}
