#include "support/asserts.h"

#include "support/sim_fixture.h"

#include "base/str.h"
#include "sim/control.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void sim_fixture_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int sim_fixture_open(void **state)
{
    static struct sim_fixture f;
    struct err e;

    snprintf(f.dir, sizeof(f.dir), "/tmp/cloudsim-test-XXXXXX");
    if (mkdtemp(f.dir) == NULL)
        return -1;
    fake_clock_init(&f.clk, SIM_FIXTURE_NOW - 1); /* the fake has run for a second already */
    f.config = (struct sim_config){ .dir = f.dir };
    if (buf_add_str(&f.config.policy, SIM_FIXTURE_POLICY, &e) != 0 ||
        sim_open(&f.config, &f.clk.base, &f.sim, &e) != 0) {
        print_error("%s\n", e.msg);
        return -1;
    }
    *state = &f;
    return 0;
}

int sim_fixture_close(void **state)
{
    struct sim_fixture *f = *state;

    sim_close(f->sim);
    buf_done(&f->config.policy);
    sim_fixture_remove(f->dir);
    return 0;
}

int sim_fixture_reset(void **state)
{
    struct sim_fixture *f = *state;
    struct err e;

    return sim_reset(f->sim, &e);
}

void sim_fixture_serve(struct sim_fixture *f, const struct sim_fixture_request *r,
                       struct sim_reply *out)
{
    struct sim_header headers[ARRAY_LEN(r->headers)];
    CLEANUP(str_freep) char *path = NULL;
    struct err e;
    struct sim_request req = {
        .listener = r->listener,
        .method = r->method == NULL ? "GET" : r->method,
        .authority = r->authority == NULL ? "127.0.0.1:8180" : r->authority,
        .target = r->target,
        .headers = headers,
        .body = span_str(r->body == NULL ? "" : r->body),
        .connection = 1,
    };

    while (req.n_headers < ARRAY_LEN(headers) && r->headers[req.n_headers][0] != NULL) {
        headers[req.n_headers].name = r->headers[req.n_headers][0];
        headers[req.n_headers].value = r->headers[req.n_headers][1];
        req.n_headers++;
    }
    sim_host_of(req.authority, req.host);
    assert_ok(sim_url_decode(span_of(r->target, strcspn(r->target, "?")), false, &path, &e));
    req.path = path;
    if (r->listener == SIM_CONTROL)
        control_serve(f->sim, &req, out);
    else
        sim_serve(f->sim, &req, out);
}

json_t *sim_fixture_json(const struct sim_reply *r)
{
    json_t *v = NULL;
    struct err e;

    assert_ok(json_parse(buf_span(&r->body), &v, &e));
    return v;
}

const char *sim_fixture_string(const json_t *object, const char *path)
{
    const char *s = json_string_value(json_path(object, path));

    if (s == NULL)
        fail_msg("no string \"%s\"", path);
    return s;
}
