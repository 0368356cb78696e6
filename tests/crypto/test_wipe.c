/*
 * Looks for the bytes of a key in everything that this process can write to, as somebody with a
 * dump of its memory would. The pattern itself is kept masked, so that it is not what is found.
 */
#include "support/asserts.h"

#include "crypto/jwk.h"
#include "crypto/key_data.h"
#include "crypto/pkcs8.h"
#include "crypto/pkey.h"
#include "crypto/wipe.h"

#include <fcntl.h>
#include <gmp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATTERN_SIZE 24
#define MASK         0xa5
#define CHUNK        (64 * 1024)
#define MAPPING_MAX  (32ul << 20) /* larger ones belong to a sanitizer */

struct pattern {
    uint8_t masked[PATTERN_SIZE];
};

static void pattern_init(struct pattern *p, const uint8_t *bytes)
{
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        p->masked[i] = bytes[i] ^ MASK;
}

/* Either byte order: big numbers lie in memory with the low limb first. */
static bool is_at(const struct pattern *p, const uint8_t *at, bool backwards)
{
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        if ((at[backwards ? PATTERN_SIZE - 1 - i : i] ^ MASK) != p->masked[i])
            return false;
    return true;
}

static size_t count_direction(const struct pattern *p, const uint8_t *at, size_t n, bool backwards)
{
    const int first = p->masked[backwards ? PATTERN_SIZE - 1 : 0] ^ MASK;
    const uint8_t *const end = at + n;
    size_t found = 0;

    while ((at = memchr(at, first, (size_t)(end - at))) != NULL && end - at >= PATTERN_SIZE) {
        found += is_at(p, at, backwards);
        at++;
    }
    return found;
}

static size_t count_in(const struct pattern *p, const uint8_t *bytes, size_t n)
{
    return count_direction(p, bytes, n, false) + count_direction(p, bytes, n, true);
}

static size_t count_in_range(const struct pattern *p, int mem, uintptr_t from, uintptr_t to)
{
    static uint8_t chunk[CHUNK];
    size_t found = 0;

    for (uintptr_t at = from; at < to; at += CHUNK - PATTERN_SIZE) {
        const ssize_t n = pread(mem, chunk, to - at < CHUNK ? to - at : CHUNK, (off_t)at);
        if (n <= 0)
            break;
        found += count_in(p, chunk, (size_t)n);
        mem_wipe(chunk, (size_t)n);
    }
    return found;
}

/* Copies in the heaps of this process. */
static size_t count_copies(const struct pattern *p)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[512];
    size_t found = 0;

    assert_non_null(maps);
    assert_true(mem >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from = 0, to = 0;
        char mode[5] = "", path[256] = "";

        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &from, &to, mode, path) < 3)
            continue;
        const bool is_anonymous = path[0] == '\0' || strcmp(path, "[heap]") == 0;
        if (is_anonymous && mode[0] == 'r' && mode[1] == 'w' && to - from <= MAPPING_MAX)
            found += count_in_range(p, mem, from, to);
    }
    fclose(maps);
    close(mem);
    return found;
}

/* ---- what is looked for ---- */

/* Each private number of a pair, as bytes and as text of a JWK. */
struct traces {
    struct pattern bytes[RSA_NUMBERS], text[RSA_NUMBERS];
};

static void traces_of(struct traces *t, const struct rsa_numbers *numbers)
{
    for (enum rsa_number i = RSA_NUMBER_D; i < RSA_NUMBERS; i++) {
        CLEANUP(buf_done) struct buf text = { 0 };
        struct err e;

        assert_ok(b64_encode(buf_span(&numbers->v[i]), B64_URL, &text, &e));
        pattern_init(&t->bytes[i], numbers->v[i].p + 16);
        pattern_init(&t->text[i], text.p + 16);
    }
}

static void assert_there(const struct traces *t, bool text)
{
    for (enum rsa_number i = RSA_NUMBER_D; i < RSA_NUMBERS; i++)
        if (count_copies(text ? &t->text[i] : &t->bytes[i]) == 0)
            fail_msg("\"%s\" is not found while it is in use", rsa_numbers_name(i));
}

static void assert_gone(const struct traces *t)
{
    for (enum rsa_number i = RSA_NUMBER_D; i < RSA_NUMBERS; i++) {
        const size_t bytes = count_copies(&t->bytes[i]), text = count_copies(&t->text[i]);
        if (bytes + text != 0)
            fail_msg("\"%s\" was left behind, %zu times as bytes, %zu as text", rsa_numbers_name(i),
                     bytes, text);
    }
}

/* ---- tests ---- */

static void decrypt_something(const json_t *jwk, const json_t *data)
{
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(buf_done) struct buf cipher = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 };
    struct err e;

    key_data_b64(data, "SHA256", &cipher);
    assert_ok(jwk_to_rsa(jwk, &k, &e));
    assert_ok(rsa_oaep_decrypt(k, DIGEST_SHA256, buf_span(&cipher), &plain, &e));
}

static void use_released_key(struct traces *t)
{
    CLEANUP(json_freep) json_t *data = key_data_load("oaep.json");
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    CLEANUP(buf_done) struct buf material = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(json_freep) json_t *jwk = NULL;
    struct err e;

    key_data_b64(data, "material", &material);
    assert_ok(pkcs8_parse_rsa(buf_span(&material), &numbers, &e));
    traces_of(t, &numbers);
    assert_ok(jwk_from_material(JWK_RSA, buf_span(&material), NULL, NULL, &jwk, &e));
    decrypt_something(jwk, data);
    assert_ok(json_format(jwk, true, &text, &e));
    assert_there(t, false);
    assert_there(t, true);
}

static void a_released_key_leaves_nothing_behind(void **state)
{
    struct traces t;

    use_released_key(&t);
    assert_gone(&t);
}

static void get_numbers(const struct rsa_key *k, struct rsa_numbers *out)
{
    static const char *const names[RSA_NUMBERS] = {
        [RSA_NUMBER_D] = OSSL_PKEY_PARAM_RSA_D,
        [RSA_NUMBER_P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
        [RSA_NUMBER_Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
        [RSA_NUMBER_DP] = OSSL_PKEY_PARAM_RSA_EXPONENT1,
        [RSA_NUMBER_DQ] = OSSL_PKEY_PARAM_RSA_EXPONENT2,
        [RSA_NUMBER_QI] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };

    for (enum rsa_number i = RSA_NUMBER_D; i < RSA_NUMBERS; i++) {
        BIGNUM *n = NULL;
        uint8_t bytes[RSA_WRAP_BITS / 8];
        struct err e;

        assert_int_equal(EVP_PKEY_get_bn_param(rsa_key_pkey(k), names[i], &n), 1);
        const int size = BN_bn2bin(n, bytes);
        BN_clear_free(n);
        assert_ok(rsa_numbers_set(out, i, span_of(bytes, (size_t)size), &e));
        mem_wipe(bytes, sizeof(bytes));
    }
}

static void make_key(struct traces *t)
{
    CLEANUP(rsa_key_freep) struct rsa_key *k = NULL;
    CLEANUP(rsa_numbers_done) struct rsa_numbers numbers = { 0 };
    struct err e;

    assert_ok(rsa_generate(RSA_WRAP_BITS, &k, &e));
    get_numbers(k, &numbers);
    traces_of(t, &numbers);
    rsa_numbers_done(&numbers);
    assert_there(t, false);
}

static void making_a_key_leaves_nothing_behind(void **state)
{
    struct traces t;

    make_key(&t);
    assert_gone(&t);
}

static void fill_secret(uint8_t *p, struct pattern *pattern)
{
    for (uint8_t i = 0; i < PATTERN_SIZE; i++)
        p[i] = (uint8_t)(0x5a + 3 * i);
    pattern_init(pattern, p);
}

static void openssl_memory_moves_without_a_trace(void **state)
{
    struct pattern pattern;
    uint8_t *p = OPENSSL_malloc(100);

    fill_secret(p, &pattern);
    p = OPENSSL_realloc(p, 100000);
    assert_int_equal(count_copies(&pattern), 1);
    assert_true(is_at(&pattern, p, false));
    p = OPENSSL_realloc(p, 40); /* moves, as less than half is used */
    assert_int_equal(count_copies(&pattern), 1);
    assert_true(is_at(&pattern, p, false));
    p = OPENSSL_realloc(p, 39);
    assert_true(is_at(&pattern, p, false));
    assert_null(OPENSSL_realloc(p, 0));
    assert_int_equal(count_copies(&pattern), 0);

    p = OPENSSL_realloc(NULL, 100);
    fill_secret(p, &pattern);
    OPENSSL_free(p);
    assert_int_equal(count_copies(&pattern), 0);
    OPENSSL_free(NULL);
    assert_null(OPENSSL_malloc(0));
}

static void gmp_memory_moves_without_a_trace(void **state)
{
    void *(*take)(size_t);
    void *(*move)(void *, size_t, size_t);
    void (*give)(void *, size_t);
    struct pattern pattern;

    mp_get_memory_functions(&take, &move, &give);
    uint8_t *p = take(100);
    fill_secret(p, &pattern);
    p = move(p, 100, 100000);
    assert_int_equal(count_copies(&pattern), 1);
    assert_true(is_at(&pattern, p, false));
    give(p, 100000);
    assert_int_equal(count_copies(&pattern), 0);
}

static void may_be_asked_for_again(void **state)
{
    struct err e;

    assert_ok(wipe_install(&e));
}

/* What the process below does: the exit code says whether it was refused. */
static int install_late(void)
{
    struct err e = { 0 };

    OPENSSL_free(OPENSSL_malloc(1));
    return wipe_install(&e) == -1 && e.code == ERR_UNSUPPORTED ? 0 : 1;
}

static void comes_too_late_once_openssl_has_allocated(void **state)
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        execl("/proc/self/exe", "test_wipe", "late", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_memory_moves_without_a_trace),
        cmocka_unit_test(gmp_memory_moves_without_a_trace),
        cmocka_unit_test(a_released_key_leaves_nothing_behind),
        cmocka_unit_test(making_a_key_leaves_nothing_behind),
        cmocka_unit_test(may_be_asked_for_again),
        cmocka_unit_test(comes_too_late_once_openssl_has_allocated),
    };
    struct err e;

    if (argc > 1)
        return install_late();
    if (wipe_install(&e) != 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
