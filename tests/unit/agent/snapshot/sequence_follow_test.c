/* SPDX-License-Identifier: Apache-2.0
 *
 * What a target's sequence is set to between two looks at the source.
 */
#include "agent/snapshot/sequence_follow.h"
#include "agent/snapshot/sequences.h"
#include "tests/lib/unit.h"

static struct sequence_state
at(int64_t last)
{
    return (struct sequence_state){
        .used = true, .last = last, .increment = 1, .min = 1, .max = INT64_MAX};
}

static void
a_margin_is_counted_in_steps_and_ends_at_the_limit(void **state)
{
    (void)state;
    static const struct {
        int64_t v, increment, min, max;
        uint64_t steps;
        int64_t expected;
    } cases[] = {
        {5, 1, 1, 100, 0, 5}, {5, 1, 1, 100, 10, 15}, {5, 1, 1, 100, 1000, 100},
        {3, 10, 1, 100, 4, 43}, /* keeps to 3, 13, 23 ... */
        {3, 10, 1, 100, 1000, 93}, {-1, -1, -100, -1, 10, -11}, {-1, -7, -100, -1, 1000, -99},
        {100, 1, 1, 100, 1, 100}, {INT64_MAX - 1, 1, 1, INT64_MAX, UINT64_MAX, INT64_MAX},
        {INT64_MIN + 1, -1, INT64_MIN, -1, UINT64_MAX, INT64_MIN},
        {INT64_MAX, INT64_MIN, INT64_MIN, INT64_MAX, 1, -1},
        {INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, 9, INT64_MAX - 1},
        {32766, 1, 1, 32767, 5, 32767},
        {500, 1, 1, 100, 5, 500}, /* out of its own limits: left as it is */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sequence_ahead(cases[i].v, cases[i].steps, cases[i].increment,
                             cases[i].min, cases[i].max),
            cases[i].expected);
    }
}

static void
one_that_rests_is_left_alone(void **state)
{
    (void)state;
    struct sequence_state a = at(7), unused = {.increment = 1, .min = 1, .max = 9};
    assert_false(sequence_follow_decide(&a, &a, false).send);
    struct sequence_move m = sequence_follow_decide(&a, &a, true);
    assert_true(m.send && !m.wrapped);
    assert_int_equal(m.value, 7);
    assert_false(sequence_follow_decide(NULL, &unused, true).send);
    assert_false(sequence_follow_decide(&unused, &unused, true).send);
}

static void
one_that_moves_is_set_ahead_by_twice_its_way(void **state)
{
    (void)state;
    struct sequence_state a = at(100), b = at(1100), c = at(101);
    assert_int_equal(sequence_follow_decide(&a, &b, false).value, 3100);
    assert_int_equal(sequence_follow_decide(&a, &c, false).value, 101 + 32);
    /* Seen for the first time: nobody knows how fast it is. */
    assert_int_equal(sequence_follow_decide(NULL, &b, false).value, 1100);
    a.increment = b.increment = 10;
    assert_int_equal(sequence_follow_decide(&a, &b, false).value, 3100);
    b.max = 1500;
    assert_int_equal(sequence_follow_decide(&a, &b, false).value, 1500);
    struct sequence_state down = at(-10), further = at(-60);
    down.increment = further.increment = -1;
    further.min = -1000;
    further.max = -1;
    assert_int_equal(sequence_follow_decide(&down, &further, false).value, -160);
    struct sequence_state low = at(INT64_MIN), high = at(INT64_MAX);
    low.min = high.min = INT64_MIN;
    assert_int_equal(sequence_follow_decide(&low, &high, false).value, INT64_MAX);
}

static void
only_one_that_cycles_goes_back(void **state)
{
    (void)state;
    struct sequence_state a = at(90), b = at(3);
    assert_false(sequence_follow_decide(&a, &b, true).send);
    b.cycles = true;
    struct sequence_move m = sequence_follow_decide(&a, &b, false);
    assert_true(m.send && m.wrapped);
    assert_int_equal(m.value, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_margin_is_counted_in_steps_and_ends_at_the_limit),
        cmocka_unit_test(one_that_rests_is_left_alone),
        cmocka_unit_test(one_that_moves_is_set_ahead_by_twice_its_way),
        cmocka_unit_test(only_one_that_cycles_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
