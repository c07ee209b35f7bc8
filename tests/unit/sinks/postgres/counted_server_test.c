/* SPDX-License-Identifier: Apache-2.0
 *
 * Small transactions, whose rows the server counts by itself, so that their COMMITs do not wait for
 * answers: a wrong number must still keep the transaction and its position out of the target, and
 * let everything before it in. The position goes along with the last of them, into an origin or,
 * for a role that may use none, into its table's row.
 */
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "sinks/postgres/origin.h"
#include "tests/lib/sink_fixture.h"
#include "tests/lib/slow_way.h"

enum { INT4 = 23 };
enum { A_LONG_WAY_US = 5000 };    /* as a trip, far more than COUNTING_NEAR_US of counting.h */
enum { SYNC_IS_DUE_US = 150000 }; /* more than SYNC_INTERVAL_US of sync_interval.h */
static struct column pair[] = {{"id", INT4, -1, true}, {"v", INT4, -1, false}};
static struct relation t;
static struct slow_way way;

static int
start(void **state)
{
    fixture_start(state);
    if (db) {
        pg_do(db, "CREATE ROLE maker LOGIN; GRANT CREATE ON DATABASE postgres TO maker");
    }
    return 0;
}

static int
setup_as(void **state, const char *dsn)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v int);"
                  "INSERT INTO a.t SELECT g, 0 FROM generate_series(0, 99) g;"
                  "GRANT USAGE ON SCHEMA a TO maker; GRANT ALL ON a.t TO maker");
        params.dsn = dsn ? dsn : params.dsn;
        feed_open(&feed, &params, 0x1000);
    }
    return 0;
}

static int
setup(void **state)
{
    return setup_as(state, NULL);
}

/* As a role that may not use origins. */
static int
setup_row(void **state)
{
    static char dsn[200];
    snprintf(dsn, sizeof dsn, "host=%s port=5432 dbname=postgres user=maker", server.dir);
    return setup_as(state, dsn);
}

static struct change
change_of(enum change_kind kind, int id, int v)
{
    return kind == CHANGE_INSERT   ? rows_insert(&t, rows_ints(id, v))
           : kind == CHANGE_DELETE ? rows_delete(&t, rows_ints(id, v))
                                   : rows_update(&t, rows_ints(id, v));
}

/* A transaction of n changes with the keys behind `first`. */
static void
put(uint64_t position, enum change_kind kind, int first, int n)
{
    feed_begin(&feed, position);
    for (int i = 0; i < n; i++) {
        feed_row(&feed, change_of(kind, first + i, 7));
    }
    feed_commit(&feed);
}

/* The next transaction, of which something is wrong, and two more right behind it. */
static void
refused(uint64_t position, enum change_kind kind, int first, int n)
{
    struct sink_progress p;
    feed_begin(&feed, position);
    bool ok = true;
    for (int i = 0; ok && i < n; i++) {
        struct change c = change_of(kind, first + i, 8);
        c.position = (struct position){position, (uint32_t)i + 1};
        ok = sink_apply(feed.sink, &c, &feed.err);
    }
    struct change commit = {.kind = CHANGE_COMMIT, .position = {position, 0}};
    ok = ok && sink_apply(feed.sink, &commit, &feed.err);
    for (uint64_t next = position + 0x100; ok && next <= position + 0x200; next += 0x100) {
        struct change begin = {.kind = CHANGE_BEGIN, .position = {next, 0}};
        struct change row = change_of(CHANGE_UPDATE, 90, 9);
        row.position = (struct position){next, 1};
        commit.position.commit = next;
        ok = sink_apply(feed.sink, &begin, &feed.err) && sink_apply(feed.sink, &row, &feed.err) &&
             sink_apply(feed.sink, &commit, &feed.err);
    }
    assert_false(ok && sink_sync(feed.sink, &p, &feed.err));
    assert_int_equal(feed.err.class, ERR_DATA);
}

/* What is on the target, and where the next session goes on. */
static void
is_left(const char *sum, uint64_t position)
{
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, position);
    expect("SELECT sum(v) || ' ' || count(*) FROM a.t", sum);
}

static void
small_transactions_arrive(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_UPDATE, 0, 1);
    put(0x3000, CHANGE_UPDATE, 10, 20);
    put(0x4000, CHANGE_INSERT, 100, 2);
    put(0x5000, CHANGE_INSERT, 110, 20);
    put(0x6000, CHANGE_DELETE, 50, 1);
    put(0x7000, CHANGE_DELETE, 60, 20);
    assert_int_equal(feed_sync(&feed).rows, 64);
    is_left("301 101", 0x7000);
}

static void
a_missing_row_keeps_its_transaction_out(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "DELETE FROM a.t WHERE id = 40");
    static const int sizes[] = {1, 2, 4, 30};
    uint64_t position = 0x2000;
    for (int i = 0; i < 8; i++) {
        enum change_kind kind = i % 2 ? CHANGE_DELETE : CHANGE_UPDATE;
        int n = sizes[i / 2];
        put(position, CHANGE_UPDATE, 0, 5);
        refused(position + 0x1000, kind, 41 - n, n);
        /* With several connections it may have had to wait for its turn all the same. */
        assert_true(params.apply_jobs > 1 ||
                    strstr(feed.err.text, "more or fewer rows were touched") != NULL);
        assert_non_null(strstr(feed.err.text, kind == CHANGE_DELETE ? "delete a.t" : "update a.t"));
        is_left("35 99", position);
        position += 0x1000;
    }
}

/* A sync makes one COMMIT wait, not all that come behind it. */
static void
behind_a_sync_rows_are_counted_again(void **state)
{
    NEEDS_SERVER();
    if (params.apply_jobs > 1) {
        skip();
    }
    put(0x2000, CHANGE_UPDATE, 0, 5);
    clock_system.sleep_us(&clock_system, SYNC_IS_DUE_US);
    for (uint64_t position = 0x3000; position <= 0x6000; position += 0x1000) {
        put(position, CHANGE_UPDATE, 0, 5);
    }
    refused(0x7000, CHANGE_UPDATE, 98, 4);
    assert_non_null(strstr(feed.err.text, "more or fewer rows were touched"));
}

/* The target's key is not unique: two rows where the source has one. */
static void
a_row_too_many_keeps_its_transaction_out(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_UPDATE, 0, 1);
    feed_sync(&feed);
    pg_do(db, "ALTER TABLE a.t DROP CONSTRAINT t_pkey; INSERT INTO a.t VALUES (40, 0)");
    static const int sizes[] = {1, 2, 30};
    for (int i = 0; i < 3; i++) {
        refused(0x3000, CHANGE_UPDATE, 41 - sizes[i], sizes[i]);
        is_left("7 101", 0x2000);
    }
}

static void
one_by_one_it_is_named(void **state)
{
    NEEDS_SERVER();
    params.row_by_row = true;
    fixture_reopen(0x1000);
    refused(0x2000, CHANGE_UPDATE, 98, 4);
    assert_string_equal(feed.err.text, "apply update a.t key (id=100) at 0/2000+3: row is missing");
}

/* Somebody adds a trigger that takes rows away while the agent runs: nobody told it. */
static void
a_row_taken_away_by_a_new_trigger_is_noticed(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_INSERT, 100, 1);
    put(0x3000, CHANGE_INSERT, 110, 10);
    feed_sync(&feed);
    pg_do(db, "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS"
              " $$ BEGIN IF new.id = 205 THEN RETURN NULL; END IF; RETURN new; END $$;"
              "CREATE TRIGGER g BEFORE INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.f();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER g");
    refused(0x4000, CHANGE_INSERT, 200, 10);
    is_left("77 111", 0x3000);
    pg_do(db, "DROP FUNCTION a.f() CASCADE");
}

/* A sync behind the COMMIT that fails lets the server take what comes next: nothing of it may be
 * committed, or its position would pass over the lost transaction. */
static void
nothing_is_committed_behind_a_commit_that_fails(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_UPDATE, 0, 1);
    feed_sync(&feed);
    pg_do(db, "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
              " IF new.v = 8 THEN PERFORM pg_sleep(0.3);"
              " RAISE 'no eights' USING errcode = '23514'; END IF;"
              " RETURN NULL; END $$;"
              "CREATE CONSTRAINT TRIGGER g AFTER UPDATE ON a.t DEFERRABLE INITIALLY DEFERRED"
              " FOR EACH ROW EXECUTE FUNCTION a.f(); ALTER TABLE a.t ENABLE ALWAYS TRIGGER g");
    clock_system.sleep_us(&clock_system, SYNC_IS_DUE_US);
    refused(0x3000, CHANGE_UPDATE, 10, 1);
    assert_string_equal(feed.err.sqlstate, "23514");
    is_left("7 100", 0x2000);
    pg_do(db, "DROP FUNCTION a.f() CASCADE");
}

static void
the_servers_own_words_are_kept(void **state)
{
    NEEDS_SERVER();
    refused(0x2000, CHANGE_INSERT, 98, 5);
    assert_string_equal(feed.err.sqlstate, "23505");
    is_left("0 100", 0x1000);
}

/* Near by, so many rows would be counted here, and named with their number. */
static void
over_a_long_way_the_rows_of_larger_ones_are_counted_there(void **state)
{
    NEEDS_SERVER();
    if (params.apply_jobs > 1) {
        skip();
    }
    slow_way_open(&way, &server, A_LONG_WAY_US);
    static char dsn[200];
    snprintf(dsn, sizeof dsn, "host=%s port=5432 dbname=postgres user=postgres", way.dir);
    params.dsn = dsn;
    fixture_reopen(0x1000);
    pg_do(db, "INSERT INTO a.t SELECT g, 0 FROM generate_series(100, 248) g");
    put(0x2000, CHANGE_UPDATE, 0, 5);
    refused(0x3000, CHANGE_UPDATE, 100, 150);
    assert_non_null(strstr(feed.err.text, "more or fewer rows were touched"));
    is_left("35 249", 0x2000);
}

static int
teardown_way(void **state)
{
    fixture_teardown(state);
    slow_way_close(&way);
    return 0;
}

/* What the server says of a lost position, a row of the user's may be refused with as well. */
static void
a_row_refused_with_the_same_words_is_no_lost_position(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_UPDATE, 0, 1);
    feed_sync(&feed);
    pg_do(db, "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS"
              " $$ BEGIN IF new.v = 8 THEN RAISE 'no' USING errcode = '" ORIGIN_GONE "'; END IF;"
              " RETURN new; END $$;"
              "CREATE TRIGGER g BEFORE UPDATE ON a.t FOR EACH ROW EXECUTE FUNCTION a.f();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER g");
    refused(0x3000, CHANGE_UPDATE, 10, 1);
    assert_string_equal(feed.err.sqlstate, ORIGIN_GONE);
    is_left("7 100", 0x2000);
    pg_do(db, "DROP FUNCTION a.f() CASCADE");
}

/* Somebody empties the table that the position stands in. */
static void
without_its_row_nothing_is_committed(void **state)
{
    NEEDS_SERVER();
    put(0x2000, CHANGE_UPDATE, 0, 1);
    feed_sync(&feed);
    static const int sizes[] = {1, 20};
    for (int i = 0; i < 2; i++) {
        pg_do(db, "DELETE FROM tidegate.progress");
        feed_begin(&feed, 0x3000);
        for (int id = 0; id < sizes[i]; id++) {
            feed_row(&feed, change_of(CHANGE_UPDATE, id, 8));
        }
        struct change commit = {.kind = CHANGE_COMMIT, .position = {0x3000, 0}};
        struct sink_progress p;
        assert_false(
            sink_apply(feed.sink, &commit, &feed.err) && sink_sync(feed.sink, &p, &feed.err));
        assert_int_equal(feed.err.class, ERR_FATAL);
        assert_non_null(strstr(feed.err.text, "its row is gone from table 'tidegate.progress'"));
        is_left("7 100", 0x1000);
    }
}

int
main(void)
{
#define T(f)                                                                                       \
    cmocka_unit_test_setup_teardown(f, setup, fixture_teardown),                                   \
    {                                                                                              \
        "in a row: " #f, f, setup_row, fixture_teardown, NULL                                      \
    }
#define T_ROW(f) cmocka_unit_test_setup_teardown(f, setup_row, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(small_transactions_arrive),
        T(a_missing_row_keeps_its_transaction_out),
        T(a_row_too_many_keeps_its_transaction_out),
        T(behind_a_sync_rows_are_counted_again),
        T(one_by_one_it_is_named),
        T(a_row_taken_away_by_a_new_trigger_is_noticed),
        T(nothing_is_committed_behind_a_commit_that_fails),
        T(the_servers_own_words_are_kept),
        cmocka_unit_test_setup_teardown(
            a_row_refused_with_the_same_words_is_no_lost_position, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            over_a_long_way_the_rows_of_larger_ones_are_counted_there, setup, teardown_way),
        T_ROW(without_its_row_nothing_is_committed),
    };
    return cmocka_run_group_tests(tests, start, fixture_stop);
}
