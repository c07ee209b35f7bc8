/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables out of a sink's stream: what is noted, and what an outdated worker cannot note any more.
 */
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/store/resyncs.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fixture {
    char *root;
    struct store *s;
    struct err err;
};

static void
put_sink(struct fixture *f, const char *name, const char *type)
{
    struct sink_row row = {.copies = true};
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.type, sizeof row.type, "%s", type);
    assert_true(store_sink_put(f->s, &row, &f->err));
}

static int
set_up(void **state)
{
    static struct fixture f;
    f.root = tmpdir_new();
    f.err = ERR_INIT;
    *state = &f;
    if (!store_open(f.root, &f.s, &f.err)) {
        return -1;
    }
    put_sink(&f, "one", "postgresql");
    put_sink(&f, "two", "postgresql");
    put_sink(&f, "three", "null");
    struct table_row t = {.oid = 16400, .state = TABLE_READY, .schema = "public", .name = "old"};
    return store_table_put(f.s, &t, &f.err) ? 0 : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    tmpdir_remove(f->root);
    return 0;
}

static void
put(struct fixture *f, const char *sink, uint32_t oid, enum resync_state state, const char *reason)
{
    struct resync_row row = {.oid = oid, .state = state, .position = 700};
    struct table_row t = {.oid = oid, .bytes = 10, .schema = "public", .name = "new"};
    snprintf(row.sink, sizeof row.sink, "%s", sink);
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    row.reason_len = strlen(reason);
    assert_true(store_resync_put(f->s, &row, &t, "other", &f->err));
}

static struct resync_row
only(struct fixture *f, const char *sink)
{
    struct resync_row *rows;
    size_t n;
    assert_true(store_resyncs(f->s, sink, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    struct resync_row row = rows[0];
    x_free(rows);
    return row;
}

static size_t
count(struct fixture *f, const char *sink)
{
    struct resync_row *rows;
    size_t n;
    assert_true(store_resyncs(f->s, sink, &rows, &n, &f->err));
    x_free(rows);
    return n;
}

static struct table_row
table(struct fixture *f, const char *sink, uint32_t oid)
{
    struct table_row *rows, found = {0};
    size_t n;
    assert_true(store_sink_tables(f->s, sink, &rows, &n, &f->err));
    for (size_t i = 0; i < n; i++) {
        found = rows[i].oid == oid ? rows[i] : found;
    }
    x_free(rows);
    return found;
}

static void
a_known_table_concerns_one_sink(void **state)
{
    struct fixture *f = *state;
    uint64_t before = store_resyncs_generation(f->s);
    put(f, "one", 16400, RESYNC_STOPPED, "why");
    assert_true(store_resyncs_generation(f->s) > before);
    struct resync_row row = only(f, "one");
    assert_int_equal(row.state, RESYNC_STOPPED);
    assert_int_equal(row.position, 700);
    assert_int_equal(row.wish, 1);
    assert_false(row.joins);
    assert_string_equal(row.name, "old"); /* as the list has it */
    assert_int_equal(row.reason_len, 3);
    assert_memory_equal(row.reason, "why", 3);
    assert_int_equal(count(f, "two"), 0);
    assert_int_equal(count(f, NULL), 1);
}

static void
a_new_table_is_out_everywhere(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 17000, RESYNC_ASKED, "new");
    assert_string_equal(table(f, NULL, 17000).name, "new");
    assert_int_equal(table(f, "one", 17000).state, TABLE_PENDING);
    assert_true(only(f, "one").joins);
    struct resync_row other = only(f, "two");
    assert_int_equal(other.state, RESYNC_STOPPED);
    assert_true(other.joins);
    assert_memory_equal(other.reason, "other", 5);
    assert_int_equal(count(f, "three"), 0);
    /* Asking there keeps that it is new. */
    put(f, "two", 17000, RESYNC_ASKED, "now here");
    other = only(f, "two");
    assert_int_equal(other.state, RESYNC_ASKED);
    assert_true(other.joins);
}

static void
a_copy_joins(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 16400, RESYNC_ASKED, "");
    struct resync_row row = only(f, "one");
    bool moved = false;
    row.state = RESYNC_COPYING;
    row.sync = 900;
    assert_true(store_resync_move(f->s, &row, &moved, &f->err));
    assert_true(moved);
    assert_int_equal(only(f, "one").state, RESYNC_COPYING);
    assert_int_equal(only(f, "one").sync, 900);
    row.sync = 950;
    assert_true(store_resync_end(f->s, &row, 12, &moved, &f->err));
    assert_true(moved);
    assert_int_equal(count(f, NULL), 0);
    assert_int_equal(table(f, "one", 16400).state, TABLE_READY);
    assert_int_equal(table(f, "one", 16400).sync, 950);
    assert_int_equal(table(f, "one", 16400).rows, 12);
    assert_int_equal(table(f, "two", 16400).sync, 0);
}

static void
an_outdated_worker_notes_nothing(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 16400, RESYNC_ASKED, "");
    struct resync_row mine = only(f, "one");
    put(f, "one", 16400, RESYNC_ASKED, "again");
    bool moved = true;
    mine.state = RESYNC_COPIED;
    mine.sync = 900;
    assert_true(store_resync_move(f->s, &mine, &moved, &f->err));
    assert_false(moved);
    moved = true;
    assert_true(store_resync_end(f->s, &mine, 0, &moved, &f->err));
    assert_false(moved);
    assert_int_equal(only(f, "one").state, RESYNC_ASKED);
    assert_int_equal(only(f, "one").wish, 2);
    assert_int_equal(table(f, "one", 16400).state, TABLE_PENDING);
}

static void
a_forgotten_sink_takes_its_own_along(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 16400, RESYNC_STOPPED, "");
    put(f, "two", 16400, RESYNC_STOPPED, "");
    assert_true(store_sink_forget(f->s, "one", &f->err));
    assert_int_equal(count(f, "one"), 0);
    assert_int_equal(count(f, "two"), 1);
}

static void
rows_outlive_the_process(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 16400, RESYNC_STOPPED, "kept");
    store_close(f->s);
    assert_true(store_open(f->root, &f->s, &f->err));
    assert_memory_equal(only(f, "one").reason, "kept", 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A row that was on its way when somebody asked is refused: the copy brings it. */
static void
a_refusal_does_not_undo_what_was_asked_for(void **state)
{
    struct fixture *f = *state;
    put(f, "one", 16400, RESYNC_ASKED, "wanted");
    struct resync_row asked = only(f, "one");
    put(f, "one", 16400, RESYNC_STOPPED, "refused");
    struct resync_row row = only(f, "one");
    assert_int_equal(row.state, RESYNC_ASKED);
    assert_true(row.wish > asked.wish);
    /* What is no longer only asked for does stop. */
    bool moved = false;
    row.state = RESYNC_COPIED;
    assert_true(store_resync_move(f->s, &row, &moved, &f->err) && moved);
    put(f, "one", 16400, RESYNC_STOPPED, "refused again");
    assert_int_equal(only(f, "one").state, RESYNC_STOPPED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_known_table_concerns_one_sink),
        TEST(a_new_table_is_out_everywhere),
        TEST(a_copy_joins),
        TEST(an_outdated_worker_notes_nothing),
        TEST(a_forgotten_sink_takes_its_own_along),
        TEST(rows_outlive_the_process),
        TEST(a_refusal_does_not_undo_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
