/* Looks for a token in all of the process's memory after the exchange that carried it. */
#include "support/asserts.h"

#include "support/judge_server.h"

#include "base/random.h"
#include "crypto/wipe.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define N_TOKEN 24
#define MASK    0x80
#define WINDOW  65536

static struct judge_server *judge;

/* The token exists only with this bit set, and as the test makes it for a request. */
static uint8_t masked_token[N_TOKEN];

static uint8_t window[WINDOW + N_TOKEN];

static bool window_has_token(size_t n)
{
    for (size_t i = 0; i + N_TOKEN <= n; i++) {
        size_t k = 0;
        while (k < N_TOKEN && (window[i + k] ^ MASK) == masked_token[k])
            k++;
        if (k == N_TOKEN)
            return true;
    }
    return false;
}

static size_t count_in_range(int mem, uintptr_t from, uintptr_t to)
{
    const uintptr_t self = (uintptr_t)window;
    size_t n_windows = 0;

    for (; from < to; from += WINDOW) {
        const size_t want = to - from < sizeof(window) ? to - from : sizeof(window);
        if (from < self + sizeof(window) && self < from + want)
            continue;
        const ssize_t n = pread(mem, window, want, (off_t)from);
        n_windows += n > 0 && window_has_token((size_t)n);
        mem_wipe(window, sizeof(window));
    }
    return n_windows;
}

/* How many places of the writable memory hold the token. */
static size_t count_tokens(void)
{
    char line[512];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

    assert_non_null(maps);
    assert_true(mem >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from = 0, to = 0;
        char mode[8] = "";
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[1] != 'w')
            continue;
        n += count_in_range(mem, from, to);
    }
    fclose(maps);
    close(mem);
    return n;
}

static bool has_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
    return false;
#endif
}

static void perform_with_token(const char *port)
{
    CLEANUP(buf_done) struct buf header = { 0 };
    CLEANUP(http_response_done) struct http_response r = { 0 };
    char url[JUDGE_URL_SIZE];
    struct err e;

    assert_ok(buf_add_str(&header, "Bearer ", &e));
    for (size_t i = 0; i < N_TOKEN; i++) {
        const uint8_t c = masked_token[i] ^ MASK;
        assert_ok(buf_add(&header, &c, 1, &e));
    }
    judge_server_url(judge, port, "/echo", url);
    const struct http_request request = { .method = "POST",
                                          .url = url,
                                          .headers = { { "Authorization", buf_cstr(&header) } },
                                          .body = buf_span(&header),
                                          .timeout_ms = 10000 };
    assert_ok(http_perform(judge->client, &request, &r, &e));
    assert_int_equal(r.status, 200);
    assert_true(count_tokens() >= 1); /* here it is found: in the header and in the echo */
}

static void leaves_no_copy_of_a_token(void **state)
{
    static const char *const ports[] = { "plain", "tls" };

    if (has_sanitizer())
        skip_because("a sanitizer's shadow memory is too large to be searched");
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        random_fill(masked_token, sizeof(masked_token));
        for (size_t k = 0; k < N_TOKEN; k++)
            masked_token[k] = (uint8_t)((masked_token[k] % 26 + 'a') ^ MASK);
        perform_with_token(ports[i]);
        assert_int_equal(count_tokens(), 0);
    }
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
        cmocka_unit_test(leaves_no_copy_of_a_token),
    };
    struct err e;

    if (wipe_install(&e) != 0) {
        print_error("%s\n", e.msg);
        return 1;
    }
    return cmocka_run_group_tests(tests, start, judge_server_stop);
}
