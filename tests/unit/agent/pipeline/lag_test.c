/* SPDX-License-Identifier: Apache-2.0
 *
 * Caught up and fallen behind: thresholds and the room between them.
 */
#include "agent/pipeline/lag.h"
#include "tests/lib/unit.h"

static void
near_in_time_and_bytes_is_caught_up(void **state)
{
    (void)state;
    struct lag l = {.running = true, .seconds = 0.5, .source_bytes = 1000};
    assert_true(lag_caught_up(&l));
    assert_false(lag_fell_behind(&l));
}

static void
a_sink_that_does_not_run_is_not_caught_up_and_has_not_fallen_behind_yet(void **state)
{
    (void)state;
    struct lag l = {.running = false};
    assert_false(lag_caught_up(&l));
    assert_false(lag_fell_behind(&l));
}

static void
between_the_thresholds_nothing_moves(void **state)
{
    (void)state;
    struct lag slow = {.running = true, .seconds = 10};
    assert_false(lag_caught_up(&slow));
    assert_false(lag_fell_behind(&slow));
    struct lag bulky = {.running = true, .source_bytes = 100ULL << 20};
    assert_false(lag_caught_up(&bulky));
    assert_false(lag_fell_behind(&bulky));
}

static void
far_in_time_or_bytes_has_fallen_behind(void **state)
{
    (void)state;
    struct lag slow = {.running = true, .seconds = 31};
    struct lag bulky = {.running = true, .source_bytes = 2ULL << 30};
    assert_true(lag_fell_behind(&slow));
    assert_true(lag_fell_behind(&bulky));
}

static void
a_distance_is_never_negative(void **state)
{
    (void)state;
    assert_int_equal(lag_bytes(10, 4), 6);
    assert_int_equal(lag_bytes(4, 10), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_in_time_and_bytes_is_caught_up),
        cmocka_unit_test(a_sink_that_does_not_run_is_not_caught_up_and_has_not_fallen_behind_yet),
        cmocka_unit_test(between_the_thresholds_nothing_moves),
        cmocka_unit_test(far_in_time_or_bytes_has_fallen_behind),
        cmocka_unit_test(a_distance_is_never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
