/* SPDX-License-Identifier: Apache-2.0
 *
 * A far target gets more at once, and never more than is allowed.
 */
#include "sinks/postgres/inflight.h"
#include "tests/lib/unit.h"

enum { MIB = 1 << 20 };

static void
near_by_little_is_enough(void **state)
{
    (void)state;
    assert_int_equal(inflight_bound(4 * MIB, -1), INFLIGHT_NEAR);
    assert_int_equal(inflight_bound(4 * MIB, 40), INFLIGHT_NEAR);
    assert_int_equal(inflight_bound(4 * MIB, 2000), INFLIGHT_NEAR);
}

static void
far_away_it_is_what_a_trip_takes(void **state)
{
    (void)state;
    assert_int_equal(inflight_bound(4 * MIB, 20000), 2000000);
    assert_int_equal(inflight_bound((uint64_t)1 << 30, 300000), 30000000);
}

static void
there_is_never_more_than_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(inflight_bound(4096, 40), 4096);
    assert_int_equal(inflight_bound(4096, 20000), 4096);
    assert_int_equal(inflight_bound(4 * MIB, 300000), 4 * MIB);
    assert_int_equal(inflight_bound(4 * MIB, INT64_MAX), 4 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_by_little_is_enough),
        cmocka_unit_test(far_away_it_is_what_a_trip_takes),
        cmocka_unit_test(there_is_never_more_than_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
