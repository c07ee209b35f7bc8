/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements prepared together can be used, and a refusal is that of the one refused. What stands
 * before one that is executed with others is done. Questions asked together have all their answers,
 * or none.
 */
#include "agent/pg/query.h"
#include "agent/pg/together.h"
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
    assert_true(pg_prepare_together(conn, "prepare", s, 3, &err));
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
    assert_false(pg_prepare_together(conn, "prepare", s, 3, &err));
    assert_string_equal(err.sqlstate, "42P01");
    assert_non_null(strstr(err.text, "prepare: relation \"not_there\" does not exist"));
    assert_string_equal(pg_get(conn, "EXECUTE one"), "1");
    pg_do(conn, "DEALLOCATE ALL");
}

static void
what_stands_before_a_refused_statement_is_done(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const char *const all[] = {"SAVEPOINT s", "CREATE TABLE t (id int)", "SELECT 1", "RELEASE s"};
    const char *const bad[] = {"SAVEPOINT s", "CREATE nonsense", "RELEASE s"};
    pg_do(conn, "BEGIN");
    assert_true(pg_exec_together(conn, "together", all, 4, &err));
    assert_false(pg_exec_together(conn, "together", bad, 3, &err));
    assert_string_equal(err.sqlstate, "42601");
    pg_do(conn, "ROLLBACK TO s; RELEASE s; COMMIT");
    assert_string_equal(pg_get(conn, "SELECT count(*) FROM t"), "0");
    pg_do(conn, "DROP TABLE t");
}

static void
each_question_has_its_answer(void **state)
{
    (void)state;
    const char *const words[] = {"a", "b"};
    struct pg_question q[] = {
        {.sql = "SELECT g FROM generate_series(1, 3) g"},
        {.sql = "SELECT FROM pg_class WHERE false"},
        {"SELECT $1 || $2", 2, words, NULL},
    };
    struct err err = ERR_INIT;
    assert_true(pg_query_together(conn, "ask", q, 3, &err));
    assert_int_equal(PQntuples(q[0].res), 3);
    assert_int_equal(PQntuples(q[1].res), 0);
    assert_string_equal(pg_str(q[2].res, 0, 0), "ab");
    for (size_t i = 0; i < 3; i++) {
        PQclear(q[i].res);
    }
}

static void
one_refusal_leaves_no_answer(void **state)
{
    (void)state;
    struct pg_question q[] = {{.sql = "SELECT 1"}, {.sql = "SELECT 1 / 0"}, {.sql = "SELECT 3"}};
    struct err err = ERR_INIT;
    assert_false(pg_query_together(conn, "ask", q, 3, &err));
    assert_string_equal(err.sqlstate, "22012");
    for (size_t i = 0; i < 3; i++) {
        assert_null(q[i].res);
    }
    assert_string_equal(pg_get(conn, "SELECT 4"), "4");
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
    assert_false(pg_prepare_together(gone, "prepare", &s, 1, &err));
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
        cmocka_unit_test(what_stands_before_a_refused_statement_is_done),
        cmocka_unit_test(each_question_has_its_answer),
        cmocka_unit_test(one_refusal_leaves_no_answer),
        cmocka_unit_test(a_session_that_has_ended_is_an_error),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
