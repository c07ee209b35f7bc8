/* SPDX-License-Identifier: Apache-2.0
 *
 * Often near by, and not too rarely anywhere.
 */
#include "sinks/postgres/sync_interval.h"
#include "tests/lib/unit.h"

static void
waiting_takes_a_fiftieth_of_the_time(void **state)
{
    (void)state;
    assert_int_equal(sync_interval_us(-1), SYNC_INTERVAL_US);
    assert_int_equal(sync_interval_us(40), SYNC_INTERVAL_US);
    assert_int_equal(sync_interval_us(2000), SYNC_INTERVAL_US);
    assert_int_equal(sync_interval_us(10000), 500000);
    assert_int_equal(sync_interval_us(20000), SYNC_INTERVAL_MAX_US);
}

static void
a_second_is_the_longest(void **state)
{
    (void)state;
    assert_int_equal(sync_interval_us(300000), SYNC_INTERVAL_MAX_US);
    assert_int_equal(sync_interval_us(INT64_MAX), SYNC_INTERVAL_MAX_US);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_takes_a_fiftieth_of_the_time),
        cmocka_unit_test(a_second_is_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
