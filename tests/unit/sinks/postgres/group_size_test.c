/* SPDX-License-Identifier: Apache-2.0
 *
 * How many transactions are joined into the next one.
 */
#include "sinks/postgres/group_size.h"
#include "tests/lib/unit.h"

#define SECOND 1000000

static void
it_doubles_up_to_the_most(void **state)
{
    (void)state;
    uint32_t now = 1;
    static const uint32_t sizes[] = {2, 4, 8, 16, 20, 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        now = group_size_next(now, 20, now, 1000, SECOND);
        assert_int_equal(now, sizes[i]);
    }
    assert_int_equal(group_size_next(1, 1, 1, 1000, SECOND), 1);
    assert_int_equal(group_size_next(4, UINT32_MAX, 4, 0, SECOND), 8);
    assert_int_equal(group_size_next(UINT32_MAX, UINT32_MAX, 4, 1, SECOND), 4 * SECOND);
}

static void
no_more_than_fit_into_the_time(void **state)
{
    (void)state;
    assert_int_equal(group_size_next(512, 5000, 512, 5 * SECOND, SECOND), 102);
    assert_int_equal(group_size_next(64, 5000, 64, SECOND * 3 / 4, SECOND), 85); /* not twice */
    assert_int_equal(group_size_next(64, 5000, 64, SECOND / 2, SECOND), 128);
    assert_int_equal(group_size_next(64, 5000, 64, INT64_MAX, SECOND), 1);
}

/* The bytes were full, or nothing came: the group says how long a transaction takes all the same.
 */
static void
a_group_that_ended_early_counts(void **state)
{
    (void)state;
    assert_int_equal(group_size_next(5000, 5000, 10, SECOND, SECOND), 10);
    assert_int_equal(group_size_next(5000, 5000, 10, 1000, SECOND), 5000);
    assert_int_equal(group_size_next(5000, 5000, 0, SECOND, SECOND), 5000);
}

static void
without_a_time_it_may_take_long(void **state)
{
    (void)state;
    assert_int_equal(group_size_next(64, 5000, 64, 100LL * SECOND, 0), 128);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_up_to_the_most),
        cmocka_unit_test(no_more_than_fit_into_the_time),
        cmocka_unit_test(a_group_that_ended_early_counts),
        cmocka_unit_test(without_a_time_it_may_take_long),
    };
    return cmocka_run_group_tests_name("size of a group", tests, NULL, NULL);
}
