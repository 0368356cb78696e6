/* A simulated cloud in a directory of its own, with a clock that stands still, and requests to it
 * without HTTP. */
#ifndef SUPPORT_SIM_FIXTURE_H
#define SUPPORT_SIM_FIXTURE_H

#include "sim/sim.h"
#include "support/fake_clock.h"

#define SIM_FIXTURE_NOW    INT64_C(1750000000)
#define SIM_FIXTURE_POLICY "package policy\n"

struct sim_fixture {
    char dir[64];
    struct sim_config config;
    struct fake_clock clk;
    struct sim *sim;
};

/* For cmocka's group setup and teardown: *state is a static struct sim_fixture. The first open
 * makes keys, which takes a second or two. */
int sim_fixture_open(void **state);
int sim_fixture_close(void **state);
int sim_fixture_reset(void **state); /* for the setup of each test */

struct sim_fixture_request {
    enum sim_listener listener;
    const char *method, *authority, *target;
    const char *headers[8][2]; /* NULL name: the end */
    const char *body;
};

/* Serves one request (control requests as well); the reply is the caller's. */
void sim_fixture_serve(struct sim_fixture *f, const struct sim_fixture_request *r,
                       struct sim_reply *out);

/* The reply's body; fails the test when it is not JSON. The caller's. */
json_t *sim_fixture_json(const struct sim_reply *r);

/* A string member of an object, by dotted path; fails the test when it is none. Borrowed. */
const char *sim_fixture_string(const json_t *object, const char *path);

/* A directory and all below it. */
void sim_fixture_remove(const char *dir);

#endif
