/* SPDX-License-Identifier: Apache-2.0
 *
 * Inserts that go by COPY, against a real server: what may come between them, how they fail, and
 * what they leave. Skipped when no server is installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25 };

static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct relation t, u;
static uint32_t next_relation = 5000;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    params.group_transactions = 64;
    params.group_bytes = 64 << 20;
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text);"
                  "CREATE TABLE a.u (id int PRIMARY KEY, v text)");
        feed_open(&feed, &params, 0x1000);
    }
    t = rows_relation(next_relation++, "a", "t", 'd', pair, 2);
    u = rows_relation(next_relation++, "a", "u", 'd', pair, 2);
    return 0;
}

static struct feed feeds[2];

static int
teardown(void **state)
{
    feed_close(&feeds[0]);
    feed_close(&feeds[1]);
    return fixture_teardown(state);
}

static struct tuple
row_of(int id, const char *v)
{
    struct tuple row = ROW(NULL, NULL);
    rows_int4(row, 0, id);
    if (v) {
        rows_binary(row, 1, v, strlen(v));
    }
    return row;
}

static void
insert_many(const struct relation *r, int from, int to)
{
    for (int i = from; i < to; i++) {
        feed_row(&feed, rows_insert(r, row_of(i, i % 3 ? "some" : NULL)));
        if (i % 100 == 0) {
            rows_free();
        }
    }
}

/* Sends what is held back; the statement that the session is in. */
static void
flush(void)
{
    struct sink_progress p;
    assert_true(sink_flush(feed.sink, &feed.err));
    assert_true(sink_poll(feed.sink, 0, &p, &feed.err));
}

#define SESSION "FROM pg_stat_activity WHERE application_name = 'tidegate sink test'"

static void
expect_copying(const char *yes)
{
    expect("SELECT (query LIKE 'COPY \"a\".\"t\"%' AND state = 'active')::text " SESSION, yes);
}

static void
inserts_in_numbers_are_copied(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "ALTER TABLE a.t ADD w serial, ADD x int GENERATED ALWAYS AS (id + 1) STORED");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    flush();
    expect_copying("true");
    insert_many(&t, 1500, 3000);
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).rows, 3000);
    expect("SELECT count(*) || ' ' || count(v) || ' ' || count(DISTINCT cmin::text) FROM a.t",
        "3000 2000 1");
    expect("SELECT count(*) FROM a.t WHERE w = id + 1 AND x = id + 1", "3000");
}

static void
identity_columns_keep_their_values(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "DROP TABLE a.t; CREATE TABLE a.t (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,"
              " v text)");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 5000, 7000);
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT min(id) || ' ' || max(id) FROM a.t", "5000 6999");
}

static void
what_comes_between_finds_the_rows(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    insert_many(&u, 0, 2);
    feed_row(&feed, rows_update(&t, row_of(1499, "new")));
    feed_row(&feed, rows_delete(&t, row_of(1, NULL)));
    insert_many(&t, 1500, 3000);
    feed_row(&feed, rows_delete(&t, row_of(1500, NULL)));
    feed_row(&feed, rows_insert(&t, row_of(1500, "again")));
    insert_many(&u, 2, 1600);
    feed_row(&feed, rows_update(&u, row_of(3, "new")));
    feed_commit(&feed);
    feed_begin(&feed, 0x3000);
    insert_many(&t, 3000, 4500);
    struct change truncate = {.kind = CHANGE_TRUNCATE, .truncated_len = 1};
    const struct relation *emptied = &u;
    truncate.truncated = &emptied;
    insert_many(&u, 1600, 3200);
    feed_row(&feed, truncate);
    insert_many(&u, 0, 1200);
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT count(*) || ' ' || string_agg(id::text, ' ' ORDER BY id)"
           " FILTER (WHERE v IN ('new', 'again')) FROM a.t",
        "4499 1499 1500");
    expect("SELECT count(*) FROM a.u", "1200");
}

/* The group's commit, which must fail. */
static void
commit_fails(const char *state)
{
    struct change c = {.kind = CHANGE_COMMIT, .position = {feed.position, 0}};
    struct sink_progress p;
    assert_false(sink_apply(feed.sink, &c, &feed.err) && sink_sync(feed.sink, &p, &feed.err));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, state);
}

static void
a_refused_row_undoes_all_and_is_found_row_by_row(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (2600, 'there')");
    for (int alone = 0; alone < 2; alone++) {
        params.row_by_row = alone;
        fixture_reopen(0x1000);
        feed_begin(&feed, 0x2000);
        insert_many(&t, 0, 2600);
        struct change last = rows_insert(&t, row_of(2600, "x"));
        feed_row(&feed, last);
        commit_fails("23505");
        const char *says = alone ? "apply insert a.t key (id=2600) at 0/1FF8+2601: duplicate"
                                 : "apply insert a.t to 2601 rows at once, the first with key "
                                   "(id=0) at 0/1FF8+1: duplicate";
        assert_non_null(strstr(feed.err.text, says));
    }
    feed_close(&feed);
    expect("SELECT count(*) FROM a.t", "1");
}

static void
a_refusal_is_noticed_while_waiting(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (5, 'there')");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    struct sink_progress p = {0};
    bool ok = sink_flush(feed.sink, &feed.err);
    for (int i = 0; ok && i < 1000; i++) {
        ok = sink_poll(feed.sink, 20, &p, &feed.err);
    }
    assert_false(ok);
    assert_string_equal(feed.err.sqlstate, "23505");
}

static void
a_null_that_the_target_refuses_is_an_error_of_data(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "ALTER TABLE a.t ALTER v SET NOT NULL");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    commit_fails("23502");
}

static void
a_session_that_is_ended_asks_for_a_new_one(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    flush();
    pg_do(db, "SELECT pg_terminate_backend(pid) " SESSION);
    struct sink_progress p;
    bool ok = true;
    for (int i = 0; ok && i < 1000; i++) {
        ok = sink_poll(feed.sink, 20, &p, &feed.err);
    }
    assert_false(ok);
    assert_int_equal(feed.err.class, ERR_RECONNECT);
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x1000);
    expect("SELECT count(*) FROM a.t", "0");
}

static void
what_was_cut_off_is_rolled_back(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    feed_discard(&feed);
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1200);
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).applied, 0x2000);
    expect("SELECT count(*) FROM a.t", "1200");
}

/* Row security that binds the role, triggers that fire and rules that apply keep the statement. */
static void
what_copy_would_pass_over_is_not_copied(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.seen (id int, v text);"
              "CREATE RULE r AS ON INSERT TO a.t DO ALSO INSERT INTO a.seen VALUES (new.id, new.v);"
              "ALTER TABLE a.t ENABLE ALWAYS RULE r");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 1500);
    flush();
    expect_copying("false");
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT count(*) || ' ' || (SELECT count(*) FROM a.seen) FROM a.t", "1500 1500");
}

/* More than one COPY may hold. */
static void
a_long_run_is_copied_in_parts(void **state)
{
    NEEDS_SERVER();
    static char wide[8000];
    memset(wide, 'w', sizeof wide - 1);
    feed_begin(&feed, 0x2000);
    for (int i = 0; i < 2000; i++) {
        feed_row(&feed, rows_insert(&t, row_of(i, i < 250 ? "" : wide)));
        rows_free();
    }
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).rows, 2000);
    expect(
        "SELECT count(*) || ' ' || (count(DISTINCT cmin::text) > 3)::text FROM a.t", "2000 true");
}

/* --- the same rows copied and one by one -------------------------------------------------------
 */

static struct relation sides[2][2];

static void
both(struct change c, int n)
{
    for (int side = 0; side < 2; side++) {
        c.relation = &sides[side][n];
        feed_row(&feeds[side], c);
    }
}

static void
random_run(int from[2])
{
    int n = rand() % 2, kind = rand() % 4, len = 1 + rand() % (rand() % 2 ? 700 : 20);
    for (int i = 0; i < len; i++) {
        int old = from[n] > 0 ? rand() % from[n] : 0;
        char v[16];
        snprintf(v, sizeof v, "%d", rand() % 1000);
        if (kind != 0 || from[n] == 0) {
            both(rows_insert(&sides[0][n], row_of(from[n]++, rand() % 9 ? v : NULL)), n);
        } else {
            both(rows_update(&sides[0][n], row_of(old, rand() % 9 ? v : NULL)), n);
        }
        rows_free();
    }
}

static void
copied_rows_leave_what_single_rows_leave(void **state)
{
    NEEDS_SERVER();
    const char *given = getenv("TIDEGATE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20241128;
    srand(seed);
    feed_close(&feed);
    pg_do(db, "CREATE TABLE a.t1 (id int PRIMARY KEY, v text);"
              "CREATE TABLE a.u1 (id int PRIMARY KEY, v text)");
    for (int side = 0; side < 2; side++) {
        for (int n = 0; n < 2; n++) {
            static const char *const names[2][2] = {{"t", "u"}, {"t1", "u1"}};
            sides[side][n] = rows_relation(next_relation++, "a", names[side][n], 'd', pair, 2);
        }
        params.origin = side ? "tidegate_b" : "tidegate_a";
        params.row_by_row = side;
        feeds[side] = (struct feed){.ops = feed.ops};
        feed_open(&feeds[side], &params, 0x1000);
    }
    int from[2] = {0, 0};
    for (uint64_t n = 0; n < 40; n++) {
        feed_begin(&feeds[0], 0x2000 + 0x100 * n);
        feed_begin(&feeds[1], 0x2000 + 0x100 * n);
        for (int i = rand() % 4; i >= 0; i--) {
            random_run(from);
        }
        feed_commit(&feeds[0]);
        feed_commit(&feeds[1]);
    }
    for (int side = 0; side < 2; side++) {
        feed_sync(&feeds[side]);
        feed_close(&feeds[side]);
    }
    const char *same = "SELECT NOT EXISTS (TABLE a.t EXCEPT TABLE a.t1)"
                       " AND NOT EXISTS (TABLE a.t1 EXCEPT TABLE a.t)"
                       " AND NOT EXISTS (TABLE a.u EXCEPT TABLE a.u1)"
                       " AND NOT EXISTS (TABLE a.u1 EXCEPT TABLE a.u)";
    if (strcmp(pg_get(db, same), "t") != 0) {
        fail_msg("copied rows differ, seed %u", seed);
    }
    assert_string_not_equal(pg_get(db, "SELECT count(*) FROM a.t"), "0");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(inserts_in_numbers_are_copied),
        T(identity_columns_keep_their_values),
        T(what_comes_between_finds_the_rows),
        T(a_refused_row_undoes_all_and_is_found_row_by_row),
        T(a_refusal_is_noticed_while_waiting),
        T(a_null_that_the_target_refuses_is_an_error_of_data),
        T(a_session_that_is_ended_asks_for_a_new_one),
        T(what_was_cut_off_is_rolled_back),
        T(what_copy_would_pass_over_is_not_copied),
        T(a_long_run_is_copied_in_parts),
        T(copied_rows_leave_what_single_rows_leave),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
