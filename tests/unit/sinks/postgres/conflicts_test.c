/* SPDX-License-Identifier: Apache-2.0
 *
 * Which change has to wait for which group, and what happens at the bound.
 */
#include "sinks/postgres/conflicts.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

enum { INT4 = 23, INT8 = 20, TEXT = 25 };

static struct column columns[2];
static struct target_column targets[2];
static struct target target;
static struct relation relation, other;
static struct conflicts map;

static int
setup(void **state)
{
    (void)state;
    columns[0] = (struct column){"id", INT4, -1, true};
    columns[1] = (struct column){"v", INT4, -1, false};
    relation = rows_relation(1, "a", "t", 'd', columns, 2);
    other = rows_relation(2, "a", "u", 'd', columns, 2);
    targets[0] = (struct target_column){"id", INT4, "integer", "=", true, false, false, true};
    targets[1] = (struct target_column){"v", INT4, "integer", "=", true, false, false, false};
    target = (struct target){.kind = 'r',
        .present = true,
        .has_unique = true,
        .one_unique = true,
        .unseen = true,
        .columns = targets};
    conflicts_init(&map);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    conflicts_done(&map);
    rows_free();
    return 0;
}

static struct tuple
row(int id, int v)
{
    struct tuple t = ROW(NULL, NULL);
    rows_int4(t, 0, id);
    rows_int4(t, 1, v);
    return t;
}

static uint64_t
put(uint64_t group, struct change c)
{
    return conflicts_row(&map, group, &target, &c);
}

static void
different_keys_wait_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_insert(&relation, row(1, 7))), 0);
    assert_int_equal(put(2, rows_update(&relation, row(2, 7))), 0);
    assert_int_equal(put(3, rows_delete(&relation, row(3, 7))), 0);
    assert_int_equal(put(4, rows_insert(&other, row(1, 7))), 0); /* another table */
}

static void
the_same_key_waits_for_the_last_group_that_had_it(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_insert(&relation, row(1, 7))), 0);
    assert_int_equal(put(1, rows_update(&relation, row(1, 8))), 0); /* its own */
    assert_int_equal(put(2, rows_insert(&relation, row(2, 7))), 0);
    assert_int_equal(put(3, rows_update(&relation, row(1, 9))), 1);
    assert_int_equal(put(4, rows_delete(&relation, row(1, 9))), 3);
    assert_int_equal(put(5, rows_insert(&relation, row(1, 9))), 4);
}

static void
old_and_new_key_both_count(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_update_key(&relation, row(1, 0), row(2, 0))), 0);
    assert_int_equal(put(2, rows_insert(&relation, row(1, 0))), 1);
    assert_int_equal(put(3, rows_update(&relation, row(2, 0))), 1);
    assert_int_equal(put(4, rows_update_key(&relation, row(9, 0), row(1, 0))), 2);
    assert_int_equal(put(5, rows_delete(&relation, row(9, 0))), 4);
}

static void
whole_old_rows_tell_a_key_that_is_not_the_identity(void **state)
{
    (void)state;
    columns[0].key = false;
    assert_int_equal(put(1, rows_update_full(&relation, row(1, 0), row(2, 0))), 0);
    assert_int_equal(put(2, rows_delete_full(&relation, row(2, 0))), 1);
    assert_int_equal(put(3, rows_insert(&relation, row(1, 0))), 1);
    /* Without the old row its key on the target is not known. */
    assert_int_equal(put(4, rows_update(&relation, row(5, 0))), 3);
    assert_int_equal(map.alone, 4);
}

static void
stands_alone(void)
{
    assert_int_equal(put(1, rows_insert(&relation, row(1, 0))), 0);
    assert_int_equal(map.alone, 1);
    assert_int_equal(put(2, rows_insert(&relation, row(2, 0))), 1);
}

/* Its groups follow each other, and nothing else waits for them. */
static void
counts_as_one(void)
{
    assert_int_equal(put(1, rows_insert(&relation, row(1, 0))), 0);
    assert_int_equal(put(2, rows_insert(&relation, row(2, 0))), 1);
    assert_int_equal(put(4, rows_delete(&relation, row(3, 0))), 2);
    assert_int_equal(put(5, rows_insert(&other, row(1, 0))), 0);
    assert_int_equal(map.alone, 0);
}

static void
a_table_without_a_key_counts_as_one(void **state)
{
    (void)state;
    target.has_unique = targets[0].unique = false;
    counts_as_one();
}

static void
a_second_unique_index_counts_as_one(void **state)
{
    (void)state;
    target.one_unique = false;
    counts_as_one();
}

static void
a_table_with_triggers_stands_alone(void **state)
{
    (void)state;
    target.unseen = false;
    stands_alone();
}

static void
keys_that_are_equal_with_other_bytes_count_as_one(void **state)
{
    (void)state;
    targets[0].exact = false;
    counts_as_one();
}

static void
keys_that_the_target_converts_count_as_one(void **state)
{
    (void)state;
    targets[0].type_oid = INT8;
    counts_as_one();
}

static void
keys_as_text_stand_alone(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_insert(&relation, ROW("1", "0"))), 0);
    assert_int_equal(map.alone, 1);
}

static void
what_has_no_key_waits_for_all_and_holds_back_the_rest(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_insert(&relation, row(1, 0))), 0);
    assert_int_equal(put(2, rows_insert(&relation, row(2, 0))), 0);
    assert_int_equal(put(3, rows_insert(&relation, row(3, 0))), 0);
    assert_int_equal(conflicts_alone(&map, 3), 2);
    assert_int_equal(put(3, rows_insert(&relation, row(4, 0))), 2); /* behind it in its group */
    assert_int_equal(put(4, rows_insert(&relation, row(5, 0))), 3);
    conflicts_committed(&map, 3);
    assert_true(put(5, rows_insert(&relation, row(6, 0))) <= map.committed);
    assert_int_equal(put(6, rows_delete(&relation, row(5, 0))), 4); /* noted again behind it */
}

static void
what_is_committed_makes_room(void **state)
{
    (void)state;
    int id = 0;
    for (uint64_t group = 1; group <= 8; group++) {
        for (uint32_t i = 0; i < CONFLICTS_KEYS / 2; i++) {
            assert_true(put(group, rows_insert(&relation, row(id++, 0))) < group);
            assert_int_equal(map.alone, 0);
        }
        rows_free();
        conflicts_committed(&map, group - 1);
    }
    assert_true(map.used <= CONFLICTS_KEYS);
    /* What is not committed was kept. */
    assert_int_equal(put(9, rows_delete(&relation, row(id - 1, 0))), 8);
}

static void
a_full_map_stands_alone(void **state)
{
    (void)state;
    assert_int_equal(put(1, rows_insert(&relation, row(-1, 0))), 0);
    int id = 0;
    while (map.alone == 0) {
        uint64_t wait = put(2, rows_insert(&relation, row(id++, 0)));
        assert_int_equal(wait, map.alone == 0 ? 0 : 1);
        assert_true(id <= (int)CONFLICTS_KEYS);
    }
    assert_int_equal(id, CONFLICTS_KEYS); /* with the one of the first group: one too many */
    assert_int_equal(map.alone, 2);
    assert_int_equal(map.used, 0);
    assert_int_equal(put(3, rows_insert(&relation, row(id, 0))), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(different_keys_wait_for_nothing),
        TEST(the_same_key_waits_for_the_last_group_that_had_it),
        TEST(old_and_new_key_both_count),
        TEST(whole_old_rows_tell_a_key_that_is_not_the_identity),
        TEST(a_table_without_a_key_counts_as_one),
        TEST(a_second_unique_index_counts_as_one),
        TEST(a_table_with_triggers_stands_alone),
        TEST(keys_that_are_equal_with_other_bytes_count_as_one),
        TEST(keys_that_the_target_converts_count_as_one),
        TEST(keys_as_text_stand_alone),
        TEST(what_has_no_key_waits_for_all_and_holds_back_the_rest),
        TEST(what_is_committed_makes_room),
        TEST(a_full_map_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
