/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements prepared together can be used, and a refusal is that of the one refused.
 */
#include "agent/pg/prepare.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/unit.h"

static struct pg_server server;
static PGconn *conn;

static void
all_are_there(void **state)
{
    (void)state;
    const uint32_t types[] = {23, 25};
    const struct pg_statement s[] = {
        {.name = "one", .sql = "SELECT 1"},
        {"two", "SELECT $1 || $2", 2, types},
        {.name = "three", .sql = "COMMIT"},
    };
    struct err err = ERR_INIT;
    assert_true(pg_prepare(conn, "prepare", s, 3, &err));
    assert_string_equal(pg_get(conn, "SELECT string_agg(name || ' ' || parameter_types::text, ', '"
                                     " ORDER BY name) FROM pg_prepared_statements"),
        "one {}, three {}, two {integer,text}");
    assert_string_equal(pg_get(conn, "EXECUTE two(4, '2')"), "42");
    pg_do(conn, "DEALLOCATE ALL");
}

static void
the_first_refusal_is_told_and_the_session_goes_on(void **state)
{
    (void)state;
    const struct pg_statement s[] = {
        {.name = "one", .sql = "SELECT 1"},
        {.name = "two", .sql = "SELECT FROM not_there"},
        {.name = "three", .sql = "nonsense"},
    };
    struct err err = ERR_INIT;
    assert_false(pg_prepare(conn, "prepare", s, 3, &err));
    assert_string_equal(err.sqlstate, "42P01");
    assert_non_null(strstr(err.text, "prepare: relation \"not_there\" does not exist"));
    assert_string_equal(pg_get(conn, "EXECUTE one"), "1");
    pg_do(conn, "DEALLOCATE ALL");
}

static void
a_session_that_has_ended_is_an_error(void **state)
{
    (void)state;
    PGconn *gone = pg_server_connect(&server, NULL);
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 10000)", PQbackendPID(gone));
    assert_string_equal(pg_get(conn, sql), "t");
    const struct pg_statement s = {.name = "one", .sql = "SELECT 1"};
    struct err err = ERR_INIT;
    assert_false(pg_prepare(gone, "prepare", &s, 1, &err));
    assert_int_equal(err.class, ERR_RECONNECT);
    PQfinish(gone);
}

static int
start_server(void **state)
{
    (void)state;
    if (!pg_server_start(&server, NULL)) {
        return 1;
    }
    conn = pg_server_connect(&server, NULL);
    return 0;
}

static int
stop_server(void **state)
{
    (void)state;
    PQfinish(conn);
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_there),
        cmocka_unit_test(the_first_refusal_is_told_and_the_session_goes_on),
        cmocka_unit_test(a_session_that_has_ended_is_an_error),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
