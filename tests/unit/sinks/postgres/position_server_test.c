/* SPDX-License-Identifier: Apache-2.0
 *
 * Position, grouping, durability, roles and errors of the sink against a real server. Skipped when
 * none is installed.
 */
#include <poll.h>
#include <stdio.h>

#include "sinks/postgres/origin.h"
#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25 };

static char plain_dsn[200];
static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct relation t;

static int
start(void **state)
{
    fixture_start(state);
    if (db) {
        pg_do(db, "CREATE ROLE plain LOGIN; CREATE ROLE maker LOGIN;"
                  "GRANT CREATE ON DATABASE postgres TO maker");
    }
    return 0;
}

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text);"
                  "GRANT USAGE ON SCHEMA a TO plain, maker; GRANT ALL ON a.t TO plain, maker");
    }
    snprintf(
        plain_dsn, sizeof plain_dsn, "host=%s port=5432 dbname=postgres user=maker", server.dir);
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    return 0;
}

static bool
origin_holds_position(void)
{
    return PQserverVersion(db) < 160000 && params.apply_jobs < 2;
}

static struct change
insert(const char *id)
{
    return rows_insert(&t, ROW(id, "x"));
}

static void
without_a_position_of_its_own_it_starts_where_the_copy_began(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    assert_int_equal(feed.resume, 0x1000);
    fixture_reopen(0x1234);
    assert_int_equal(feed.resume, 0x1234);
}

static void
it_resumes_behind_the_last_commit(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_one(&feed, 0x3000, insert("2"));
    feed_sync(&feed);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x3000);
    expect("SELECT coalesce(max(remote_lsn), '0/0') FROM pg_replication_origin_status",
        origin_holds_position() ? "0/3000" : "0/0");
}

static void
a_transaction_that_was_not_committed_leaves_nothing(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_begin(&feed, 0x3000);
    feed_row(&feed, insert("2"));
    assert_true(sink_flush(feed.sink, &feed.err));
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "1");
}

static void
a_transaction_handed_over_twice_is_refused(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("2"));
    struct change c = {.kind = CHANGE_COMMIT, .position = {0x2000, 0}};
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    assert_int_equal(feed.err.class, ERR_FATAL);
}

static void
consecutive_transactions_share_one_on_the_target(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 8;
    feed_open(&feed, &params, 0x1000);
    for (int i = 0; i < 31; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        feed_one(&feed, 0x2000 + 0x100 * (uint64_t)i, insert(id));
    }
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.transactions, 31);
    assert_int_equal(p.applied, 0x2000 + 0x100 * 30);
    /* 1 + 2 + 4 + 8 + 8 + 8 */
    expect("SELECT count(DISTINCT xmin::text) FROM a.t", "6");
}

/* Each row takes the target two hundredths of the time of a group. */
static void
a_slow_target_gets_smaller_groups(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE FUNCTION a.slow() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';"
              "CREATE TRIGGER slow BEFORE INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.slow();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER slow");
    params.group_transactions = 256;
    params.group_time_us = 20000;
    params.inflight_bytes = 4096;
    feed_open(&feed, &params, 0x1000);
    for (int i = 1; i <= 1000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        feed_one(&feed, 0x2000 + 0x100 * (uint64_t)i, insert(id));
    }
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.transactions, 1000);
    /* Those of several connections have a pace of their own. */
    if (params.apply_jobs < 2) {
        expect("SELECT max(n) < 64 FROM (SELECT count(*) AS n FROM a.t WHERE id > 700"
               " GROUP BY xmin::text) g",
            "t");
    }
}

static void
what_is_held_back_is_not_applied_until_flush(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 100;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_one(&feed, 0x3000, insert("2"));
    struct sink_progress p = {0};
    while (p.applied < 0x3000) {
        assert_true(sink_flush(feed.sink, &feed.err));
        assert_true(sink_poll(feed.sink, 50, &p, &feed.err));
    }
    feed_one(&feed, 0x4000, insert("3"));
    feed_mark(&feed, 0x4800);
    assert_true(sink_poll(feed.sink, 20, &p, &feed.err));
    assert_int_equal(p.applied, 0x3000);
    expect("SELECT count(*) FROM a.t", "2");
    assert_true(sink_flush(feed.sink, &feed.err));
    while (p.applied < 0x4800) {
        assert_true(sink_poll(feed.sink, 50, &p, &feed.err));
    }
    expect("SELECT count(*) FROM a.t", "3");
}

/* A commit that is only owed is none yet. */
static void
what_is_said_to_be_applied_is_visible(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    for (uint64_t at = 0x2000; at <= 0x6000; at += 0x1000) {
        char id[16];
        struct sink_progress p = {0};
        snprintf(id, sizeof id, "%d", (int)(at >> 12));
        feed_one(&feed, at, insert(id));
        while (p.applied < at) {
            assert_true(sink_poll(feed.sink, 0, &p, &feed.err));
        }
        expect("SELECT max(id) FROM a.t", id);
    }
}

/* A COMMIT that begins the next transaction is for one that has come. */
static void
no_transaction_is_left_open_when_nothing_comes(void **state)
{
    NEEDS_SERVER();
    struct sink_progress p = {0};
    params.group_transactions = 1;
    feed_open(&feed, &params, 0x1000);
    for (uint64_t at = 0x2000; at <= 0x9000; at += 0x1000) {
        char id[16];
        snprintf(id, sizeof id, "%d", (int)(at >> 12));
        feed_one(&feed, at, insert(id));
    }
    assert_true(sink_flush(feed.sink, &feed.err));
    while (p.applied < 0x9000) {
        assert_true(sink_poll(feed.sink, 50, &p, &feed.err));
    }
    expect("SELECT count(DISTINCT xmin::text) FROM a.t", "8");
    expect("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
           " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        "0");
}

static void
large_transactions_are_not_joined(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 100;
    params.group_bytes = 10;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_one(&feed, 0x3000, insert("2"));
    feed_one(&feed, 0x4000, insert("3"));
    feed_sync(&feed);
    expect("SELECT count(DISTINCT xmin::text) FROM a.t", "3");
}

static void
marks_and_empty_transactions_move_the_position(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_mark(&feed, 0x1800);
    feed_begin(&feed, 0x2000);
    feed_commit(&feed);
    struct sink_progress p;
    assert_true(sink_poll(feed.sink, 0, &p, &feed.err));
    assert_int_equal(p.applied, 0x2000);
    assert_int_equal(p.transactions, 1);
    assert_int_equal(p.durable, 0x1000);
    assert_int_equal(feed_sync(&feed).durable, 0x2000);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
}

static void
what_is_applied_becomes_durable_without_being_asked(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    struct sink_progress p = {0};
    for (int i = 0; i < 60 && p.durable < 0x2000; i++) {
        assert_true(sink_poll(feed.sink, 50, &p, &feed.err));
        poll(NULL, 0, 50);
    }
    assert_int_equal(p.durable, 0x2000);
}

/* Nothing but the position may have been written since the row, and nothing waits for the disk. */
static void
crash_after_sync(void)
{
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    assert_int_equal(feed_sync(&feed).durable, 0x2000);
    feed_mark(&feed, 0x2800);
    assert_int_equal(feed_sync(&feed).durable, 0x2800);
    PQfinish(db);
    assert_true(pg_server_crash(&server));
    db = pg_server_connect(&server, NULL);
    struct sink_progress p;
    struct change c = insert("2");
    feed_begin(&feed, 0x3000);
    bool ok = sink_apply(feed.sink, &c, &feed.err) && sink_sync(feed.sink, &p, &feed.err) &&
              sink_poll(feed.sink, 1000, &p, &feed.err);
    assert_false(ok);
    assert_int_equal(feed.err.class, ERR_RECONNECT);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2800);
    expect("SELECT count(*) FROM a.t", "1");
}

static void
what_is_durable_survives_a_crash_of_the_target(void **state)
{
    NEEDS_SERVER();
    crash_after_sync();
}

static void
a_position_in_the_table_survives_a_crash_of_the_target(void **state)
{
    NEEDS_SERVER();
    params.dsn = plain_dsn;
    crash_after_sync();
}

static void
a_transaction_cut_off_at_the_source_is_rolled_back(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1"));
    feed_discard(&feed);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1"));
    feed_row(&feed, insert("2"));
    feed_commit(&feed);
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.rows, 2);
    assert_int_equal(p.transactions, 1);
    expect("SELECT count(*) FROM a.t", "2");
}

/* The COMMIT in front of it is owed still, and begins the transaction that is rolled back. */
static void
a_transaction_cut_off_takes_no_other_along(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 1;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_one(&feed, 0x3000, insert("2"));
    feed_begin(&feed, 0x4000);
    feed_row(&feed, insert("3"));
    feed_discard(&feed);
    assert_int_equal(feed_sync(&feed).applied, 0x3000);
    expect("SELECT string_agg(id::text, ' ' ORDER BY id) FROM a.t", "1 2");
    feed_one(&feed, 0x4000, insert("4"));
    assert_int_equal(feed_sync(&feed).applied, 0x4000);
    expect("SELECT count(DISTINCT xmin::text) FROM a.t", "3");
}

/* The feed of the test below: 20 transactions, one cut off, the same again, one more. */
static bool
feed_with_a_cut(uint64_t resume)
{
    for (uint64_t i = 1; i <= 22; i++) {
        uint64_t position = 0x1000 + 0x100 * (i > 20 ? i - 1 : i);
        if (position <= resume) {
            continue;
        }
        char id[16];
        snprintf(id, sizeof id, "%d", (int)(position >> 8));
        feed_begin(&feed, position);
        feed_row(&feed, insert(id));
        struct change cut = {.kind = CHANGE_DISCARD};
        if (i != 20) {
            feed_commit(&feed);
        } else if (!sink_apply(feed.sink, &cut, &feed.err)) {
            return false;
        }
    }
    return true;
}

static void
a_cut_behind_held_back_transactions_ends_after_a_few_sessions(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 100;
    feed_open(&feed, &params, 0x1000);
    int sessions = 1;
    while (!feed_with_a_cut(feed.resume)) {
        assert_int_equal(feed.err.class, ERR_RECONNECT);
        uint64_t before = feed.resume;
        fixture_reopen(0x1000);
        assert_true(feed.resume > before);
        sessions++;
    }
    assert_true(sessions > 1 && sessions < 6);
    assert_int_equal(feed_sync(&feed).applied, 0x1000 + 0x100 * 21);
    expect("SELECT count(*) FROM a.t", "21");
}

static void
a_second_session_is_refused_with_the_pid_of_the_first(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    struct sink *other = NULL;
    uint64_t resume;
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &other, &resume, &err));
    assert_int_equal(err.class, ERR_RETRY);
    char pid[32];
    snprintf(pid, sizeof pid, "%s",
        pg_get(
            db, "SELECT pid FROM pg_stat_activity WHERE application_name = 'tidegate sink test'"));
    assert_non_null(strstr(err.text, pid));
}

static void
a_role_without_origins_keeps_its_position_in_a_table(void **state)
{
    NEEDS_SERVER();
    params.dsn = plain_dsn;
    feed_open(&feed, &params, 0x1000);
    assert_int_equal(feed.resume, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_one(&feed, 0x3000, rows_update(&t, ROW("1", "y")));
    assert_int_equal(feed_sync(&feed).durable, 0x3000);
    expect("SELECT origin || ' ' || position || ' ' || commit_time FROM tidegate.progress",
        "tidegate_test 0/3000 2023-11-14 22:13:20+00");
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x3000);
    expect("SELECT count(*) FROM pg_replication_origin", "0");
}

static void
the_table_belongs_to_one_session_at_a_time(void **state)
{
    NEEDS_SERVER();
    params.dsn = plain_dsn;
    feed_open(&feed, &params, 0x1000);
    struct sink *other = NULL;
    uint64_t resume;
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &other, &resume, &err));
    assert_int_equal(err.class, ERR_RETRY);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %s",
        pg_get(
            db, "SELECT pid FROM pg_stat_activity WHERE application_name = 'tidegate sink test'"));
    assert_non_null(strstr(err.text, pid));
}

static void
a_table_of_another_role_is_not_passed_over(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE SCHEMA tidegate; CREATE TABLE tidegate.progress (origin text PRIMARY KEY,"
              " position pg_lsn)");
    params.dsn = plain_dsn;
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &feed.sink, &feed.resume, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.hint, "grant"));
}

static void
a_role_that_can_keep_no_position_is_told_what_to_grant(void **state)
{
    NEEDS_SERVER();
    snprintf(plain_dsn, sizeof plain_dsn, "host=%s dbname=postgres user=plain", server.dir);
    params.dsn = plain_dsn;
    struct sink *other = NULL;
    uint64_t resume;
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &other, &resume, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.hint, "grant"));
}

static void
granted_origin_functions_are_used(void **state)
{
    NEEDS_SERVER();
    if (!origin_holds_position()) {
        skip();
    }
    pg_do(db, "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text),"
              " pg_replication_origin_oid(text), pg_replication_origin_session_setup(text),"
              " pg_replication_origin_session_progress(bool),"
              " pg_replication_origin_xact_setup(pg_lsn, timestamptz) TO maker");
    params.dsn = plain_dsn;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    expect("SELECT remote_lsn FROM pg_replication_origin_status", "0/2000");
    feed_close(&feed);
    fixture_wait_for_sessions();
    pg_do(db, "REVOKE EXECUTE ON FUNCTION pg_replication_origin_xact_setup(pg_lsn, timestamptz)"
              " FROM maker");
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &feed.sink, &feed.resume, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "tidegate_test"));
}

static void
a_position_in_the_table_counts_when_origins_come_later(void **state)
{
    NEEDS_SERVER();
    params.dsn = plain_dsn;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    params.dsn = server.dsn;
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
}

static void
a_session_that_ends_before_its_commit_does_not_move_the_position(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    pg_do(db, "BEGIN; LOCK a.t IN SHARE MODE");
    feed_begin(&feed, 0x3000);
    feed_row(&feed, insert("2"));
    assert_true(sink_flush(feed.sink, &feed.err));
    pg_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE application_name = 'tidegate sink test'; COMMIT");
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
}

static void
a_position_moves_with_the_rights_and_is_never_left_behind(void **state)
{
    NEEDS_SERVER();
    if (!origin_holds_position()) {
        skip();
    }
    params.dsn = plain_dsn;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    params.dsn = server.dsn;
    fixture_reopen(0x1000);
    expect("SELECT remote_lsn FROM pg_replication_origin_status", "0/2000");
    expect("SELECT count(*) FROM tidegate.progress", "0");
    feed_one(&feed, 0x3000, insert("2"));
    feed_sync(&feed);
    feed_close(&feed);
    fixture_wait_for_sessions();
    params.dsn = plain_dsn;
    struct err err = ERR_INIT;
    assert_false(sink_find("postgresql")->open(&params, 0, &feed.sink, &feed.resume, &err));
    assert_int_equal(err.class, ERR_CONFIG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(without_a_position_of_its_own_it_starts_where_the_copy_began),
        T(it_resumes_behind_the_last_commit),
        T(a_transaction_that_was_not_committed_leaves_nothing),
        T(a_transaction_handed_over_twice_is_refused),
        T(consecutive_transactions_share_one_on_the_target),
        T(a_slow_target_gets_smaller_groups),
        T(what_is_held_back_is_not_applied_until_flush),
        T(what_is_said_to_be_applied_is_visible),
        T(no_transaction_is_left_open_when_nothing_comes),
        T(large_transactions_are_not_joined),
        T(marks_and_empty_transactions_move_the_position),
        T(what_is_applied_becomes_durable_without_being_asked),
        T(what_is_durable_survives_a_crash_of_the_target),
        T(a_transaction_cut_off_at_the_source_is_rolled_back),
        T(a_transaction_cut_off_takes_no_other_along),
        T(a_cut_behind_held_back_transactions_ends_after_a_few_sessions),
        T(a_second_session_is_refused_with_the_pid_of_the_first),
        T(a_role_without_origins_keeps_its_position_in_a_table),
        T(the_table_belongs_to_one_session_at_a_time),
        T(a_table_of_another_role_is_not_passed_over),
        T(a_role_that_can_keep_no_position_is_told_what_to_grant),
        T(granted_origin_functions_are_used),
        T(a_position_in_the_table_counts_when_origins_come_later),
        T(a_session_that_ends_before_its_commit_does_not_move_the_position),
        T(a_position_moves_with_the_rights_and_is_never_left_behind),
        T(a_position_in_the_table_survives_a_crash_of_the_target),
    };
    return cmocka_run_group_tests(tests, start, fixture_stop);
}
