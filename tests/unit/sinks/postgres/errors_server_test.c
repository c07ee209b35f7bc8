/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sink says and leaves behind when something goes wrong, against a real server. Skipped
 * when none is installed.
 */
#include <poll.h>
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
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    }
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    return 0;
}

static struct change
insert(const char *id)
{
    return rows_insert(&t, ROW(id, "x"));
}

static void
a_missing_row_is_named(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_fails(&feed, 0x2000, rows_delete(&t, ROW("17", NULL)));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.text, "apply delete a.t key (id=17) at 0/1FF8+1: row is missing");
    assert_non_null(strstr(feed.err.hint, "verify"));
}

static void
a_transaction_that_missed_a_row_is_not_committed(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_begin(&feed, 0x3000);
    feed_row(&feed, insert("2"));
    feed_row(&feed, rows_update(&t, ROW("17", "y")));
    feed_row(&feed, insert("3"));
    struct change c = {.kind = CHANGE_COMMIT, .position = {0x3000, 0}};
    struct sink_progress p;
    assert_false(sink_apply(feed.sink, &c, &feed.err) && sink_sync(feed.sink, &p, &feed.err));
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "1");
}

/* The commit is owed while the next transactions are taken: none of them may get past it. */
static void
nothing_is_committed_behind_a_missed_row(void **state)
{
    NEEDS_SERVER();
    params.group_transactions = 2;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    feed_begin(&feed, 0x3000);
    feed_row(&feed, rows_update(&t, ROW("17", "y")));
    bool ok = true;
    for (uint64_t at = 0x3000; ok && at <= 0x6000; at += 0x1000) {
        char id[16];
        snprintf(id, sizeof id, "%d", (int)(at >> 12));
        struct change begin = {.kind = CHANGE_BEGIN, .position = {at - 8, 0}};
        struct change row = insert(id), commit = {.kind = CHANGE_COMMIT, .position = {at, 0}};
        row.position = (struct position){at - 8, 2};
        ok = (at == 0x3000 || sink_apply(feed.sink, &begin, &feed.err)) &&
             sink_apply(feed.sink, &row, &feed.err) && sink_apply(feed.sink, &commit, &feed.err);
    }
    struct sink_progress p;
    assert_false(ok && sink_sync(feed.sink, &p, &feed.err));
    assert_non_null(strstr(feed.err.text, "apply update a.t key (id=17)"));
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "1");
}

static void
the_first_failing_row_is_named_with_its_own_key(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i == 30 ? 20 : i);
        feed_row(&feed, insert(id));
    }
    struct change c = {.kind = CHANGE_COMMIT, .position = {0x2000, 0}};
    struct sink_progress p;
    assert_false(sink_apply(feed.sink, &c, &feed.err) && sink_sync(feed.sink, &p, &feed.err));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "23505");
    assert_non_null(
        strstr(feed.err.text, "apply insert a.t key (id=20) at 0/1FF8+31: duplicate key"));
}

static void
transactions_before_the_failing_one_stay(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_fails(&feed, 0x3000, insert("1"));
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
}

static void
a_table_that_is_not_there_is_named(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    struct relation none = rows_relation(9, "a", "none", 'd', pair, 2);
    feed_fails(&feed, 0x2000, rows_insert(&none, ROW("1", "x")));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "42P01");
    assert_string_equal(feed.err.text,
        "apply insert a.none key (id=1) at 0/1FF8+1: table does not exist on the target");
    assert_non_null(strstr(feed.err.hint, "a.none"));
}

static void
a_table_dropped_on_the_way_is_named(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    pg_do(db, "DROP TABLE a.t");
    feed_fails(&feed, 0x3000, insert("2"));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "42P01");
    assert_non_null(strstr(feed.err.text, "apply insert a.t key (id=2) at 0/2FF8+1"));
    assert_non_null(strstr(feed.err.hint, "a.t"));
}

static void
columns_that_the_target_lacks_are_named(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    struct column c[] = {{"id", INT4, -1, true}, {"x", TEXT, -1, false}, {"y", TEXT, -1, false}};
    struct relation r = rows_relation(1, "a", "t", 'd', c, 3);
    feed_fails(&feed, 0x2000, rows_insert(&r, ROW("1", "x", "y")));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_non_null(strstr(feed.err.text, "apply insert a.t key (id=1) at 0/1FF8+1"));
    assert_non_null(strstr(feed.err.text, "'x', 'y'"));
}

static void
a_key_that_is_not_unique_on_the_target_is_an_error(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "ALTER TABLE a.t DROP CONSTRAINT t_pkey; INSERT INTO a.t VALUES (1, 'a'), (1, 'b')");
    feed_open(&feed, &params, 0x1000);
    feed_fails(&feed, 0x2000, rows_update(&t, ROW("1", "c")));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_non_null(strstr(feed.err.text, "2 rows"));
    feed_close(&feed);
    expect("SELECT string_agg(v, ' ' ORDER BY v) FROM a.t", "a b");
}

static void
a_value_that_does_not_fit_is_an_error_of_its_row(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_fails(&feed, 0x2000, rows_insert(&t, ROW("many", "x")));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "22P02");
}

static void
an_ended_session_asks_for_a_new_one(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    pg_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE application_name = 'tidegate sink test'");
    fixture_wait_for_sessions();
    struct sink_progress p;
    bool ok =
        sink_poll(feed.sink, 1000, &p, &feed.err) && sink_poll(feed.sink, 1000, &p, &feed.err);
    assert_false(ok);
    assert_int_equal(feed.err.class, ERR_RECONNECT);
}

static void
a_cancelled_statement_may_be_tried_again(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN RAISE SQLSTATE ''40P01''; END';"
              "CREATE TRIGGER g BEFORE INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.f();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER g");
    feed_open(&feed, &params, 0x1000);
    feed_fails(&feed, 0x2000, insert("1"));
    assert_int_equal(feed.err.class, ERR_RETRY);
}

static void
changes_outside_of_a_transaction_are_refused(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    struct change c = insert("1");
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    assert_int_equal(feed.err.class, ERR_FATAL);
}

static void
it_commits_with_an_isolation_of_its_own(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "ALTER ROLE postgres SET default_transaction_isolation = 'serializable';"
              "ALTER ROLE postgres SET synchronous_commit = on;"
              "ALTER ROLE postgres SET default_transaction_read_only = on");
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1"));
    feed_sync(&feed);
    pg_do(db, "SET default_transaction_read_only = off; ALTER ROLE postgres RESET ALL");
    expect("SELECT count(*) FROM a.t", "1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_missing_row_is_named),
        T(a_transaction_that_missed_a_row_is_not_committed),
        T(nothing_is_committed_behind_a_missed_row),
        T(the_first_failing_row_is_named_with_its_own_key),
        T(transactions_before_the_failing_one_stay),
        T(a_table_that_is_not_there_is_named),
        T(a_table_dropped_on_the_way_is_named),
        T(columns_that_the_target_lacks_are_named),
        T(a_key_that_is_not_unique_on_the_target_is_an_error),
        T(a_value_that_does_not_fit_is_an_error_of_its_row),
        T(an_ended_session_asks_for_a_new_one),
        T(a_cancelled_statement_may_be_tried_again),
        T(changes_outside_of_a_transaction_are_refused),
        T(it_commits_with_an_isolation_of_its_own),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
