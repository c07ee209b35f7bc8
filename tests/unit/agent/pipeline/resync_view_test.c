/* SPDX-License-Identifier: Apache-2.0
 *
 * Which changes a sink's own stream and a join hand over, and when a table goes out and comes back.
 */
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/pipeline/resync_view.h"
#include "agent/store/store.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

#define SINK  "one"
#define ITEM  16400
#define OTHER 16500

static const struct relation item = {.id = ITEM, .schema = "public", .name = "item"};
static const struct relation other = {.id = OTHER, .schema = "public", .name = "other"};

struct fixture {
    char *root;
    struct store *store;
    struct resync_view *view;
    struct arena arena;
    struct err err;
};

static int
set_up(void **state)
{
    static struct fixture f;
    struct sink_row sink = {.name = SINK, .type = "postgresql", .copies = true};
    struct table_row tables[] = {
        {.oid = ITEM, .state = TABLE_READY, .schema = "public", .name = "item", .sync = 100},
        {.oid = OTHER, .state = TABLE_READY, .schema = "public", .name = "other", .sync = 100},
    };
    f = (struct fixture){.root = tmpdir_new()};
    *state = &f;
    arena_init(&f.arena, 4096, 1 << 20);
    return store_open(f.root, &f.store, &f.err) && store_sink_put(f.store, &sink, &f.err) &&
                   store_table_put_many(f.store, tables, 2, &f.err) &&
                   store_sink_tables_put(f.store, SINK, tables, 2, &f.err)
               ? 0
               : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    resync_view_free(f->view);
    arena_done(&f->arena);
    store_close(f->store);
    tmpdir_remove(f->root);
    return 0;
}

static void
lane(struct fixture *f, uint64_t at)
{
    struct resync_view_options o = {.store = f->store, .sink = SINK, .stops = true};
    f->view = resync_view_new(&o);
    assert_true(resync_view_begin(f->view, at, &f->err));
}

static void
join(struct fixture *f, uint64_t sync)
{
    struct resync_row row = {.sink = SINK, .oid = ITEM, .state = RESYNC_COPIED, .sync = sync};
    struct resync_view_options o = {.store = f->store, .sink = SINK, .join = &row};
    f->view = resync_view_new(&o);
    assert_true(resync_view_begin(f->view, sync, &f->err));
}

static void
ask_for(struct fixture *f, const struct relation *r)
{
    const struct resync_table t = {.oid = r->id, .schema = r->schema, .name = r->name};
    assert_true(resync_request(f->store, SINK, &t, "asked for", &f->err));
}

/* Its copy is there from `sync` on. */
static void
bring_back(struct fixture *f, uint64_t sync)
{
    struct resync_row *rows;
    size_t n;
    bool moved = false;
    assert_true(store_resyncs(f->store, SINK, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    rows[0].sync = sync;
    assert_true(store_resync_end(f->store, &rows[0], 7, &moved, &f->err) && moved);
    x_free(rows);
}

static bool
kept(struct fixture *f, uint64_t commit_record, struct change *c)
{
    bool keep = false;
    assert_true(resync_view_filter(f->view, commit_record, c, &f->arena, &keep, &f->err));
    return keep;
}

static bool
row_kept(struct fixture *f, uint64_t commit_record, const struct relation *r)
{
    struct change c = {.kind = CHANGE_INSERT, .relation = r};
    return kept(f, commit_record, &c);
}

static bool
border(struct fixture *f, uint64_t at)
{
    bool hold = true;
    assert_true(resync_view_border(f->view, at, &hold, &f->err));
    return hold;
}

/* --- lane ----------------------------------------------------------------------------------- */

static void
a_table_goes_out_at_once(void **state)
{
    struct fixture *f = *state;
    lane(f, 100);
    assert_true(row_kept(f, 200, &item));
    assert_false(resync_view_due(f->view));
    ask_for(f, &item); /* in the middle of the transaction */
    assert_false(row_kept(f, 200, &item));
    assert_true(row_kept(f, 200, &other));
    assert_true(resync_view_due(f->view));
}

static void
it_comes_back_at_a_border_and_from_its_copy_on(void **state)
{
    struct fixture *f = *state;
    ask_for(f, &item);
    lane(f, 100);
    assert_false(row_kept(f, 200, &item));
    bring_back(f, 300);
    assert_false(row_kept(f, 310, &item)); /* no border yet */
    assert_false(border(f, 310));
    assert_false(row_kept(f, 299, &item)); /* the copy has it */
    assert_true(row_kept(f, 300, &item));
    assert_true(row_kept(f, 299, &other));
    assert_false(resync_view_due(f->view));
}

static void
a_session_begins_with_what_the_list_says(void **state)
{
    struct fixture *f = *state;
    lane(f, 100);
    ask_for(f, &item);
    resync_view_end(f->view);
    assert_int_equal(resync_view_at(f->view), 0);
    assert_true(resync_view_begin(f->view, 150, &f->err));
    assert_int_equal(resync_view_at(f->view), 150);
    assert_false(row_kept(f, 200, &item));
}

static void
others_learn_when_nothing_of_it_is_on_its_way(void **state)
{
    struct fixture *f = *state;
    lane(f, 100);
    ask_for(f, &item);
    uint64_t asked = store_resyncs_generation(f->store);
    assert_false(row_kept(f, 200, &item));
    assert_false(resync_view_left_out(f->view, asked)); /* rows before this one may be */
    (void)border(f, 200);
    assert_true(resync_view_left_out(f->view, asked));
    resync_view_end(f->view);
    assert_false(resync_view_left_out(f->view, asked));
}

/* A change of the table that is handed over, and not committed on the target, is not there yet. */
static void
only_a_border_settles(void **state)
{
    struct fixture *f = *state;
    lane(f, 100);
    assert_int_equal(resync_view_settled(f->view), 100);
    resync_view_passed(f->view, 200);
    assert_int_equal(resync_view_at(f->view), 200);
    assert_int_equal(resync_view_settled(f->view), 100);
    (void)border(f, 250);
    assert_int_equal(resync_view_settled(f->view), 250);
    resync_view_end(f->view);
    assert_int_equal(resync_view_settled(f->view), 0);
}

static void
it_stands_still_where_it_is_told_to(void **state)
{
    struct fixture *f = *state;
    uint64_t at = 0;
    lane(f, 100);
    resync_view_hold(f->view, true);
    assert_true(resync_view_due(f->view));
    assert_false(resync_view_held(f->view, &at));
    assert_true(border(f, 250));
    assert_true(resync_view_held(f->view, &at));
    assert_int_equal(at, 250);
    resync_view_hold(f->view, false);
    assert_true(resync_view_due(f->view)); /* it has to hear of it */
    assert_false(border(f, 250));
    assert_false(resync_view_held(f->view, &at));
}

static void
a_truncate_keeps_the_tables_that_are_in(void **state)
{
    struct fixture *f = *state;
    const struct relation *both[] = {&item, &other}, *one[] = {&item};
    struct change c = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_len = 2};
    lane(f, 100);
    assert_true(kept(f, 200, &c));
    assert_int_equal(c.truncated_len, 2);
    assert_false(c.partial);
    ask_for(f, &item);
    assert_true(kept(f, 200, &c));
    assert_int_equal(c.truncated_len, 1);
    assert_ptr_equal(c.truncated[0], &other);
    assert_true(c.partial);
    c = (struct change){.kind = CHANGE_TRUNCATE, .truncated = one, .truncated_len = 1};
    assert_false(kept(f, 200, &c));
}

static void
a_refused_row_stops_its_table_for_good(void **state)
{
    struct fixture *f = *state;
    const struct change c = {.kind = CHANGE_INSERT, .relation = &item, .position = {.commit = 200}};
    struct resync_row *rows;
    uint64_t stopped;
    size_t n;
    lane(f, 100);
    err_set(&f->err, ERR_DATA, "it is there already");
    snprintf(f->err.sqlstate, sizeof f->err.sqlstate, "23505");
    assert_true(resync_view_refused(f->view, &c, &f->err));
    assert_int_equal(f->err.class, ERR_NONE);
    assert_false(row_kept(f, 200, &item));
    assert_non_null(strstr(resync_view_stopped(f->view, &stopped), "23505"));
    assert_int_equal(stopped, 1);
    assert_true(store_resyncs(f->store, SINK, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].state, RESYNC_STOPPED);
    assert_int_equal(rows[0].position, 200);
    x_free(rows);
}

static void
what_is_not_about_its_data_stops_nothing(void **state)
{
    struct fixture *f = *state;
    const struct change c = {.kind = CHANGE_INSERT, .relation = &item};
    lane(f, 100);
    err_set(&f->err, ERR_RECONNECT, "the target is gone");
    assert_false(resync_view_refused(f->view, &c, &f->err));
    assert_int_equal(f->err.class, ERR_RECONNECT);
    err_clear(&f->err);
    assert_true(row_kept(f, 200, &item));
}

/* --- join ----------------------------------------------------------------------------------- */

static void
a_join_hands_over_its_table_from_the_copy_on(void **state)
{
    struct fixture *f = *state;
    const struct relation *both[] = {&item, &other};
    struct change message = {.kind = CHANGE_MESSAGE},
                  empty = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_len = 2};
    ask_for(f, &item);
    join(f, 300);
    assert_false(row_kept(f, 299, &item));
    assert_true(row_kept(f, 300, &item));
    assert_false(row_kept(f, 400, &other));
    assert_false(kept(f, 400, &message));
    assert_true(kept(f, 400, &empty));
    assert_int_equal(empty.truncated_len, 1);
    assert_ptr_equal(empty.truncated[0], &item);
    assert_false(resync_view_due(f->view));
}

/* Of a prepared transaction: what it says, whether it is handed over. */
static void
prepared(struct fixture *f, enum change_kind kind, const char *gid)
{
    struct change c = {.kind = kind, .gid = gid};
    assert_false(kept(f, 400, &c));
}

static void
a_prepared_transaction_of_others_is_left_to_the_lane(void **state)
{
    struct fixture *f = *state;
    join(f, 300);
    prepared(f, CHANGE_BEGIN, "a");
    assert_false(row_kept(f, 400, &other));
    prepared(f, CHANGE_PREPARE, "a");
    struct change begin = {.kind = CHANGE_BEGIN};
    assert_true(kept(f, 500, &begin)); /* another one between */
    assert_true(row_kept(f, 500, &item));
    prepared(f, CHANGE_BEGIN, "b");
    prepared(f, CHANGE_PREPARE, "b");
    struct change end = {.kind = CHANGE_COMMIT_PREPARED, .gid = "a"};
    (void)kept(f, 600, &end);
    end = (struct change){.kind = CHANGE_ROLLBACK_PREPARED, .gid = "b"};
    (void)kept(f, 600, &end);
    assert_string_equal(resync_view_doubt(f->view), "");
}

static void
one_that_has_rows_of_the_table_is_a_doubt(void **state)
{
    struct fixture *f = *state;
    join(f, 300);
    prepared(f, CHANGE_BEGIN, "a");
    assert_false(row_kept(f, 400, &item));
    assert_non_null(strstr(resync_view_doubt(f->view), "prepared transaction"));
}

static void
one_whose_rows_were_not_seen_is_a_doubt(void **state)
{
    struct fixture *f = *state;
    struct change end = {.kind = CHANGE_ROLLBACK_PREPARED, .gid = "before"};
    join(f, 300);
    (void)kept(f, 400, &end);
    assert_string_equal(resync_view_doubt(f->view), "");
    end.kind = CHANGE_COMMIT_PREPARED;
    (void)kept(f, 400, &end);
    assert_non_null(strstr(resync_view_doubt(f->view), "'before'"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_table_goes_out_at_once),
        TEST(it_comes_back_at_a_border_and_from_its_copy_on),
        TEST(a_session_begins_with_what_the_list_says),
        TEST(others_learn_when_nothing_of_it_is_on_its_way),
        TEST(only_a_border_settles),
        TEST(it_stands_still_where_it_is_told_to),
        TEST(a_truncate_keeps_the_tables_that_are_in),
        TEST(a_refused_row_stops_its_table_for_good),
        TEST(what_is_not_about_its_data_stops_nothing),
        TEST(a_join_hands_over_its_table_from_the_copy_on),
        TEST(a_prepared_transaction_of_others_is_left_to_the_lane),
        TEST(one_that_has_rows_of_the_table_is_a_doubt),
        TEST(one_whose_rows_were_not_seen_is_a_doubt),
    };
    return cmocka_run_group_tests_name("tables out of the stream", tests, NULL, NULL);
}
