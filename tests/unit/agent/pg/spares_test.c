/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sessions are given away, and which are not.
 */
#include "agent/pg/conn.h"
#include "agent/pg/spares.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/unit.h"

static struct pg_server server;
static struct pg_spares *spares;
static int64_t now_us;

static int64_t
stands_still(const struct clock *c)
{
    (void)c;
    return now_us;
}

static const struct clock hand = {.mono_us = stands_still};

static PGconn *
put(const char *dsn, const char *purpose)
{
    PGconn *conn = pg_server_connect(&server, NULL);
    pg_spares_put(spares, dsn, purpose, conn);
    return conn;
}

static void
take(const char *dsn, const char *purpose, const PGconn *expected)
{
    PGconn *conn = pg_spares_take(spares, dsn, purpose);
    assert_ptr_equal(conn, expected);
    PQfinish(conn);
}

static void
each_is_given_away_once_and_for_what_it_is(void **state)
{
    (void)state;
    PGconn *a = put("one", "verify"), *b = put("two", "verify"), *c = put("one", "mark");
    take("two", "mark", NULL);
    take("one", "mark", c);
    take("one", "mark", NULL);
    take("two", "verify", b);
    take("one", "verify", a);
}

static void
one_that_waited_for_long_is_closed(void **state)
{
    (void)state;
    put("one", "verify");
    now_us += PG_SPARES_AGE_US;
    PGconn *b = put("one", "verify");
    take("one", "verify", b);
    take("one", "verify", NULL);
}

static void
one_that_the_server_has_ended_is_closed(void **state)
{
    (void)state;
    PGconn *a = put("one", "verify");
    PGconn *other = pg_server_connect(&server, NULL);
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 10000)", PQbackendPID(a));
    assert_string_equal(pg_get(other, sql), "t");
    PQfinish(other);
    take("one", "verify", NULL);
}

static void
there_is_an_end_to_them(void **state)
{
    (void)state;
    PGconn *first = put("two", "verify");
    for (int i = 1; i < PG_SPARES_MAX; i++) {
        put("one", "verify");
    }
    put("two", "mark");
    take("two", "mark", NULL);
    take("two", "verify", first);
    pg_spares_drop(spares);
    take("one", "verify", NULL);
    assert_null(pg_spares_take(NULL, "one", "verify"));
}

static int
setup(void **state)
{
    (void)state;
    now_us = 1000000;
    spares = pg_spares_new(&hand);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    put("one", "left");
    pg_spares_free(spares);
    return 0;
}

static int
start_server(void **state)
{
    (void)state;
    static const char *const settings[] = {"max_connections=100", NULL};
    return pg_server_start(&server, settings) ? 0 : 1;
}

static int
stop_server(void **state)
{
    (void)state;
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_is_given_away_once_and_for_what_it_is),
        T(one_that_waited_for_long_is_closed),
        T(one_that_the_server_has_ended_is_closed),
        T(there_is_an_end_to_them),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
