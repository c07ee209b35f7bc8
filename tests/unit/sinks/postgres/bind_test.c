/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of a change as parameters.
 */
#include "sinks/postgres/bind.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

static struct bind b;
static struct shape shape;
static struct err err;
static struct column columns[] = {{"id", 23, -1, true}, {"a", 25, -1, false}, {"b", 25, -1, false}};
static struct relation r;

static int
setup(void **state)
{
    (void)state;
    bind_init(&b);
    r = rows_relation(1, "public", "t", 'd', columns, 3);
    shape = (struct shape){.op = SHAPE_UPDATE, .len = 3, .parameters = 3};
    shape.use[0] = USE_MATCH;
    shape.use[1] = shape.use[2] = USE_SET;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    bind_done(&b);
    rows_free();
    return 0;
}

static void
set_values_come_before_match_values(void **state)
{
    (void)state;
    struct change c = rows_update(&r, ROW("17", "x", "yy"));
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_int_equal(b.n, 3);
    assert_string_equal(b.values[0], "x");
    assert_string_equal(b.values[1], "yy");
    assert_string_equal(b.values[2], "17");
}

static void
null_is_no_value_and_empty_is_one(void **state)
{
    (void)state;
    struct change c = rows_update(&r, ROW("17", NULL, ""));
    rows_binary(c.new, 2, "", 0);
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_null(b.values[0]);
    assert_non_null(b.values[1]);
    assert_int_equal(b.lengths[1], 0);
    assert_int_equal(b.formats[1], 1);
}

static void
binary_values_are_passed_where_they_lie(void **state)
{
    (void)state;
    struct change c = rows_update(&r, ROW("17", "x", NULL));
    rows_binary(c.new, 2, "\0\1\2", 3);
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_ptr_equal(b.values[1], c.new.values[2].bytes.data);
    assert_int_equal(b.lengths[1], 3);
    assert_int_equal(b.formats[0], 0);
}

static void
what_the_server_refuses_in_binary_when_empty_goes_as_text(void **state)
{
    (void)state;
    static const char vector[20] = {0, 0, 0, 1};
    columns[1].type_oid = 3615; /* tsquery */
    columns[2].type_oid = 22;   /* int2vector */
    struct change c = rows_update(&r, ROW("17", NULL, NULL));
    rows_binary(c.new, 1, "\0\0\0\0", 4);
    rows_binary(c.new, 2, vector, sizeof vector);
    assert_true(bind_change(&b, &c, &shape, &err));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(b.formats[i], 0);
        assert_string_equal(b.values[i], "");
    }
    rows_binary(c.new, 1, "\0\0\0\1a", 5);
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_int_equal(b.formats[0], 1);
    columns[1].type_oid = columns[2].type_oid = 25;
}

static void
a_column_may_be_set_and_matched(void **state)
{
    (void)state;
    shape.use[0] = USE_SET | USE_MATCH;
    shape.parameters = 4;
    struct change c = rows_update_key(&r, ROW("1", NULL, NULL), ROW("2", "x", "y"));
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_string_equal(b.values[0], "2");
    assert_string_equal(b.values[3], "1");
}

static void
matched_nulls_are_no_parameters(void **state)
{
    (void)state;
    shape.use[0] = USE_MATCH | USE_NULL;
    shape.parameters = 2;
    struct change c = rows_update(&r, ROW(NULL, "x", "y"));
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_int_equal(b.n, 2);
}

static void
texts_stay_where_they_are_while_more_are_added(void **state)
{
    (void)state;
    static char big[100000];
    memset(big, 'z', sizeof big - 1);
    struct change c = rows_update(&r, ROW("17", "first", big));
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_string_equal(b.values[0], "first");
    assert_int_equal(strlen(b.values[1]), sizeof big - 1);
    assert_true(b.bytes > sizeof big);
}

static void
memory_of_a_huge_row_is_given_back(void **state)
{
    (void)state;
    size_t len = 3 << 20;
    char *big = malloc(len + 1);
    memset(big, 'z', len);
    big[len] = 0;
    struct change c = rows_update(&r, ROW("17", "first", big));
    free(big);
    assert_true(bind_change(&b, &c, &shape, &err));
    bind_trim(&b);
    assert_int_equal(b.text.cap, 0);
    assert_true(bind_change(&b, &c, &shape, &err));
    assert_int_equal(strlen(b.values[1]), len);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(set_values_come_before_match_values),
        T(null_is_no_value_and_empty_is_one),
        T(binary_values_are_passed_where_they_lie),
        T(what_the_server_refuses_in_binary_when_empty_goes_as_text),
        T(a_column_may_be_set_and_matched),
        T(matched_nulls_are_no_parameters),
        T(texts_stay_where_they_are_while_more_are_added),
        T(memory_of_a_huge_row_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
