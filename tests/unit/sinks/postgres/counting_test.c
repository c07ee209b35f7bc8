/* SPDX-License-Identifier: Apache-2.0
 *
 * The farther away the target, the more is left to it.
 */
#include "sinks/postgres/counting.h"
#include "tests/lib/unit.h"

static void
near_by_only_small_transactions_are_counted_there(void **state)
{
    (void)state;
    for (int64_t trip = 0; trip <= COUNTING_NEAR_US; trip += 50) {
        assert_true(counting_pays(trip, COUNTING_STATEMENTS, COUNTING_ROWS));
        assert_false(counting_pays(trip, COUNTING_STATEMENTS + 1, 7));
        assert_false(counting_pays(trip, 1, COUNTING_ROWS + 1));
    }
}

static void
far_away_whole_groups_are(void **state)
{
    (void)state;
    assert_false(counting_pays(1000, 1, 2000));
    assert_true(counting_pays(20000, 4, 2000)); /* 500 pgbench transactions joined */
    assert_false(counting_pays(20000, 4, 100000));
    assert_true(counting_pays(INT64_MAX, UINT32_MAX, UINT32_MAX));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_by_only_small_transactions_are_counted_there),
        cmocka_unit_test(far_away_whole_groups_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
