/* A name server that never answers. It is on loopback, behind a resolv.conf that only this process
 * sees, so the test needs to be allowed to mount. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEAD_SERVER "127.83.42.7"

static struct judge_server *judge;
static int dead_server = -1; /* stays -1 where the machine does not allow it */

/* Binds the port and lets what comes pile up. */
static int open_dead_server(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, DEAD_SERVER, &address.sin_addr);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool mount_resolver(void)
{
    static const char text[] = "nameserver " DEAD_SERVER "\noptions timeout:5 attempts:2\n";
    char path[] = "resolv_XXXXXX";
    const int fd = mkstemp(path);
    const bool mounted = fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1 &&
                         unshare(CLONE_NEWNS) == 0 &&
                         mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                         mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;

    close(fd);
    unlink(path);
    return mounted;
}

struct lost {
    struct http_exchange exchange;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_done;
    struct err failure;
};

static void lost_done(struct http_exchange *x, const struct err *e)
{
    struct lost *l = CONTAINER_OF(x, struct lost, exchange);

    pthread_mutex_lock(&l->lock);
    l->is_done = true;
    if (e != NULL)
        l->failure = *e;
    pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->lock);
}

static void a_dead_name_server_delays_nobody_else(void **state)
{
    const struct http_request request = { .method = "GET",
                                          .url = "http://some.name.example/",
                                          .timeout_ms = 1000 };
    struct lost lost = { .exchange = { .request = &request, .done = lost_done },
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .ended = PTHREAD_COND_INITIALIZER };
    const struct clock *clk = clock_system();
    int64_t slowest_ms = 0;
    struct err e;
    int n = 0;

    if (dead_server < 0)
        skip_because("this process is not allowed a name server of its own");
    const int64_t start_ms = clock_now_ms(clk);
    judge->client->ops->submit(judge->client, &lost.exchange);
    for (bool is_done = false; !is_done; n++) {
        CLEANUP(http_response_done) struct http_response r = { 0 };
        const int64_t before_ms = clock_now_ms(clk);
        assert_ok(judge_server_get(judge, "plain", "/size/10", &r, &e));
        const int64_t took_ms = clock_now_ms(clk) - before_ms;
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
        pthread_mutex_lock(&lost.lock);
        is_done = lost.is_done;
        pthread_mutex_unlock(&lost.lock);
        clock_sleep_ms(clk, 5);
    }
    const int64_t total_ms = clock_now_ms(clk) - start_ms;
    print_message("%d others meanwhile, the slowest took %lld ms\n", n, (long long)slowest_ms);
    assert_int_equal(lost.failure.code, ERR_TIMEOUT);
    assert_in_range(total_ms, 990, 6000); /* the lookup would take 10 s */
    assert_true(n > 1);
    assert_in_range(slowest_ms, 0, 5000);
}

/* The question to the name server is still open when the client closes: group tear-down shows. */
static void closes_while_a_name_is_looked_up(void **state)
{
    const struct http_client_curl_config config = { 2000, judge->roots };
    const struct http_request request = { .method = "GET",
                                          .url = "http://other.name.example/",
                                          .timeout_ms = 60000 };
    struct lost lost = { .exchange = { .request = &request, .done = lost_done },
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .ended = PTHREAD_COND_INITIALIZER };
    const int64_t start_ms = clock_now_ms(clock_system());
    struct http_client *client = NULL;
    struct err e;

    if (dead_server < 0)
        skip_because("this process is not allowed a name server of its own");
    assert_ok(http_client_curl_new(&config, &client, &e));
    client->ops->submit(client, &lost.exchange);
    clock_sleep_ms(clock_system(), 200);
    http_client_close(client);
    assert_true(lost.is_done);
    assert_string_equal(lost.failure.msg, "the client was stopped");
    assert_in_range(clock_now_ms(clock_system()) - start_ms, 200, 5000);
}

/* The mount comes before there is any other thread, so that all of them see it. */
static int start(void **state)
{
    dead_server = open_dead_server();
    if (dead_server >= 0 && !mount_resolver()) {
        close(dead_server);
        dead_server = -1;
    }

    const int rc = judge_server_start(state);

    judge = *state;
    return rc;
}

static int stop(void **state)
{
    close(dead_server);
    return judge_server_stop(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_name_server_delays_nobody_else),
        cmocka_unit_test(closes_while_a_name_is_looked_up),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
