/* SPDX-License-Identifier: Apache-2.0
 *
 * One change that the target refuses, and everything around it, against a real server. Skipped when
 * none is installed.
 */
#include <stdio.h>

#include "sinks/postgres/isolate.h"
#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25 };

static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct relation t;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    params.row_by_row = true;
    params.refusal = SINK_REFUSAL_UNDONE;
    params.group_transactions = 100;
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text CHECK (v <> 'bad'))");
    }
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    return 0;
}

static struct change
insert(const char *id, const char *v)
{
    return rows_insert(&t, ROW(id, v));
}

/* The change must be refused, and the sink go on. */
static void
refused(struct change c, const char *sqlstate)
{
    c.position = (struct position){feed.position - 8, ++feed.ordinal};
    err_clear(&feed.err);
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    if (!sink_undone(feed.sink)) {
        print_error("%s\n", feed.err.text);
    }
    assert_true(sink_undone(feed.sink));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, sqlstate);
    err_clear(&feed.err);
}

static void
refused_rows_first_last_and_between_leave_all_others(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    refused(insert("1", "bad"), "23514");
    feed_row(&feed, insert("2", "x"));
    feed_row(&feed, insert("3", "x"));
    refused(insert("3", "x"), "23505");
    refused(insert("4", "bad"), "23514");
    feed_row(&feed, insert("5", "x"));
    refused(insert("6", "bad"), "23514");
    feed_commit(&feed);
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.durable, 0x2000);
    assert_int_equal(p.rows, 3);
    expect("SELECT string_agg(id::text, ' ' ORDER BY id) FROM a.t", "2 3 5");
}

static void
a_transaction_of_nothing_but_refused_rows_moves_the_position(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    refused(insert("1", "bad"), "23514");
    feed_commit(&feed);
    feed_one(&feed, 0x3000, insert("2", "x"));
    feed_sync(&feed);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x3000);
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "2");
}

static void
a_missing_row_is_undone_like_any_other(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "x"));
    refused(rows_update(&t, ROW("17", "y")), "");
    refused(rows_delete(&t, ROW("17", NULL)), "");
    feed_row(&feed, rows_update(&t, ROW("1", "y")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "1y");
}

static void
an_update_of_too_many_rows_changes_none(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.two (id int, v text); INSERT INTO a.two VALUES (1, 'x'), (1, 'x')");
    struct relation two = rows_relation(2, "a", "two", 'd', pair, 2);
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    refused(rows_update(&two, ROW("1", "y")), "");
    feed_row(&feed, insert("1", "x"));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(v, ' ') FROM a.two", "x x");
}

static void
a_refused_truncate_is_undone(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.child (id int REFERENCES a.t)");
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "x"));
    const struct relation *list[] = {&t};
    refused(
        (struct change){.kind = CHANGE_TRUNCATE, .truncated = list, .truncated_len = 1}, "0A000");
    feed_row(&feed, insert("2", "x"));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id::text, ' ' ORDER BY id) FROM a.t", "1 2");
}

static void
a_statement_that_cannot_be_prepared_can_be_later(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "x"));
    feed_commit(&feed);
    feed_sync(&feed);
    pg_do(db, "ALTER TABLE a.t RENAME TO hidden");
    feed_begin(&feed, 0x3000);
    refused(rows_update(&t, ROW("1", "y")), "42P01");
    feed_commit(&feed);
    feed_sync(&feed);
    pg_do(db, "ALTER TABLE a.hidden RENAME TO t");
    feed_one(&feed, 0x4000, rows_update(&t, ROW("1", "z")));
    feed_sync(&feed);
    expect("SELECT v FROM a.t", "z");
}

static void
a_table_that_is_not_there_is_no_end(void **state)
{
    NEEDS_SERVER();
    struct relation other = rows_relation(2, "a", "other", 'd', pair, 2);
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    refused(rows_insert(&other, ROW("1", "x")), "42P01");
    feed_row(&feed, insert("1", "x"));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.t", "1");
}

static void
a_commit_that_is_refused_is_told_by_the_commit(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE FUNCTION a.no() RETURNS trigger LANGUAGE plpgsql AS"
              " $$BEGIN RAISE check_violation; END$$;"
              "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON a.t DEFERRABLE INITIALLY DEFERRED"
              " FOR EACH ROW WHEN (new.v = 'late') EXECUTE FUNCTION a.no();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER late");
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, insert("1", "x"));
    feed_begin(&feed, 0x3000);
    feed_row(&feed, insert("2", "late"));
    struct change c = {.kind = CHANGE_COMMIT, .position = {0x3000, 0}};
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    assert_false(sink_undone(feed.sink));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "23514");
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x2000);
}

static void
a_lost_connection_is_no_refusal(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "x"));
    pg_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE application_name LIKE 'tidegate sink%'");
    struct change c = insert("2", "x");
    c.position = (struct position){0x1ff8, 2};
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    assert_false(sink_undone(feed.sink));
    assert_int_equal(feed.err.class, ERR_RECONNECT);
}

static void
a_discarded_transaction_with_a_refused_row_comes_again(void **state)
{
    NEEDS_SERVER();
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "x"));
    feed_discard(&feed);
    feed_begin(&feed, 0x2000);
    refused(insert("1", "bad"), "23514");
    feed_discard(&feed);
    feed_one(&feed, 0x2000, insert("1", "x"));
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.t", "1");
}

/* --- upsert --------------------------------------------------------------------------------------
 */

static void
rows_there_and_missing_are_put_another_way(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (1, 'old'), (2, 'old')");
    params.refusal = SINK_REFUSAL_UPSERT;
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, insert("1", "new"));
    feed_row(&feed, rows_update(&t, ROW("3", "new")));
    feed_row(&feed, rows_delete(&t, ROW("4", NULL)));
    feed_row(&feed, rows_update(&t, ROW("2", "new")));
    feed_row(&feed, insert("5", "new"));
    feed_commit(&feed);
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.upserted, 3);
    assert_int_equal(p.rows, 5);
    expect("SELECT string_agg(id || v, ' ' ORDER BY id) FROM a.t", "1new 2new 3new 5new");
}

static void
an_upsert_of_a_row_with_unknown_values_is_refused(void **state)
{
    NEEDS_SERVER();
    params.refusal = SINK_REFUSAL_UPSERT;
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    struct change c = rows_update(&t, ROW("3", ROW_UNCHANGED));
    c.position = (struct position){0x1ff8, 1};
    assert_false(sink_apply(feed.sink, &c, &feed.err));
    assert_non_null(strstr(feed.err.text, "did not send column 'v'"));
    assert_true(sink_undone(feed.sink));
}

static void
unchanged_values_come_from_a_full_old_row(void **state)
{
    NEEDS_SERVER();
    struct column full[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, true}};
    struct relation f = rows_relation(1, "a", "t", 'f', full, 2);
    params.refusal = SINK_REFUSAL_UPSERT;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, rows_update_full(&f, ROW("3", "kept"), ROW("4", ROW_UNCHANGED)));
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "4kept");
}

static void
another_rows_unique_value_is_no_matter_for_an_upsert(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE UNIQUE INDEX ON a.t (v); INSERT INTO a.t VALUES (1, 'taken')");
    params.refusal = SINK_REFUSAL_UPSERT;
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    refused(insert("2", "taken"), "23505");
    refused(insert("3", "bad"), "23514");
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "1taken");
}

static void
identity_columns_are_overwritten_by_nothing(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.g (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);"
              "INSERT INTO a.g (id, v) VALUES (1, 'old'), (2, 'old')");
    struct column c[] = {{"id", INT4, -1, true}, {"n", INT4, -1, false}, {"v", TEXT, -1, false}};
    struct relation g = rows_relation(3, "a", "g", 'd', c, 3);
    params.refusal = SINK_REFUSAL_UPSERT;
    feed_open(&feed, &params, 0x1000);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&g, ROW("1", "1", "new")));
    refused(rows_insert(&g, ROW("2", "77", "new")), "");
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ' ORDER BY id) FROM a.g", "1new 2old");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(refused_rows_first_last_and_between_leave_all_others),
        T(a_transaction_of_nothing_but_refused_rows_moves_the_position),
        T(a_missing_row_is_undone_like_any_other),
        T(an_update_of_too_many_rows_changes_none),
        T(a_refused_truncate_is_undone),
        T(a_statement_that_cannot_be_prepared_can_be_later),
        T(a_table_that_is_not_there_is_no_end),
        T(a_commit_that_is_refused_is_told_by_the_commit),
        T(a_lost_connection_is_no_refusal),
        T(a_discarded_transaction_with_a_refused_row_comes_again),
        T(rows_there_and_missing_are_put_another_way),
        T(an_upsert_of_a_row_with_unknown_values_is_refused),
        T(unchanged_values_come_from_a_full_old_row),
        T(another_rows_unique_value_is_no_matter_for_an_upsert),
        T(identity_columns_are_overwritten_by_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
