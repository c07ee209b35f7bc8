/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session finds out about the way to its target when it begins.
 */
#include <stdio.h>

#include "sinks/postgres/apply.h"
#include "sinks/postgres/inflight.h"
#include "tests/lib/sink_fixture.h"
#include "tests/lib/slow_way.h"

enum { A_LONG_WAY_US = 5000, ALLOWED = 1 << 24 };
static struct slow_way way;

static int
setup(void **state)
{
    fixture_setup(state);
    params.inflight_bytes = ALLOWED;
    return 0;
}

static int
teardown(void **state)
{
    fixture_teardown(state);
    slow_way_close(&way);
    return 0;
}

/* Bytes that a session with the server at this socket may have in flight. */
static uint64_t
bound_at(const char *dir)
{
    static struct apply a;
    static struct apply_course course;
    struct err err = ERR_INIT;
    char dsn[200];
    snprintf(dsn, sizeof dsn, "host=%s port=5432 dbname=postgres user=postgres", dir);
    PGconn *conn = PQconnectdb(dsn);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    apply_course_init(&course, &params, 0x1000);
    assert_true(apply_init(&a, &course, conn, &params, true, &err));
    uint64_t bound = a.pipe.bound;
    apply_done(&a);
    PQfinish(conn);
    return bound;
}

static void
a_far_target_gets_more_at_once(void **state)
{
    NEEDS_SERVER();
    slow_way_open(&way, &server, A_LONG_WAY_US);
    assert_in_range(bound_at(way.dir), (uint64_t)2 * A_LONG_WAY_US * INFLIGHT_RATE, ALLOWED);
    params.inflight_bytes = 5000;
    assert_int_equal(bound_at(server.dir), 5000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_far_target_gets_more_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
