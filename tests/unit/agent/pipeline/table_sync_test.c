/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule that joins copy and stream, at its borders.
 */
#include "agent/pipeline/table_sync.h"
#include "tests/lib/unit.h"

static const struct table_sync_item items[] = {
    {.oid = 30, .sync = 1000},
    {.oid = 10, .sync = 5000},
    {.oid = 20, .sync = 1000},
};

static void
a_commit_record_below_the_sync_position_is_in_the_copy(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    assert_false(table_sync_wants(&t, 20, 999));
    assert_true(table_sync_wants(&t, 20, 1000));
    assert_false(table_sync_wants(&t, 10, 4999));
    assert_true(table_sync_wants(&t, 10, 5000));
    table_sync_done(&t);
}

static void
a_table_that_is_not_listed_wants_everything(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    assert_true(table_sync_wants(&t, 99, 1));
    table_sync_done(&t);
}

static void
an_empty_list_wants_everything(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 0);
    assert_true(table_sync_wants(&t, 10, 1));
    table_sync_done(&t);
}

static void
a_truncate_keeps_only_the_tables_that_want_it(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    struct relation early = {.id = 20}, late = {.id = 10};
    const struct relation *both[] = {&late, &early};
    struct change c = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_len = 2};
    struct arena arena;
    arena_init(&arena, 4096, 0);
    assert_true(table_sync_filter(&t, 2000, &c, &arena));
    assert_int_equal(c.truncated_len, 1);
    assert_ptr_equal(c.truncated[0], &early);

    struct change none = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_len = 2};
    assert_false(table_sync_filter(&t, 500, &none, &arena));
    arena_done(&arena);
    table_sync_done(&t);
}

static void
begin_and_commit_always_pass(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    struct change begin = {.kind = CHANGE_BEGIN}, commit = {.kind = CHANGE_COMMIT};
    struct relation r = {.id = 10};
    struct change row = {.kind = CHANGE_INSERT, .relation = &r};
    assert_true(table_sync_filter(&t, 1, &begin, NULL));
    assert_true(table_sync_filter(&t, 1, &commit, NULL));
    assert_false(table_sync_filter(&t, 1, &row, NULL));
    table_sync_done(&t);
}

static void
what_is_left_to_the_copy_is_told_by_the_earliest_of_its_tables(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    struct relation early = {.id = 20}, late = {.id = 10}, other = {.id = 99};
    const struct relation *all[] = {&late, &other, &early};
    struct change begin = {.kind = CHANGE_BEGIN};
    struct change row = {.kind = CHANGE_INSERT, .relation = &late};
    struct change truncate = {.kind = CHANGE_TRUNCATE, .truncated = all, .truncated_len = 3};
    assert_int_equal(table_sync_left_out(&t, 500, &begin), 0);
    assert_int_equal(table_sync_left_out(&t, 4999, &row), 5000);
    assert_int_equal(table_sync_left_out(&t, 5000, &row), 0);
    assert_int_equal(table_sync_left_out(&t, 500, &truncate), 1000);
    assert_int_equal(table_sync_left_out(&t, 1000, &truncate), 5000);
    row.relation = &other;
    assert_int_equal(table_sync_left_out(&t, 1, &row), 0);
    table_sync_done(&t);
}

static void
all_copies_are_behind_the_lowest_position(void **state)
{
    (void)state;
    struct table_sync t;
    table_sync_init(&t, items, 3);
    assert_int_equal(t.lowest, 1000);
    assert_int_equal(t.highest, 5000);
    table_sync_done(&t);
    table_sync_init(&t, items, 0);
    assert_int_equal(t.lowest, 0);
    table_sync_done(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_record_below_the_sync_position_is_in_the_copy),
        cmocka_unit_test(a_table_that_is_not_listed_wants_everything),
        cmocka_unit_test(an_empty_list_wants_everything),
        cmocka_unit_test(a_truncate_keeps_only_the_tables_that_want_it),
        cmocka_unit_test(begin_and_commit_always_pass),
        cmocka_unit_test(what_is_left_to_the_copy_is_told_by_the_earliest_of_its_tables),
        cmocka_unit_test(all_copies_are_behind_the_lowest_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
