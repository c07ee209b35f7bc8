/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of the past applied one by one, beside an open sink, against a real server. Skipped when
 * none is installed.
 */
#include "sinks/postgres/replay.h"
#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25 };

static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct relation t;
static struct sink_replay *replay;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text CHECK (v <> 'bad'))");
    }
    t = rows_relation(1, "a", "t", 'd', pair, 2);
    return 0;
}

static int
teardown(void **state)
{
    replay_postgresql_ops.free(replay);
    replay = NULL;
    return fixture_teardown(state);
}

static void
open_replay(void)
{
    struct err err = ERR_INIT;
    assert_true(replay_postgresql_ops.open(&params, &replay, &err));
}

static bool
apply(const char *token, struct change c, bool *before, struct err *err)
{
    err_clear(err);
    return replay_postgresql_ops.apply(replay, token, &c, before, err);
}

static void
a_change_is_applied_once_for_its_token(void **state)
{
    NEEDS_SERVER();
    struct err err;
    bool before = true;
    open_replay();
    assert_true(apply("aa", rows_insert(&t, ROW("1", "x")), &before, &err));
    assert_false(before);
    assert_true(apply("aa", rows_insert(&t, ROW("1", "x")), &before, &err));
    assert_true(before);
    assert_true(apply("bb", rows_update(&t, ROW("1", "y")), &before, &err));
    assert_false(before);
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "1y");
    expect("SELECT string_agg(token || origin, ' ' ORDER BY token) FROM tidegate.replayed",
        "aatidegate_test bbtidegate_test");
    assert_true(replay_postgresql_ops.forget(replay, "aa", &err));
    expect("SELECT string_agg(token, ' ') FROM tidegate.replayed", "bb");
}

static void
a_refused_one_leaves_nothing_and_the_next_one_comes(void **state)
{
    NEEDS_SERVER();
    struct err err;
    bool before = true;
    open_replay();
    assert_false(apply("aa", rows_insert(&t, ROW("1", "bad")), &before, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_string_equal(err.sqlstate, "23514");
    assert_false(apply("bb", rows_update(&t, ROW("7", "x")), &before, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_true(apply("cc", rows_insert(&t, ROW("2", "x")), &before, &err));
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "2");
    expect("SELECT string_agg(token, ' ') FROM tidegate.replayed", "cc");
}

static void
a_refused_commit_leaves_nothing_and_the_next_one_comes(void **state)
{
    NEEDS_SERVER();
    struct err err;
    bool before = true;
    pg_do(db, "CREATE FUNCTION a.no() RETURNS trigger LANGUAGE plpgsql AS"
              " $$BEGIN RAISE check_violation; END$$;"
              "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON a.t DEFERRABLE INITIALLY DEFERRED"
              " FOR EACH ROW WHEN (new.v = 'late') EXECUTE FUNCTION a.no();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER late");
    open_replay();
    assert_false(apply("aa", rows_insert(&t, ROW("1", "late")), &before, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_true(apply("bb", rows_insert(&t, ROW("2", "x")), &before, &err));
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "2");
    expect("SELECT string_agg(token, ' ') FROM tidegate.replayed", "bb");
}

static void
it_runs_beside_the_sink_and_leaves_its_position(void **state)
{
    NEEDS_SERVER();
    struct err err;
    bool before = true;
    feed_open(&feed, &params, 0x1000);
    feed_one(&feed, 0x2000, rows_insert(&t, ROW("1", "x")));
    feed_sync(&feed);
    open_replay();
    assert_true(apply("aa", rows_insert(&t, ROW("2", "x")), &before, &err));
    feed_one(&feed, 0x3000, rows_insert(&t, ROW("3", "x")));
    feed_sync(&feed);
    replay_postgresql_ops.free(replay);
    replay = NULL;
    fixture_reopen(0x1000);
    assert_int_equal(feed.resume, 0x3000);
    expect("SELECT string_agg(id::text, ' ' ORDER BY id) FROM a.t", "1 2 3");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_change_is_applied_once_for_its_token),
        T(a_refused_one_leaves_nothing_and_the_next_one_comes),
        T(a_refused_commit_leaves_nothing_and_the_next_one_comes),
        T(it_runs_beside_the_sink_and_leaves_its_position),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
