/* SPDX-License-Identifier: Apache-2.0
 *
 * Order and text of positions.
 */
#include "agent/change/position.h"
#include "tests/lib/unit.h"

static void
commit_decides_before_ordinal(void **state)
{
    (void)state;
    static const struct position ordered[] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, UINT32_MAX},
        {UINT32_MAX + 1ull, 0}, {UINT64_MAX, 0}, {UINT64_MAX, UINT32_MAX}};
    int n = sizeof ordered / sizeof *ordered;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            int c = position_compare(ordered[i], ordered[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
}

static void
the_ordinal_is_shown_when_there_is_one(void **state)
{
    (void)state;
    char out[POSITION_SIZE];
    struct position whole = {0x16B374D848, 0}, inside = {0x16B374D848, 17};
    struct position last = {UINT64_MAX, UINT32_MAX};
    assert_string_equal(position_format(whole, out), "16/B374D848");
    assert_string_equal(position_format(inside, out), "16/B374D848+17");
    assert_string_equal(position_format(last, out), "FFFFFFFF/FFFFFFFF+4294967295");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_decides_before_ordinal),
        cmocka_unit_test(the_ordinal_is_shown_when_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
