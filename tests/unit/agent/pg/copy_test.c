/* SPDX-License-Identifier: Apache-2.0
 *
 * COPY from one session into another of a throw-away server.
 */
#include <stdio.h>

#include "agent/pg/conn.h"
#include "agent/pg/copy.h"
#include "agent/pg/query.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/unit.h"

static struct pg_server server;

struct pair {
    PGconn *source, *target;
    struct stop stop;
    uint64_t rows, bytes, calls;
};

static PGconn *
connect_to(void)
{
    struct err err = ERR_INIT;
    struct pg_options o = {.application_name = "tidegate test"};
    PGconn *conn = NULL;
    if (!pg_connect(server.dsn, &o, &conn, &err)) {
        fail_msg("%s", err.text);
    }
    pg_do(conn, "SET search_path = public");
    return conn;
}

static int
set_up(void **state)
{
    static struct pair p;
    memset(&p, 0, sizeof(p));
    p.source = connect_to();
    p.target = connect_to();
    assert_true(stop_init(&p.stop));
    pg_do(p.target, "DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int, t text);"
                    "CREATE TABLE b (id int, t text)");
    *state = &p;
    return 0;
}

static int
tear_down(void **state)
{
    struct pair *p = *state;
    PQfinish(p->source);
    PQfinish(p->target);
    stop_done(&p->stop);
    return 0;
}

static void
on_progress(uint64_t rows, uint64_t bytes, void *arg)
{
    struct pair *p = arg;
    p->rows += rows;
    p->bytes += bytes;
    p->calls++;
}

static bool
copy(struct pair *p, const char *from, const char *to, uint64_t *rows, struct err *err)
{
    struct pg_copy c = {.source = p->source,
        .target = p->target,
        .source_sql = from,
        .target_sql = to,
        .stop = &p->stop,
        .progress = on_progress,
        .arg = p};
    return pg_copy_run(&c, rows, err);
}

static void
check(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg("%s", err->text);
    }
}

#define SUM "SELECT count(*) || ' ' || sum(id) || ' ' || md5(string_agg(t, '' ORDER BY id)) FROM "

static void
assert_same(struct pair *p)
{
    char a[128];
    snprintf(a, sizeof(a), "%s", pg_get(p->target, SUM "a"));
    assert_string_equal(pg_get(p->target, SUM "b"), a);
}

static void
text_and_binary_carry_every_row(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows = 0;
    pg_do(p->source, "INSERT INTO a SELECT i, repeat(md5(i::text), i % 50) || E'\\t\\n\\\\.'"
                     " FROM generate_series(1, 20000) i");
    check(copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err), &err);
    assert_int_equal(rows, 20000);
    assert_int_equal(p->rows, 20000);
    assert_true(p->calls > 10);
    assert_same(p);
    pg_do(p->target, "TRUNCATE b");
    check(copy(p, "COPY a TO STDOUT (FORMAT binary)", "COPY b FROM STDIN (FORMAT binary)", &rows,
              &err),
        &err);
    assert_int_equal(rows, 20000);
    assert_same(p);
}

static void
rows_larger_than_a_chunk_pass(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows = 0;
    pg_do(p->source, "INSERT INTO a SELECT i, repeat(md5(i::text), i * 20000)"
                     " FROM generate_series(1, 8) i");
    check(copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err), &err);
    assert_int_equal(rows, 8);
    assert_same(p);
}

static void
no_rows_are_no_error(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows = 9;
    check(copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err), &err);
    assert_int_equal(rows, 0);
}

static void
both_connections_can_be_used_afterwards(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    pg_do(p->target, "INSERT INTO a VALUES (1, 'x')");
    for (int i = 0; i < 3; i++) {
        check(copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err), &err);
    }
    assert_string_equal(pg_get(p->source, "SELECT count(*) FROM b"), "3");
    assert_string_equal(pg_get(p->target, "SELECT count(*) FROM b"), "3");
}

static bool
next_copy(struct pair *p, bool more, uint64_t *rows, struct err *err)
{
    struct pg_copy c = {.source = p->source, .target = p->target, .more = more, .stop = &p->stop};
    return pg_copy_run(&c, rows, err);
}

static void
several_copies_go_by_one_question(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows[4] = {9, 9, 9, 9};
    struct pg_copy first = {.source = p->source,
        .target = p->target,
        .source_sql = "COPY (SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i) TO STDOUT;"
                      "COPY (SELECT 1, 'x' WHERE false) TO STDOUT;"
                      "COPY (SELECT i, 'y' FROM generate_series(1, 3) i) TO STDOUT (FORMAT binary);"
                      "COPY (SELECT 4, 'z') TO STDOUT;",
        .target_sql = "COPY a FROM STDIN; COPY b FROM STDIN; COPY b FROM STDIN (FORMAT binary);"
                      "COPY b FROM STDIN;",
        .more = true,
        .stop = &p->stop};
    pg_do(p->target, "BEGIN");
    check(pg_copy_run(&first, &rows[0], &err), &err);
    check(next_copy(p, true, &rows[1], &err), &err);
    check(next_copy(p, true, &rows[2], &err), &err);
    check(next_copy(p, false, &rows[3], &err), &err);
    assert_int_equal(rows[0], 5000);
    assert_int_equal(rows[1], 0);
    assert_int_equal(rows[2], 3);
    assert_int_equal(rows[3], 1);
    pg_do(p->target, "COMMIT");
    assert_string_equal(
        pg_get(p->target, "SELECT string_agg(id || t, ',' ORDER BY id) FROM b"), "1y,2y,3y,4z");
}

static void
one_of_several_copies_may_be_refused(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    struct pg_copy first = {.source = p->source,
        .target = p->target,
        .source_sql = "COPY (SELECT 1, 'x') TO STDOUT; COPY (SELECT 2, 'y') TO STDOUT",
        .target_sql = "COPY a FROM STDIN; COPY nowhere FROM STDIN",
        .more = true,
        .stop = &p->stop};
    check(pg_copy_run(&first, &rows, &err), &err);
    assert_false(next_copy(p, false, &rows, &err));
    assert_string_equal(err.sqlstate, "42P01");
    assert_non_null(strstr(err.text, "target"));
}

static void
an_error_of_the_target_ends_the_copy_early(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    pg_do(p->target, "ALTER TABLE b ADD CHECK (id < 10)");
    /* Reading all of it would take minutes. */
    assert_false(copy(p,
        "COPY (SELECT i, repeat('x', 1000) FROM generate_series(1, 100000000) i) TO"
        " STDOUT",
        "COPY b FROM STDIN", &rows, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_string_equal(err.sqlstate, "23514");
    assert_non_null(strstr(err.text, "target"));
    assert_true(p->rows < 10000000);
}

static void
an_error_of_the_source_is_told_apart(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    assert_false(
        copy(p, "COPY (SELECT 1 / (50000 - i), 'x' FROM generate_series(1, 60000) i) TO STDOUT",
            "COPY b FROM STDIN", &rows, &err));
    assert_non_null(strstr(err.text, "source"));
    PQfinish(p->source);
    PQfinish(p->target);
    p->source = connect_to();
    p->target = connect_to();
    assert_string_equal(pg_get(p->target, "SELECT count(*) FROM b"), "0");
}

static void
rows_that_a_trigger_swallows_are_noticed(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    pg_do(p->target, "INSERT INTO a VALUES (1, 'x'), (2, 'y');"
                     "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                     " 'BEGIN IF NEW.id = 1 THEN RETURN NULL; END IF; RETURN NEW; END';"
                     "CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f()");
    assert_false(copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err));
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "1 rows of the 2"));
}

static void
notices_do_not_end_a_copy(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    pg_do(p->target, "INSERT INTO a SELECT i, 'x' FROM generate_series(1, 3000) i;"
                     "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                     " 'BEGIN RAISE NOTICE ''%'', repeat(''n'', 500); RETURN NEW; END';"
                     "CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f()");
    pg_do(p->target, "SET client_min_messages = notice");
    bool ok = copy(p, "COPY a TO STDOUT", "COPY b FROM STDIN", &rows, &err);
    /* A notice that comes in two pieces looks like an error; then the copy may be tried again. */
    assert_true(ok || err.class == ERR_RETRY);
}

static void
a_stop_ends_a_copy_that_waits(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    uint64_t rows;
    stop_request(&p->stop);
    assert_false(copy(
        p, "COPY (SELECT 1, pg_sleep(100)::text) TO STDOUT", "COPY b FROM STDIN", &rows, &err));
    assert_int_equal(err.class, ERR_CANCELLED);
}

static int
start_server(void **state)
{
    (void)state;
    return pg_server_start(&server, NULL) ? 0 : -1;
}

static int
stop_server(void **state)
{
    (void)state;
    pg_server_stop(&server);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_and_binary_carry_every_row),
        TEST(rows_larger_than_a_chunk_pass),
        TEST(no_rows_are_no_error),
        TEST(both_connections_can_be_used_afterwards),
        TEST(several_copies_go_by_one_question),
        TEST(one_of_several_copies_may_be_refused),
        TEST(an_error_of_the_target_ends_the_copy_early),
        TEST(an_error_of_the_source_is_told_apart),
        TEST(rows_that_a_trigger_swallows_are_noticed),
        TEST(notices_do_not_end_a_copy),
        TEST(a_stop_ends_a_copy_that_waits),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
