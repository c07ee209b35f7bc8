/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared transactions on a real target: each is there once and under its own name, wherever the
 * sink was cut off. What a crash leaves behind is made by hand, between two steps of the sink.
 */
#include <stdio.h>

#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25 };

static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct relation t;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text);"
                  "DROP TABLE IF EXISTS tidegate.prepared");
    }
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    params.group_transactions = 100;
    params.group_bytes = 1 << 20;
    return 0;
}

static int
teardown(void **state)
{
    if (db) {
        feed_close(&feed);
        static const char list[] = "SELECT coalesce(min(gid), '') FROM pg_prepared_xacts";
        char sql[80];
        for (const char *gid = pg_get(db, list); gid[0]; gid = pg_get(db, list)) {
            snprintf(sql, sizeof sql, "ROLLBACK PREPARED '%s'", gid);
            pg_do(db, sql);
        }
    }
    return fixture_teardown(state);
}

static bool
try_send(struct change c)
{
    c.commit_us = 1700000000000000;
    return sink_apply(feed.sink, &c, &feed.err);
}

static void
send(struct change c)
{
    if (!try_send(c)) {
        fail_msg("%s [%s] %s", feed.err.text, feed.err.sqlstate, feed.err.hint);
    }
}

static void
begin(uint64_t position, const char *gid)
{
    feed.position = position;
    feed.ordinal = 0;
    send((struct change){.kind = CHANGE_BEGIN, .position = {position - 8, 0}, .gid = gid});
}

static struct change
ended(enum change_kind kind, const char *gid)
{
    return (struct change){.kind = kind, .position = {feed.position, 0}, .gid = gid};
}

static void
prepare(uint64_t position, const char *gid, const char *id)
{
    begin(position, gid);
    feed_row(&feed, rows_insert(&t, ROW(id, "x")));
    send(ended(CHANGE_PREPARE, gid));
}

static void
finish(uint64_t position, enum change_kind kind, const char *gid)
{
    begin(position, gid);
    send(ended(kind, gid));
}

static void
refused(uint64_t position, enum change_kind kind, const char *gid, const char *why)
{
    begin(position, gid);
    assert_false(try_send(ended(kind, gid)));
    if (!strstr(feed.err.text, why)) {
        fail_msg("'%s' is not in '%s'", why, feed.err.text);
    }
}

#define PREPARED "SELECT coalesce(string_agg(gid, ' ' ORDER BY gid), '') FROM pg_prepared_xacts"
#define NOTED    "SELECT coalesce(string_agg(gid, ' ' ORDER BY gid), '') FROM tidegate.prepared"
#define ROWS     "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM a.t"

static void
it_is_prepared_under_its_name_and_committed_later(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    prepare(0x2000, "it's one", "1");
    expect(PREPARED, "it's one");
    expect(NOTED, "it's one");
    expect(ROWS, "");
    assert_true(feed_sync(&feed).durable == 0x2000);
    finish(0x3000, CHANGE_COMMIT_PREPARED, "it's one");
    expect(PREPARED, "");
    expect(NOTED, "");
    expect(ROWS, "1");
    struct sink_progress p = feed_sync(&feed);
    assert_true(p.durable == 0x3000 && p.applied == 0x3000);
    assert_int_equal(p.rows, 1);
}

static void
it_is_rolled_back(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    prepare(0x2000, "g", "1");
    finish(0x3000, CHANGE_ROLLBACK_PREPARED, "g");
    expect(PREPARED, "");
    expect(NOTED, "");
    expect(ROWS, "");
    prepare(0x4000, "g", "1");
    finish(0x5000, CHANGE_COMMIT_PREPARED, "g");
    expect(ROWS, "1");
}

static void
it_is_alone_among_joined_transactions(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x1100, rows_insert(&t, ROW("1", "x")));
    feed_one(&feed, 0x1200, rows_insert(&t, ROW("2", "x")));
    feed_one(&feed, 0x1300, rows_insert(&t, ROW("3", "x")));
    prepare(0x2000, "g", "4");
    prepare(0x2100, "h", "5");
    feed_one(&feed, 0x2200, rows_insert(&t, ROW("6", "x")));
    feed_one(&feed, 0x2300, rows_insert(&t, ROW("7", "x")));
    feed_one(&feed, 0x2400, rows_insert(&t, ROW("8", "x")));
    finish(0x3000, CHANGE_COMMIT_PREPARED, "h");
    feed_one(&feed, 0x3100, rows_insert(&t, ROW("9", "x")));
    feed_sync(&feed);
    expect(PREPARED, "g");
    expect(ROWS, "1 2 3 5 6 7 8 9");
    finish(0x4000, CHANGE_COMMIT_PREPARED, "g");
    expect(ROWS, "1 2 3 4 5 6 7 8 9");
    assert_true(feed_sync(&feed).durable == 0x4000);
}

static void
it_survives_the_end_of_the_session_and_of_the_target(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    prepare(0x2000, "g", "1");
    fixture_reopen(0x1000);
    assert_true(feed.resume == 0x2000);
    feed_close(&feed);
    PQfinish(db);
    assert_true(pg_server_crash(&server));
    db = pg_server_connect(&server, NULL);
    feed_open(&feed, &params, 0x1000);
    assert_true(feed.resume == 0x2000);
    expect(PREPARED, "g");
    finish(0x3000, CHANGE_COMMIT_PREPARED, "g");
    fixture_reopen(0x1000);
    assert_true(feed.resume == 0x3000);
    expect(ROWS, "1");
}

static void
cut_off_behind_the_prepare_it_is_not_prepared_twice(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "BEGIN; INSERT INTO a.t VALUES (1, 'x'); PREPARE TRANSACTION 'g'");
    feed_open(&feed, &params, 0x1000);
    prepare(0x2000, "g", "1");
    expect(PREPARED, "g");
    expect(NOTED, "g");
    assert_true(feed_sync(&feed).durable == 0x2000);
    finish(0x3000, CHANGE_COMMIT_PREPARED, "g");
    expect(ROWS, "1");
}

static void
cut_off_behind_the_outcome_it_goes_on(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    prepare(0x2000, "g", "1");
    prepare(0x2100, "h", "2");
    pg_do(db, "COMMIT PREPARED 'g'");
    pg_do(db, "ROLLBACK PREPARED 'h'");
    fixture_reopen(0x1000);
    finish(0x3000, CHANGE_COMMIT_PREPARED, "g");
    finish(0x3100, CHANGE_ROLLBACK_PREPARED, "h");
    expect(NOTED, "");
    expect(ROWS, "1");
    assert_true(feed_sync(&feed).durable == 0x3100);
}

static void
an_outcome_of_what_never_came_is_refused_unless_it_is_a_rollback(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    finish(0x2000, CHANGE_ROLLBACK_PREPARED, "before");
    assert_true(feed_sync(&feed).durable == 0x2000);
    refused(0x3000, CHANGE_COMMIT_PREPARED, "before", "never prepared on the target");
    assert_int_equal(feed.err.class, ERR_FATAL);
}

static void
an_outcome_that_the_copy_has_needs_no_prepare(void **state)
{
    NEEDS_SERVER();
    params.copied = 0x3000;
    feed_open(&feed, &params, 0x1000);
    params.copied = 0;
    finish(0x3000, CHANGE_COMMIT_PREPARED, "before");
    assert_true(feed_sync(&feed).durable == 0x3000);
    refused(0x3001, CHANGE_COMMIT_PREPARED, "before", "never prepared on the target");
}

static void
a_prepared_transaction_of_somebody_else_is_left_alone(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "DROP ROLE IF EXISTS other_owner; CREATE ROLE other_owner LOGIN");
    PGconn *other = pg_server_connect(&server, "user=other_owner");
    pg_do(other, "BEGIN; PREPARE TRANSACTION 'g'");
    PQfinish(other);
    feed_open(&feed, &params, 0x1000);
    finish(0x1800, CHANGE_ROLLBACK_PREPARED, "g");
    expect(PREPARED, "g");
    refused(0x2000, CHANGE_PREPARE, "g", "has a prepared transaction of this name");
    pg_do(db, "ROLLBACK PREPARED 'g'; ");
    pg_do(db, "DROP ROLE other_owner");
}

static void
a_name_that_another_database_of_the_server_has_is_refused_with_a_way_out(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE DATABASE other_names");
    PGconn *other = pg_server_connect(&server, "dbname=other_names");
    pg_do(other, "BEGIN; PREPARE TRANSACTION 'g'");
    feed_open(&feed, &params, 0x1000);
    refused(0x2000, CHANGE_PREPARE, "g", "already in use");
    assert_non_null(strstr(feed.err.hint, "a whole server's"));
    pg_do(other, "ROLLBACK PREPARED 'g'");
    PQfinish(other);
    pg_do(db, "DROP DATABASE other_names");
}

static void
one_that_comes_late_with_its_commit_is_an_ordinary_one(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    begin(0x2000, "g");
    feed_row(&feed, rows_insert(&t, ROW("1", "x")));
    send(ended(CHANGE_COMMIT, "g"));
    feed_sync(&feed);
    expect(PREPARED, "");
    expect(ROWS, "1");
    fixture_reopen(0x1000);
    assert_true(feed.resume == 0x2000);
}

static void
one_that_is_cut_off_at_the_source_leaves_nothing(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x1100, rows_insert(&t, ROW("1", "x")));
    begin(0x2000, "g");
    feed_row(&feed, rows_insert(&t, ROW("2", "x")));
    feed_discard(&feed);
    prepare(0x2000, "g", "2");
    finish(0x3000, CHANGE_COMMIT_PREPARED, "g");
    expect(ROWS, "1 2");
}

static void
a_row_that_is_refused_prepares_nothing(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    begin(0x2000, "g");
    feed_row(&feed, rows_delete(&t, ROW("7", NULL)));
    assert_false(try_send(ended(CHANGE_PREPARE, "g")));
    assert_int_equal(feed.err.class, ERR_DATA);
    feed_close(&feed);
    fixture_wait_for_sessions();
    expect(PREPARED, "");
}

static void
an_empty_one_is_prepared_too(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    finish(0x2000, CHANGE_PREPARE, "g");
    expect(PREPARED, "g");
    finish(0x3000, CHANGE_COMMIT_PREPARED, "g");
    expect(PREPARED, "");
    assert_true(feed_sync(&feed).durable == 0x3000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_prepared_under_its_name_and_committed_later),
        TEST(it_is_rolled_back),
        TEST(it_is_alone_among_joined_transactions),
        TEST(it_survives_the_end_of_the_session_and_of_the_target),
        TEST(cut_off_behind_the_prepare_it_is_not_prepared_twice),
        TEST(cut_off_behind_the_outcome_it_goes_on),
        TEST(an_outcome_of_what_never_came_is_refused_unless_it_is_a_rollback),
        TEST(an_outcome_that_the_copy_has_needs_no_prepare),
        TEST(a_prepared_transaction_of_somebody_else_is_left_alone),
        TEST(one_that_comes_late_with_its_commit_is_an_ordinary_one),
        TEST(a_name_that_another_database_of_the_server_has_is_refused_with_a_way_out),
        TEST(one_that_is_cut_off_at_the_source_leaves_nothing),
        TEST(a_row_that_is_refused_prepares_nothing),
        TEST(an_empty_one_is_prepared_too),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
