/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a change impossible to put, and what its statement is shared by.
 */
#include <string.h>

#include "sinks/postgres/shape.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

enum { INT4 = 23, TEXT = 25, REGCLASS = 2205, OWN = 20000, OWN_TOO = 30000 };

static struct column columns[2];
static struct target_column targets[2];
static struct target target;
static struct relation relation;
static struct shape shape;
static struct err err;

static int
setup(void **state)
{
    (void)state;
    columns[0] = (struct column){"id", INT4, -1, true};
    columns[1] = (struct column){"v", TEXT, -1, false};
    relation = rows_relation(1, "public", "t", 'd', columns, 2);
    targets[0] = (struct target_column){"id", INT4, "integer", "=", true, false, false, true};
    targets[1] = (struct target_column){"v", TEXT, "text", "=", true, false, false, false};
    target = (struct target){.kind = 'r', .present = true, .has_unique = true, .columns = targets};
    err_clear(&err);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    rows_free();
    return 0;
}

static bool
put(struct change c)
{
    return shape_of(&c, &target, &shape, &err);
}

static void
an_update_needs_a_replica_identity(void **state)
{
    (void)state;
    columns[0].key = false;
    relation.identity = 'n';
    assert_false(put(rows_update(&relation, ROW("1", "a"))));
    assert_int_equal(err.class, ERR_DATA);
    assert_non_null(strstr(err.text, "no replica identity"));
    assert_non_null(strstr(err.hint, "REPLICA IDENTITY FULL"));
}

static void
a_delete_without_an_old_row_is_refused(void **state)
{
    (void)state;
    struct change c = rows_delete(&relation, ROW("1", NULL));
    c.old_kind = OLD_NONE;
    assert_false(put(c));
    assert_int_equal(err.class, ERR_DATA);
}

static void
an_insert_without_one_of_its_values_is_refused(void **state)
{
    (void)state;
    assert_false(put(rows_insert(&relation, ROW("1", ROW_UNCHANGED))));
    assert_non_null(strstr(err.text, "'v'"));
}

static void
a_key_that_was_not_sent_is_refused(void **state)
{
    (void)state;
    assert_false(put(rows_update(&relation, ROW(ROW_UNCHANGED, "a"))));
    assert_non_null(strstr(err.text, "'id'"));
}

static void
a_row_of_another_length_breaks_a_promise(void **state)
{
    (void)state;
    assert_false(put(rows_insert(&relation, ROW("1"))));
    assert_int_equal(err.class, ERR_FATAL);
}

static void
a_reference_to_an_object_of_the_source_is_refused_in_binary(void **state)
{
    (void)state;
    columns[1].type_oid = targets[1].type_oid = REGCLASS;
    struct tuple t = ROW("1", NULL);
    rows_int4(t, 1, 16400);
    assert_false(put(rows_insert(&relation, t)));
    assert_int_equal(err.class, ERR_DATA);
    assert_non_null(strstr(err.text, "'v'"));
}

static void
a_reference_to_a_built_in_object_is_fine(void **state)
{
    (void)state;
    columns[1].type_oid = targets[1].type_oid = REGCLASS;
    struct tuple t = ROW("1", NULL);
    rows_int4(t, 1, 1259);
    assert_true(put(rows_insert(&relation, t)));
}

static void
a_type_made_of_references_is_refused_in_binary(void **state)
{
    (void)state;
    columns[1].type_oid = OWN;
    targets[1].type_oid = OWN_TOO;
    targets[1].names_objects = true;
    struct tuple t = ROW("1", NULL);
    rows_int4(t, 1, 1259);
    assert_false(put(rows_insert(&relation, t)));
    assert_non_null(strstr(err.text, "'v'"));
    assert_true(put(rows_insert(&relation, ROW("1", "pg_class"))));
    targets[1].names_objects = false;
}

static void
a_binary_value_of_a_users_type_fits_a_users_type_only(void **state)
{
    (void)state;
    columns[1].type_oid = OWN;
    targets[1].type_oid = OWN_TOO;
    struct tuple t = ROW("1", NULL);
    rows_binary(t, 1, "abcd", 4);
    assert_true(put(rows_insert(&relation, t)));
    assert_false(shape.use[1] & USE_SET_SOURCE);
    targets[1].type_oid = INT4;
    assert_false(put(rows_insert(&relation, t)));
    assert_non_null(strstr(err.text, "'v'"));
    assert_non_null(strstr(err.text, "text"));
}

static void
a_text_value_fits_every_type(void **state)
{
    (void)state;
    columns[1].type_oid = OWN;
    assert_true(put(rows_insert(&relation, ROW("1", "a"))));
    assert_int_equal(shape.use[1], USE_SET);
}

static void
without_any_key_one_of_the_rows_is_meant(void **state)
{
    (void)state;
    relation.identity = 'f';
    columns[1].key = true;
    target.has_unique = targets[0].unique = false;
    assert_true(put(rows_delete_full(&relation, ROW("1", NULL))));
    assert_true(shape.any_row);
    assert_int_equal(shape.use[0], USE_MATCH);
    assert_int_equal(shape.use[1], USE_MATCH | USE_NULL);
    assert_int_equal(shape.parameters, 1);
}

static void
full_identity_without_an_old_row_is_refused(void **state)
{
    (void)state;
    relation.identity = 'f';
    columns[1].key = true;
    target.has_unique = targets[0].unique = false;
    assert_false(put(rows_update(&relation, ROW("1", "b"))));
}

static void
null_and_value_in_a_row_set_make_no_difference(void **state)
{
    (void)state;
    assert_true(put(rows_update(&relation, ROW("1", "a"))));
    struct shape first = shape;
    assert_true(put(rows_update(&relation, ROW("1", NULL))));
    assert_memory_equal(first.use, shape.use, 2);
}

static void
the_key_to_match_is_the_old_one(void **state)
{
    (void)state;
    struct change c = rows_update_key(&relation, ROW("1", NULL), ROW("2", "b"));
    assert_ptr_equal(shape_match_value(&c, 0), &c.old.values[0]);
    assert_ptr_equal(shape_match_value(&c, 1), &c.new.values[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_update_needs_a_replica_identity),
        T(a_delete_without_an_old_row_is_refused),
        T(an_insert_without_one_of_its_values_is_refused),
        T(a_key_that_was_not_sent_is_refused),
        T(a_row_of_another_length_breaks_a_promise),
        T(a_reference_to_an_object_of_the_source_is_refused_in_binary),
        T(a_reference_to_a_built_in_object_is_fine),
        T(a_type_made_of_references_is_refused_in_binary),
        T(a_binary_value_of_a_users_type_fits_a_users_type_only),
        T(a_text_value_fits_every_type),
        T(without_any_key_one_of_the_rows_is_meant),
        T(full_identity_without_an_old_row_is_refused),
        T(null_and_value_in_a_row_set_make_no_difference),
        T(the_key_to_match_is_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
