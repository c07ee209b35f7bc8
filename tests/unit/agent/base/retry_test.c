/* SPDX-License-Identifier: Apache-2.0
 *
 * Backoff: growth, jitter, deadline.
 */

#include "agent/base/retry.h"
#include "tests/lib/unit.h"

static const struct retry_policy policy = {.first_us = 100, .max_us = 1000};

static void
delays_double_up_to_the_maximum(void **state)
{
    (void)state;
    static const int64_t want[] = {100, 200, 400, 800, 1000, 1000, 1000};
    struct retry r = {0};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int64_t delay;
        assert_true(retry_next(&r, &policy, 0, UINT32_MAX, &delay));
        assert_int_equal(delay, want[i]);
    }
    assert_int_equal(r.attempts, 7);
}

static void
jitter_stays_in_the_upper_half(void **state)
{
    (void)state;
    for (uint64_t random = 0; random <= UINT32_MAX; random += 12345678) {
        struct retry r = {0};
        int64_t delay;
        assert_true(retry_next(&r, &policy, 0, (uint32_t)random, &delay));
        assert_in_range(delay, 50, 100);
    }
    struct retry r = {0};
    int64_t delay;
    assert_true(retry_next(&r, &policy, 0, 0, &delay));
    assert_int_equal(delay, 50);
}

static void
a_first_delay_above_the_maximum_is_cut(void **state)
{
    (void)state;
    struct retry_policy p = {.first_us = 5000, .max_us = 1000};
    struct retry r = {0};
    int64_t delay;
    assert_true(retry_next(&r, &p, 0, UINT32_MAX, &delay));
    assert_int_equal(delay, 1000);
}

static void
the_deadline_counts_from_the_first_failure(void **state)
{
    (void)state;
    struct retry_policy p = {.first_us = 100, .max_us = 1000, .deadline_us = 500};
    struct retry r = {0};
    int64_t delay = -1;
    assert_true(retry_next(&r, &p, 1000, UINT32_MAX, &delay));
    assert_int_equal(r.first_failure_us, 1000);
    assert_true(retry_next(&r, &p, 1400, UINT32_MAX, &delay));
    assert_int_equal(delay, 100); /* 200 would pass the deadline */
    delay = -1;
    assert_false(retry_next(&r, &p, 1500, UINT32_MAX, &delay));
    assert_int_equal(delay, -1);
    assert_int_equal(r.attempts, 3);
}

static void
success_says_how_many_failures_it_ends(void **state)
{
    (void)state;
    struct retry r = {0};
    int64_t delay;
    assert_int_equal(retry_success(&r), 0);
    assert_true(retry_next(&r, &policy, 10, UINT32_MAX, &delay));
    assert_true(retry_next(&r, &policy, 20, UINT32_MAX, &delay));
    assert_int_equal(retry_success(&r), 2);
    assert_true(retry_next(&r, &policy, 90, UINT32_MAX, &delay));
    assert_int_equal(delay, 100);
    assert_int_equal(r.first_failure_us, 90);
}

static void
huge_values_do_not_overflow(void **state)
{
    (void)state;
    struct retry_policy p = {.first_us = INT64_MAX / 3, .max_us = INT64_MAX};
    struct retry r = {.attempts = INT32_MAX, .first_failure_us = 0};
    int64_t delay;
    assert_true(retry_next(&r, &p, 1, UINT32_MAX, &delay));
    assert_true(delay == INT64_MAX);
    assert_int_equal(r.attempts, INT32_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_maximum),
        cmocka_unit_test(jitter_stays_in_the_upper_half),
        cmocka_unit_test(a_first_delay_above_the_maximum_is_cut),
        cmocka_unit_test(the_deadline_counts_from_the_first_failure),
        cmocka_unit_test(success_says_how_many_failures_it_ends),
        cmocka_unit_test(huge_values_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
