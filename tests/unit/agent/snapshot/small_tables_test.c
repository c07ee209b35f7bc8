/* SPDX-License-Identifier: Apache-2.0
 *
 * Small tables arrive together or not at all: whatever one of them has that the others have not
 * sends all of them to be copied alone, with nothing changed and nothing held. Nothing waits for a
 * lock.
 */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/small_tables.h"
#include "tests/lib/unit.h"

/* Two structs of this name exist; nothing here needs both. */
#define pg_server throwaway_server
#include "tests/lib/pg_server.h"
#undef pg_server

#define TABLES 3
#define SUM    "SELECT md5(string_agg(t0::text, ',' ORDER BY id)) FROM t0"

static struct throwaway_server server;
static PGconn *source, *target;
static struct copier c;
static struct pg_table tables[TABLES];
static struct table_copy copies[TABLES];

static PGconn *
connect_to(const char *db)
{
    char extra[32];
    snprintf(extra, sizeof extra, "dbname=%s", db);
    return pg_server_connect(&server, extra);
}

static uint32_t
oid_of(const char *name)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT '%s'::regclass::oid", name);
    return (uint32_t)strtoul(pg_get(source, sql), NULL, 10);
}

static void
forget(void)
{
    for (size_t i = 0; i < TABLES; i++) {
        table_copy_done(&copies[i]);
    }
}

/* Describes and copies; whether it was done. */
static bool
copied(uint64_t *rows)
{
    struct err err = ERR_INIT;
    bool done = false;
    forget();
    bool ok = tables_describe(copies, TABLES, &c, &err) &&
              small_tables_copy(copies, TABLES, &c, rows, &done, &err);
    if (!ok) {
        fail_msg("%s", err.text);
    }
    return done;
}

/* Neither side holds anything or has a transaction in ruins. */
static void
assert_let_go(void)
{
    assert_int_equal(PQtransactionStatus(target), PQTRANS_IDLE);
    assert_int_equal(PQtransactionStatus(source), PQTRANS_INTRANS);
    assert_string_equal(
        pg_get(source, "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN"
                       " ('t0'::regclass, 't1'::regclass, 't2'::regclass)"),
        "0");
}

static void
assert_nothing_was_done(void)
{
    uint64_t rows[TABLES];
    assert_false(copied(rows));
    assert_let_go();
    assert_string_equal(pg_get(target, "SELECT count(*) FROM tidegate.ledger"), "0");
}

static void
all_arrive_with_their_ledger(void **state)
{
    (void)state;
    uint64_t rows[TABLES] = {9, 9, 9};
    assert_true(copied(rows));
    assert_int_equal(rows[0], 100);
    assert_int_equal(rows[1], 0);
    assert_int_equal(rows[2], 7);
    assert_let_go();
    char sum[64];
    snprintf(sum, sizeof sum, "%s", pg_get(source, SUM));
    assert_string_equal(pg_get(target, SUM), sum);
    for (size_t i = 0; i < TABLES; i++) {
        char item[LEDGER_ITEM_SIZE];
        struct err err = ERR_INIT;
        bool there = false;
        assert_true(
            ledger_check(target, "m", ledger_copied_item(tables[i].oid, 42, item), &there, &err));
        assert_true(there);
    }
}

static void
rows_on_the_target_are_left_alone(void **state)
{
    (void)state;
    pg_do(target, "INSERT INTO t1 VALUES (1, 'somebody else''s')");
    assert_nothing_was_done();
    assert_string_equal(pg_get(target, "SELECT count(*) FROM t1"), "1");
}

static void
a_lock_is_not_waited_for(void **state)
{
    (void)state;
    PGconn *other = connect_to("source");
    pg_do(other, "BEGIN; LOCK TABLE t2 IN ACCESS EXCLUSIVE MODE");
    /* The catalog can be asked all the same. */
    assert_nothing_was_done();
    PQfinish(other);
    other = connect_to("target");
    pg_do(other, "BEGIN; INSERT INTO t0 VALUES (1, 'not committed')");
    assert_nothing_was_done();
    PQfinish(other);
}

static void
a_table_that_was_emptied_since_waits_for_a_later_snapshot(void **state)
{
    (void)state;
    PGconn *other = connect_to("source");
    pg_do(other, "TRUNCATE t1");
    PQfinish(other);
    assert_nothing_was_done();
}

static void
a_partitioned_target_is_for_one_alone(void **state)
{
    (void)state;
    pg_do(target, "DROP TABLE t2; CREATE TABLE t2 (id int, t text) PARTITION BY RANGE (id);"
                  "CREATE TABLE t2_1 PARTITION OF t2 DEFAULT");
    assert_nothing_was_done();
}

static void
a_row_that_is_refused_is_an_error_of_its_table(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint64_t rows[TABLES];
    bool done = false;
    pg_do(target, "ALTER TABLE t2 ADD CHECK (id < 3)");
    assert_true(tables_describe(copies, TABLES, &c, &err));
    assert_false(small_tables_copy(copies, TABLES, &c, rows, &done, &err));
    assert_false(done);
    assert_string_equal(err.sqlstate, "23514");
    assert_non_null(strstr(err.text, "copy 'public.t2'"));
}

static void
what_cannot_be_described_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    pg_do(target, "DROP TABLE t1");
    assert_false(tables_describe(copies, TABLES, &c, &err));
    assert_non_null(strstr(err.text, "copy 'public.t1': the table is not on the target"));
    err_clear(&err);
    pg_do(target, "CREATE TABLE t1 (id int)");
    forget();
    assert_false(tables_describe(copies, TABLES, &c, &err));
    assert_non_null(strstr(err.text, "copy 'public.t1': the target's table has no column 't'"));
}

/* --- fixture -------------------------------------------------------------------------------- */

static int
fresh(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    PGconn *admin = pg_server_connect(&server, NULL);
    pg_do(admin, "DROP DATABASE IF EXISTS source WITH (FORCE)");
    pg_do(admin, "DROP DATABASE IF EXISTS target WITH (FORCE)");
    pg_do(admin, "CREATE DATABASE source");
    pg_do(admin, "CREATE DATABASE target");
    PQfinish(admin);
    source = connect_to("source");
    target = connect_to("target");
    for (PGconn *const *conn = (PGconn *[]){source, target, NULL}; *conn; conn++) {
        pg_do(*conn, "CREATE TABLE t0 (id int, t text); CREATE TABLE t1 (id int, t text);"
                     "CREATE TABLE t2 (t text, id int)");
    }
    pg_do(source, "INSERT INTO t0 SELECT i, 'row ' || i FROM generate_series(1, 100) i;"
                  "INSERT INTO t2 SELECT 'x', i FROM generate_series(1, 7) i");
    static const char *const names[TABLES] = {"t0", "t1", "t2"};
    for (size_t i = 0; i < TABLES; i++) {
        tables[i] = (struct pg_table){
            .oid = oid_of(names[i]), .schema = "public", .name = names[i], .kind = 'r'};
        copies[i] = (struct table_copy){.table = &tables[i]};
    }
    c = (struct copier){.source = source, .target = target, .migration = "m", .sync = 42};
    pg_do(source, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    (void)pg_get(source, "SELECT 1");
    return ledger_ensure(target, &err) ? 0 : 1;
}

static int
done(void **state)
{
    (void)state;
    forget();
    PQfinish(source);
    PQfinish(target);
    return 0;
}

static int
start_server(void **state)
{
    (void)state;
    return pg_server_start(&server, NULL) ? 0 : 1;
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
    const struct CMUnitTest tests[] = {
        TEST(all_arrive_with_their_ledger),
        TEST(rows_on_the_target_are_left_alone),
        TEST(a_lock_is_not_waited_for),
        TEST(a_table_that_was_emptied_since_waits_for_a_later_snapshot),
        TEST(a_partitioned_target_is_for_one_alone),
        TEST(a_row_that_is_refused_is_an_error_of_its_table),
        TEST(what_cannot_be_described_is_named),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
