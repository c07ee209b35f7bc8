/* SPDX-License-Identifier: Apache-2.0
 *
 * Several connections of one sink: groups are executed beside each other and committed in order,
 * and leave what one connection leaves, whatever ends a session in between.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/sink_fixture.h"

enum { INT4 = 23 };
enum { MANY = 150 }; /* rows: more than a COMMIT goes without waiting for */

static struct column pair[] = {{"id", INT4, -1, true}, {"v", INT4, -1, false}};
static struct relation t;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    params.apply_jobs = 4;
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v int)");
    }
    return 0;
}

/* A transaction that inserts MANY rows from that key on. */
static void
put_many(uint64_t position, int id)
{
    feed_begin(&feed, position);
    for (int i = 0; i < MANY; i++) {
        feed_row(&feed, rows_insert(&t, rows_ints(id + i, 0)));
    }
    feed_commit(&feed);
    rows_free();
}

static void
wait_for(const char *sql, const char *value)
{
    while (strcmp(pg_get(db, sql), value) != 0) {
        poll(NULL, 0, 2);
    }
}

/* No trigger, so that nothing keeps the groups from each other: a check that waits for a lock. */
static void
hold_thousands(void)
{
    pg_do(db, "CREATE FUNCTION a.hold(id int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN"
              " IF id % 1000 = 0 THEN PERFORM pg_advisory_xact_lock_shared(id); END IF;"
              " RETURN true; END $$;"
              "ALTER TABLE a.t ADD CHECK (a.hold(id))");
}

static void
groups_run_beside_each_other_and_commit_in_order(void **state)
{
    NEEDS_SERVER();
    hold_thousands();
    pg_do(db, "SELECT pg_advisory_lock(1000)");
    feed_open(&feed, &params, 0x1000);
    put_many(0x2000, 1000);
    put_many(0x3000, 2000);
    put_many(0x4000, 3000);
    /* The later two have come so far while the first has not. */
    wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
             " AND objid IN (2000, 3000)",
        "2");
    struct sink_progress p;
    assert_true(sink_poll(feed.sink, 50, &p, &feed.err));
    assert_int_equal(p.applied, 0x1000);
    expect("SELECT count(*) FROM a.t", "0");
    pg_do(db, "SELECT pg_advisory_unlock(1000)");
    assert_int_equal(feed_sync(&feed).applied, 0x4000);
    expect("SELECT count(*) FROM a.t", "450");
    expect("SELECT position FROM tidegate.progress", "0/4000");
}

static void
a_group_waits_for_one_that_has_its_row(void **state)
{
    NEEDS_SERVER();
    hold_thousands();
    PGconn *holder = pg_server_connect(&server, NULL);
    pg_do(holder, "SELECT pg_advisory_lock(1000)");
    feed_open(&feed, &params, 0x1000);
    put_many(0x2000, 1000);
    put_many(0x3000, 2000);
    assert_int_equal(PQsendQuery(holder, "SELECT pg_sleep(0.3), pg_advisory_unlock(1000)"), 1);
    /* Executed beside the first, it would find no row. */
    feed_one(&feed, 0x4000, rows_update(&t, rows_ints(1001, 5)));
    assert_int_equal(feed_sync(&feed).applied, 0x4000);
    expect("SELECT v FROM a.t WHERE id = 1001", "5");
    PQfinish(holder);
}

/* As MANY rows from that key on, with one more that has v = 7 for a while, or at the end. */
static void
put_seven(uint64_t position, int id, bool passing)
{
    feed_begin(&feed, position);
    for (int i = 0; i < MANY; i++) {
        feed_row(&feed, rows_insert(&t, rows_ints(id + i, 0)));
    }
    feed_row(&feed, rows_insert(&t, rows_ints(id / 1000, 7)));
    if (passing) {
        feed_row(&feed, rows_update(&t, rows_ints(id / 1000, 8)));
    }
    feed_commit(&feed);
    rows_free();
}

/* Somebody makes a unique index while the agent runs, and an earlier group meets a later one there:
 * each waits for the other. */
static void
groups_that_wait_for_each_other_end_and_go_on(void **state)
{
    NEEDS_SERVER();
    if (getenv("TIDEGATE_TEST_APPLY_JOBS")) {
        skip(); /* it takes as long as lock_timeout, and was run */
    }
    hold_thousands();
    params.group_transactions = 1;
    params.timeout_us = 10000000; /* lock_timeout is never shorter */
    feed_open(&feed, &params, 0x1000);
    /* Every connection has seen the table before. */
    pg_do(db, "SELECT pg_advisory_lock(11000)");
    for (int i = 0; i < 4; i++) {
        put_many(0x1100 + 0x100 * (uint64_t)i, 11000 + 1000 * i);
    }
    pg_do(db, "SELECT pg_advisory_unlock(11000)");
    feed_sync(&feed);
    pg_do(db, "CREATE UNIQUE INDEX ON a.t (v) WHERE v = 7; SELECT pg_advisory_lock(1000)");
    put_seven(0x3000, 1000, true);
    put_seven(0x4000, 2000, false);
    wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
             " AND objid = 2000",
        "1");
    pg_do(db, "SELECT pg_advisory_unlock(1000)");
    struct sink_progress p;
    assert_false(sink_sync(feed.sink, &p, &feed.err));
    assert_string_equal(feed.err.sqlstate, "55P03");
    assert_int_equal(feed.err.class, ERR_RETRY);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x1400);
    expect("SELECT count(*) FROM a.t WHERE id < 11000", "0");
    /* Now it knows of the index. */
    put_seven(0x3000, 1000, true);
    put_seven(0x4000, 2000, false);
    assert_int_equal(feed_sync(&feed).applied, 0x4000);
    expect(
        "SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM a.t WHERE id < 10", "1 8, 2 7");
}

/* --- the same as one connection ----------------------------------------------------------------
 */

enum { TABLES = 3, KEYS = 400, TRANSACTIONS = 250 };

static struct feed sides[2];
static struct relation relations[2][TABLES];
static struct column whole[] = {{"id", INT4, -1, true}, {"v", INT4, -1, true}};
static int live[TABLES][KEYS]; /* value + 1; 0: not there */

static void
make_sides(void)
{
    static const char sql[] =
        "CREATE TABLE %1$s.t0 (id int PRIMARY KEY, v int);"
        "CREATE TABLE %1$s.t1 (id int PRIMARY KEY, v int UNIQUE);"
        "CREATE TABLE %1$s.t2 (id int, v int); ALTER TABLE %1$s.t2 REPLICA IDENTITY FULL";
    static const char *const names[] = {"t0", "t1", "t2"};
    for (int side = 0; side < 2; side++) {
        char text[600];
        const char *schema = side ? "b" : "a";
        pg_do(db, side ? "CREATE SCHEMA b" : "SELECT 1");
        snprintf(text, sizeof text, sql, schema);
        pg_do(db, text);
        for (uint32_t i = 0; i < TABLES; i++) {
            relations[side][i] = rows_relation(
                10 + i, schema, names[i], i == 2 ? 'f' : 'd', i == 2 ? whole : pair, 2);
        }
        params.apply_jobs = side ? 1 : 4;
        params.origin = side ? "tidegate_b" : "tidegate_a";
        sides[side] = (struct feed){.ops = feed.ops};
        feed_open(&sides[side], &params, 0x1000);
    }
}

static void
both(struct change c, int n)
{
    for (int side = 0; side < 2; side++) {
        c.relation = &relations[side][n];
        feed_row(&sides[side], c);
    }
}

/* Values are all different, for the sake of t1's second key; some give theirs to a later row. */
static void
random_change(int n)
{
    static int values;
    int id = rand() % (rand() % 4 ? KEYS : 20);
    int v = ++values;
    struct tuple old = rows_ints(id, live[n][id] - 1);
    if (live[n][id] == 0) {
        both(rows_insert(&relations[0][n], rows_ints(id, v)), n);
    } else if (rand() % 4 == 0) {
        both(n == 2 ? rows_delete_full(&relations[0][n], old) : rows_delete(&relations[0][n], old),
            n);
        v = -1;
    } else {
        struct tuple new = rows_ints(id, v);
        both(n == 2 ? rows_update_full(&relations[0][n], old, new)
                    : rows_update(&relations[0][n], new),
            n);
    }
    live[n][id] = v + 1;
}

static void
expect_the_same(const char *name)
{
    char sql[300];
    snprintf(sql, sizeof sql,
        "SELECT (SELECT string_agg(x::text, '|' ORDER BY x::text) FROM a.%1$s x)"
        " IS NOT DISTINCT FROM (SELECT string_agg(x::text, '|' ORDER BY x::text) FROM b.%1$s x)",
        name);
    expect(sql, "t");
}

static void
several_connections_leave_what_one_leaves(void **state)
{
    NEEDS_SERVER();
    srand(20261129);
    memset(live, 0, sizeof live);
    params.group_transactions = 4;
    make_sides();
    for (uint64_t k = 0; k < TRANSACTIONS; k++) {
        int n = rand() % 5 ? 0 : rand() % TABLES;
        for (int side = 0; side < 2; side++) {
            feed_begin(&sides[side], 0x2000 + 0x100 * k);
        }
        for (int i = rand() % 80; i >= 0; i--) {
            random_change(n);
        }
        for (int side = 0; side < 2; side++) {
            feed_commit(&sides[side]);
        }
        rows_free();
        if (rand() % 30 == 0) {
            assert_true(sink_flush(sides[0].sink, &sides[0].err));
        }
    }
    for (int side = 0; side < 2; side++) {
        assert_int_equal(feed_sync(&sides[side]).applied, 0x2000 + 0x100 * (TRANSACTIONS - 1));
    }
    /* More than one of them had something to commit. */
    expect("SELECT count(*) > 1 FROM pg_stat_activity WHERE application_name = 'tidegate sink test'"
           " AND query = 'COMMIT'",
        "t");
    for (int side = 0; side < 2; side++) {
        feed_close(&sides[side]);
    }
    expect_the_same("t0");
    expect_the_same("t1");
    expect_the_same("t2");
    pg_do(db, "DROP SCHEMA b CASCADE");
}

/* --- ends in between ---------------------------------------------------------------------------
 */

static bool
goes_on(const struct change *c)
{
    return sink_apply(feed.sink, c, &feed.err);
}

/* Transaction k inserts rows until the session fails or all are in. */
static bool
put_until_it_fails(int k)
{
    uint64_t position = 0x2000 + 0x100 * (uint64_t)k;
    struct change begin = {.kind = CHANGE_BEGIN, .position = {position, 0}};
    struct change commit = {.kind = CHANGE_COMMIT, .position = {position, 0}};
    bool ok = goes_on(&begin);
    for (int i = 0; ok && i < MANY; i++) {
        struct change row = rows_insert(&t, rows_ints(k * 1000 + i, 0));
        row.position = (struct position){position, (uint32_t)i + 1};
        ok = goes_on(&row);
    }
    rows_free();
    return ok && goes_on(&commit);
}

/* One of its sessions is ended at a random place, again and again. */
static void
a_session_that_ends_leaves_a_beginning_of_the_history(void **state)
{
    NEEDS_SERVER();
    enum { ALL = 200 };
    srand(7);
    params.group_transactions = 3;
    feed_open(&feed, &params, 0x1000);
    int ended = 0, k = 0;
    while (k < ALL) {
        if (rand() % 12 == 0 && ended < 15) {
            ended++;
            pg_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                      " application_name = 'tidegate sink test' ORDER BY random() LIMIT 1");
        }
        struct sink_progress p;
        bool ok = put_until_it_fails(k) && (rand() % 6 || sink_poll(feed.sink, 0, &p, &feed.err)) &&
                  (k + 1 < ALL || sink_sync(feed.sink, &p, &feed.err));
        if (ok) {
            k++;
            continue;
        }
        assert_int_equal(feed.err.class, ERR_RECONNECT);
        fixture_reopen(0x1000);
        k = feed.resume == 0x1000 ? 0 : (int)((feed.resume - 0x2000) / 0x100) + 1;
        char sql[200], rows[16];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM a.t WHERE id < %d * 1000", k);
        snprintf(rows, sizeof rows, "%d", k * MANY);
        expect(sql, rows);
        expect("SELECT count(*) FROM a.t", rows);
    }
    assert_true(ended > 5);
    expect("SELECT count(*) FROM a.t", "30000");
}

static void
a_connection_left_behind_keeps_the_position_closed(void **state)
{
    NEEDS_SERVER();
    /* A session of an agent that is gone, with its COMMIT perhaps still on the way. */
    PGconn *left = pg_server_connect(&server, NULL);
    pg_do(
        left, "SELECT pg_advisory_lock_shared(hashtextextended('tidegate jobs tidegate_test', 0))");
    for (uint32_t jobs = 1; jobs <= 4; jobs += 3) {
        params.apply_jobs = jobs;
        struct err err = ERR_INIT;
        struct sink *sink;
        uint64_t resume;
        char pid[32];
        snprintf(pid, sizeof pid, "pid %d", PQbackendPID(left));
        assert_false(feed.ops->open(&params, 0x1000, &sink, &resume, &err));
        assert_int_equal(err.class, ERR_RETRY);
        assert_non_null(strstr(err.text, pid));
        fixture_wait_for_sessions();
    }
    PQfinish(left);
    wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0");
    feed_open(&feed, &params, 0x1000);
}

static void
the_position_stays_when_the_number_of_connections_changes(void **state)
{
    NEEDS_SERVER();
    static const uint32_t jobs[] = {1, 4, 2, 1, 3};
    uint64_t position = 0x1000;
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        params.apply_jobs = jobs[i];
        fixture_reopen(0x1000);
        assert_int_equal(feed.resume, position);
        for (int k = 0; k < 6; k++) {
            position += 0x100;
            put_many(position, (int)position * 10);
        }
        assert_int_equal(feed_sync(&feed).durable, position);
    }
    expect("SELECT count(*) FROM a.t", "4500");
}

static void
too_few_connections_for_the_role_say_so(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE ROLE few LOGIN CONNECTION LIMIT 3;"
              "GRANT CREATE ON DATABASE postgres TO few");
    char dsn[200];
    snprintf(dsn, sizeof dsn, "host=%s port=5432 dbname=postgres user=few", server.dir);
    params.dsn = dsn;
    struct err err = ERR_INIT;
    struct sink *sink;
    uint64_t resume;
    assert_false(feed.ops->open(&params, 0x1000, &sink, &resume, &err));
    assert_non_null(strstr(err.text, "connection 4 of 4 to the target (apply_jobs)"));
    fixture_wait_for_sessions();
    pg_do(db, "DROP OWNED BY few; DROP ROLE few");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(groups_run_beside_each_other_and_commit_in_order),
        T(a_group_waits_for_one_that_has_its_row),
        T(groups_that_wait_for_each_other_end_and_go_on),
        T(several_connections_leave_what_one_leaves),
        T(a_session_that_ends_leaves_a_beginning_of_the_history),
        T(a_connection_left_behind_keeps_the_position_closed),
        T(the_position_stays_when_the_number_of_connections_changes),
        T(too_few_connections_for_the_role_say_so),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
