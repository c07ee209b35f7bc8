/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows may be joined, what a run keeps of them, and the arrays it becomes.
 */
#include "sinks/postgres/batch.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

enum { INT4 = 23, TEXT = 25, INT4_ARRAY = 1007, TEXT_ARRAY = 1009 };

static struct column columns[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct target_column targets[2];
static struct target target;
static struct relation relation;
static struct shape shape;
static struct batch *batch;
static struct bind bound;
static struct batch_image image;
static struct err err;

static int
setup(void **state)
{
    (void)state;
    relation = rows_relation(1, "a", "t", 'd', columns, 2);
    targets[0] =
        (struct target_column){"id", INT4, "integer", "=", true, false, false, true, INT4_ARRAY};
    targets[1] =
        (struct target_column){"v", TEXT, "text", "=", true, false, false, false, TEXT_ARRAY};
    target = (struct target){.kind = 'r',
        .present = true,
        .has_unique = true,
        .one_unique = true,
        .unseen = true,
        .columns = targets};
    batch = batch_new();
    bind_init(&bound);
    batch_image_init(&image);
    err = (struct err)ERR_INIT;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    batch_free(batch);
    bind_done(&bound);
    batch_image_done(&image);
    rows_free();
    return 0;
}

static struct tuple
row(int id, const char *v)
{
    struct tuple t = ROW(NULL, NULL);
    rows_int4(t, 0, id);
    if (v) {
        rows_binary(t, 1, v, strlen(v));
    }
    return t;
}

static bool
possible(struct change c)
{
    assert_true(shape_of(&c, &target, &shape, &err));
    return batch_possible(&target, &shape);
}

static bool
commutes(struct change c)
{
    assert_true(shape_of(&c, &target, &shape, &err));
    return batch_commutes(&target, &shape);
}

static bool
whole(struct change c)
{
    assert_true(shape_of(&c, &target, &shape, &err));
    return batch_image(&image, &c, &shape, &target, false);
}

static void
make(struct change c, bool commuting)
{
    assert_true(shape_of(&c, &target, &shape, &err));
    assert_true(batch_image(&image, &c, &shape, &target, commuting));
    if (batch->len == 0) {
        batch_begin(batch, NULL, &shape, commuting);
    }
    assert_true(batch_same(batch, &shape));
}

/* Adds to the run, which begins with the first row; an update takes the place of an earlier one. */
static bool
add(struct change c)
{
    make(c, false);
    struct batch_row *there = batch_find(batch, &image);
    return there ? batch_replace(batch, there, &image) : batch_add(batch, &image, &c, &relation);
}

static bool
has(struct change c)
{
    assert_true(shape_of(&c, &target, &shape, &err));
    assert_true(batch_image(&image, &c, &shape, &target, true));
    return batch_find(batch, &image) != NULL;
}

static void
expect_parameter(uint32_t n, const void *bytes, size_t len)
{
    assert_int_equal(bound.lengths[n], len);
    assert_int_equal(bound.formats[n], 1);
    assert_memory_equal(bound.values[n], bytes, len);
}

#define EXPECT(n, ...)                                                                             \
    expect_parameter(n, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* After so many updates, or deletes, of different rows. */
static enum shape_rows
sent(int rows, bool deletes)
{
    batch_reset(batch);
    for (int i = 0; i < rows; i++) {
        struct tuple t = row(i, deletes ? NULL : "x");
        assert_true(add(deletes ? rows_delete(&relation, t) : rows_update(&relation, t)));
    }
    return batch_rows(batch, &target);
}

static void
few_values_are_set_by_a_list_of_rows(void **state)
{
    (void)state;
    assert_int_equal(sent(1, false), SHAPE_ROW);
    assert_int_equal(sent(2, false), SHAPE_LISTED);
    assert_int_equal(sent(32, false), SHAPE_LISTED);
    assert_int_equal(sent(33, false), SHAPE_JOINED);
    assert_int_equal(sent(1, true), SHAPE_ROW);
    assert_int_equal(sent(2, true), SHAPE_LISTED);
    assert_int_equal(sent(1000, true), SHAPE_LISTED);
}

/* Then the element would have to be looked for with the operator that finds the row. */
static void
keys_that_can_hide_a_difference_are_listed_for_deletes_only(void **state)
{
    (void)state;
    targets[0].exact = false;
    assert_int_equal(sent(3, false), SHAPE_ROW);
    assert_int_equal(sent(4, false), SHAPE_JOINED);
    assert_int_equal(sent(2, true), SHAPE_LISTED);
}

static void
rows_with_several_key_columns_are_joined(void **state)
{
    (void)state;
    columns[1].key = true;
    relation = rows_relation(1, "a", "t", 'd', columns, 2);
    targets[1].unique = true;
    batch_reset(batch);
    for (int i = 0; i < 4; i++) {
        assert_true(add(rows_delete(&relation, row(i, "x"))));
        assert_int_equal(batch_rows(batch, &target), i < 3 ? SHAPE_ROW : SHAPE_JOINED);
    }
    columns[1].key = false;
}

static void
inserts_have_no_rows_to_find(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(add(rows_insert(&relation, row(i, "x"))));
        assert_int_equal(batch_rows(batch, &target), i < 3 ? SHAPE_ROW : SHAPE_JOINED);
    }
}

static void
rows_become_one_array_for_each_column(void **state)
{
    (void)state;
    assert_true(add(rows_insert(&relation, row(1, "ab"))));
    assert_true(add(rows_insert(&relation, row(2, NULL))));
    assert_true(add(rows_insert(&relation, row(-1, ""))));
    assert_true(batch_bind(batch, &target, &bound, &err));
    assert_int_equal(bound.n, 2);
    EXPECT(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1,
        0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 4, 255, 255, 255, 255);
    EXPECT(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b',
        255, 255, 255, 255, 0, 0, 0, 0);
}

static void
one_rows_own_parameters_are_its_values(void **state)
{
    (void)state;
    add(rows_update(&relation, row(1, "ab")));
    add(rows_update(&relation, row(2, NULL)));
    batch_bind_row(batch, 1, &bound);
    assert_null(bound.values[0]);
    EXPECT(1, 0, 0, 0, 2);
    batch_bind_row(batch, 0, &bound);
    assert_int_equal(bound.n, 2);
    EXPECT(0, 'a', 'b');
}

static void
an_update_of_the_same_key_replaces_the_values(void **state)
{
    (void)state;
    add(rows_update(&relation, row(1, "one")));
    add(rows_update(&relation, row(2, "two")));
    assert_true(add(rows_update(&relation, row(1, "uno"))));
    assert_true(add(rows_update(&relation, row(2, "longer"))));
    assert_true(add(rows_update(&relation, row(2, "end"))));
    assert_int_equal(batch->len, 2);
    assert_true(batch_bind(batch, &target, &bound, &err));
    EXPECT(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 'u', 'n',
        'o', 0, 0, 0, 3, 'e', 'n', 'd');
}

static void
a_key_is_not_another_keys_end(void **state)
{
    (void)state;
    columns[0].type_oid = targets[0].type_oid = TEXT;
    struct tuple longer = ROW(NULL, NULL), shorter = ROW(NULL, NULL);
    rows_binary(longer, 0, "\0\0\0\4abcd", 8);
    rows_binary(shorter, 0, "abcd", 4);
    assert_true(add(rows_delete(&relation, longer)));
    assert_false(has(rows_delete(&relation, shorter)));
    assert_true(add(rows_delete(&relation, shorter)));
    assert_true(has(rows_delete(&relation, shorter)));
    assert_true(has(rows_delete(&relation, longer)));
    assert_int_equal(batch->len, 2);
    columns[0].type_oid = INT4;
}

static void
a_run_is_full_at_its_bounds(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BATCH_ROWS; i++) {
        assert_true(add(rows_update(&relation, row((int)i, "x"))));
    }
    assert_false(add(rows_update(&relation, row(-1, "x"))));
    assert_true(add(rows_update(&relation, row(5, "y"))));
    batch_reset(batch);
    static char big[10000];
    memset(big, 'x', sizeof big - 1);
    uint32_t n = 0;
    while (add(rows_insert(&relation, row(1, big)))) {
        n++;
    }
    assert_int_equal(n, BATCH_BYTES / (sizeof big - 1 + 12));
    assert_true(batch->images.len <= BATCH_BYTES);
}

static void
inserts_that_commute_know_their_keys_and_do_not_send_them(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct change c = rows_insert(&relation, row(i, "x"));
        make(c, true);
        assert_true(batch_add(batch, &image, &c, &relation));
    }
    assert_true(has(rows_update(&relation, row(99, "y"))));
    assert_true(has(rows_delete(&relation, row(0, NULL))));
    assert_false(has(rows_delete(&relation, row(100, NULL))));
    assert_true(batch_bind(batch, &target, &bound, &err));
    assert_int_equal(bound.n, 2);
    assert_int_equal(bound.lengths[0], 20 + 100 * 8);
    assert_int_equal(bound.lengths[1], 20 + 100 * 5);
    batch_reset(batch);
    assert_false(has(rows_delete(&relation, row(0, NULL))));
}

static void
inserts_that_do_not_commute_know_no_keys(void **state)
{
    (void)state;
    add(rows_insert(&relation, row(1, "x")));
    assert_false(has(rows_delete(&relation, row(1, NULL))));
}

static void
only_one_exact_key_lets_rows_change_places(void **state)
{
    (void)state;
    struct change insert = rows_insert(&relation, row(1, "x"));
    struct change update = rows_update(&relation, row(1, "x"));
    struct change delete = rows_delete(&relation, row(1, NULL));
    assert_true(commutes(insert) && commutes(update) && commutes(delete));
    target.one_unique = false;
    assert_false(commutes(insert) || commutes(update) || commutes(delete));
    target.one_unique = true;
    target.has_unique = targets[0].unique = false;
    assert_false(commutes(insert));
    target.has_unique = targets[0].unique = true;
    targets[0].exact = false; /* 1.0 and 1.00 are one key */
    assert_false(commutes(insert) || commutes(update) || commutes(delete));
    targets[0].exact = true;
    targets[1].unique = true; /* the target's key is wider than the source's */
    assert_false(commutes(update) || commutes(delete));
    targets[1].unique = false;
    targets[0].generated = true; /* computed by the target: the key is not known */
    assert_false(commutes(insert));
}

static void
only_binary_values_of_some_size_are_joined(void **state)
{
    (void)state;
    static char big[BATCH_ROW_BYTES];
    memset(big, 'x', sizeof big - 1);
    assert_true(whole(rows_insert(&relation, row(1, "x"))));
    assert_true(whole(rows_insert(&relation, row(1, NULL))));
    assert_false(whole(rows_insert(&relation, ROW("1", NULL))));
    assert_false(whole(rows_insert(&relation, row(1, big))));
}

static void
rows_found_by_an_unchanged_key_are_joined(void **state)
{
    (void)state;
    assert_true(possible(rows_insert(&relation, row(1, "x"))));
    assert_true(possible(rows_update(&relation, row(1, "x"))));
    assert_true(possible(rows_delete(&relation, row(1, NULL))));
    assert_false(possible(rows_update_key(&relation, row(1, NULL), row(2, "x"))));
    struct tuple unsent = row(1, NULL);
    unsent.values[1].status = VALUE_UNCHANGED;
    assert_false(possible(rows_update(&relation, unsent)));
}

static void
what_can_be_seen_on_the_target_is_not_joined(void **state)
{
    (void)state;
    target.unseen = false;
    assert_false(possible(rows_insert(&relation, row(1, "x"))));
}

static void
a_row_that_is_made_anew_goes_alone(void **state)
{
    (void)state;
    targets[1].always_identity = target.whole = true;
    struct change c = rows_update(&relation, row(1, "x"));
    assert_true(shape_replace(&c, &target, &shape, &err));
    assert_int_equal(shape.op, SHAPE_REPLACE);
    assert_false(batch_possible(&target, &shape));
}

static void
another_unique_index_keeps_updates_apart(void **state)
{
    (void)state;
    target.one_unique = false;
    assert_false(possible(rows_update(&relation, row(1, "x"))));
    assert_true(possible(rows_insert(&relation, row(1, "x"))));
    assert_true(possible(rows_delete(&relation, row(1, NULL))));
}

static void
a_key_that_may_find_several_rows_is_not_joined(void **state)
{
    (void)state;
    targets[1].unique = true; /* the target's key is wider than the source's */
    assert_false(possible(rows_update(&relation, row(1, "x"))));
    assert_false(possible(rows_delete(&relation, row(1, NULL))));
    targets[0].unique = targets[1].unique = target.has_unique = false;
    assert_false(possible(rows_delete(&relation, row(1, NULL))));
    assert_true(possible(rows_insert(&relation, row(1, "x"))));
}

static void
types_that_differ_or_have_no_array_are_not_joined(void **state)
{
    (void)state;
    targets[1].array_oid = 0;
    assert_false(possible(rows_insert(&relation, row(1, "x"))));
    assert_true(possible(rows_delete(&relation, row(1, NULL))));
    targets[1].array_oid = 20001;
    targets[1].type_oid = columns[1].type_oid = 20000;
    assert_false(possible(rows_insert(&relation, row(1, "x"))));
    columns[1].type_oid = TEXT;
    targets[1].type_oid = 1043;
    targets[1].array_oid = 1015;
    assert_false(possible(rows_insert(&relation, row(1, "x"))));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(few_values_are_set_by_a_list_of_rows),
        T(keys_that_can_hide_a_difference_are_listed_for_deletes_only),
        T(rows_with_several_key_columns_are_joined),
        T(inserts_have_no_rows_to_find),
        T(rows_become_one_array_for_each_column),
        T(one_rows_own_parameters_are_its_values),
        T(an_update_of_the_same_key_replaces_the_values),
        T(a_key_is_not_another_keys_end),
        T(a_run_is_full_at_its_bounds),
        T(inserts_that_commute_know_their_keys_and_do_not_send_them),
        T(inserts_that_do_not_commute_know_no_keys),
        T(only_one_exact_key_lets_rows_change_places),
        T(only_binary_values_of_some_size_are_joined),
        T(rows_found_by_an_unchanged_key_are_joined),
        T(what_can_be_seen_on_the_target_is_not_joined),
        T(a_row_that_is_made_anew_goes_alone),
        T(another_unique_index_keeps_updates_apart),
        T(a_key_that_may_find_several_rows_is_not_joined),
        T(types_that_differ_or_have_no_array_are_not_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
