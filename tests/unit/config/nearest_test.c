/* SPDX-License-Identifier: Apache-2.0
 *
 * Distances counted by hand.
 */
#include "config/nearest.h"
#include "tests/lib/unit.h"

static void
equal_words_are_at_no_distance(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("jobs", "jobs"), 0);
    assert_int_equal(nearest_distance("", ""), 0);
}

static void
each_edit_counts_one(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("jobs", "job"), 1);
    assert_int_equal(nearest_distance("job", "jobs"), 1);
    assert_int_equal(nearest_distance("jobs", "jots"), 1);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static void
a_swap_of_neighbours_counts_one(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("jbos", "jobs"), 1);
}

static void
case_and_dashes_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("Max-Size", "max_size"), 0);
}

static void
very_long_words_are_infinitely_far(void **state)
{
    (void)state;
    char word[100];
    memset(word, 'a', 99);
    word[99] = '\0';
    assert_true(nearest_distance(word, "a") == SIZE_MAX);
    word[NEAREST_MAX] = '\0';
    assert_int_equal(nearest_distance(word, word), 0);
}

static void
the_nearest_candidate_wins(void **state)
{
    (void)state;
    struct nearest n;
    nearest_init(&n, "tiemout");
    nearest_offer(&n, "time");
    nearest_offer(&n, "timeout");
    nearest_offer(&n, "verify");
    assert_string_equal(n.best, "timeout");
}

static void
a_word_like_none_has_no_nearest(void **state)
{
    (void)state;
    struct nearest n;
    nearest_init(&n, "colour");
    nearest_offer(&n, "fence");
    nearest_offer(&n, "timeout");
    assert_null(n.best);
    nearest_init(&n, "xy");
    nearest_offer(&n, "on"); /* two edits, but nothing of it is left */
    assert_null(n.best);
}

static void
a_beginning_is_near(void **state)
{
    (void)state;
    struct nearest n;
    nearest_init(&n, "warning");
    nearest_offer(&n, "warn");
    assert_string_equal(n.best, "warn");
    nearest_init(&n, "sch");
    nearest_offer(&n, "schema");
    assert_string_equal(n.best, "schema");
    nearest_init(&n, "sc");
    nearest_offer(&n, "schema");
    assert_null(n.best);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_words_are_at_no_distance),
        cmocka_unit_test(each_edit_counts_one),
        cmocka_unit_test(a_swap_of_neighbours_counts_one),
        cmocka_unit_test(case_and_dashes_do_not_count),
        cmocka_unit_test(very_long_words_are_infinitely_far),
        cmocka_unit_test(the_nearest_candidate_wins),
        cmocka_unit_test(a_word_like_none_has_no_nearest),
        cmocka_unit_test(a_beginning_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
