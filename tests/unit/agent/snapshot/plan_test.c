/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of a copy: order, sizes, and that every block is in exactly one part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/snapshot/plan.h"

#define GIB (1ULL << 30)

static void
the_largest_table_comes_first(void **state)
{
    (void)state;
    const struct plan_table t[] = {{10, 1}, {3000, 5}, {200, 2}};
    struct plan p;
    plan_build(t, 3, GIB, &p);
    assert_int_equal(p.len, 3);
    assert_int_equal(p.parts[0].table, 1);
    assert_int_equal(p.parts[1].table, 2);
    assert_int_equal(p.parts[2].table, 0);
    plan_free(&p);
}

static void
a_small_table_is_one_part_without_an_end(void **state)
{
    (void)state;
    const struct plan_table t[] = {{GIB, 131072}};
    struct plan p;
    plan_build(t, 1, GIB, &p);
    assert_int_equal(p.len, 1);
    assert_int_equal(p.parts_of[0], 1);
    assert_int_equal(p.parts[0].from, 0);
    assert_int_equal(p.parts[0].to, 0);
    plan_free(&p);
}

static void
parts_of_a_table_are_adjacent_and_the_last_is_open(void **state)
{
    (void)state;
    const struct plan_table t[] = {{3 * GIB + 17, 393217}};
    struct plan p;
    uint64_t bytes = 0;
    plan_build(t, 1, GIB, &p);
    assert_int_equal(p.len, p.parts_of[0]);
    assert_int_equal(p.parts[0].from, 0);
    for (size_t i = 0; i < p.len; i++) {
        bytes += p.parts[i].bytes;
        if (i + 1 < p.len) {
            assert_true(p.parts[i].to > p.parts[i].from);
            assert_int_equal(p.parts[i].to, p.parts[i + 1].from);
        }
    }
    assert_int_equal(p.parts[p.len - 1].to, 0);
    assert_int_equal(bytes, t[0].bytes);
    plan_free(&p);
}

static void
parts_have_half_to_all_of_the_aim(void **state)
{
    (void)state;
    for (uint64_t mib = 300; mib < 20000; mib += 333) {
        const struct plan_table t[] = {{mib << 20, (uint32_t)(mib * 128)}};
        struct plan p;
        plan_build(t, 1, 200ULL << 20, &p);
        for (size_t i = 0; i < p.len; i++) {
            assert_in_range(p.parts[i].bytes, PLAN_PART_BYTES / 2, PLAN_PART_BYTES);
        }
        plan_free(&p);
    }
}

static void
a_table_never_has_more_parts_than_pages(void **state)
{
    (void)state;
    /* Few rows with large values out of line. */
    const struct plan_table t[] = {{100 * GIB, 3}, {100 * GIB, 1}, {100 * GIB, 0}};
    struct plan p;
    plan_build(t, 3, GIB, &p);
    assert_int_equal(p.parts_of[0], 3);
    assert_int_equal(p.parts_of[1], 1);
    assert_int_equal(p.parts_of[2], 1);
    plan_free(&p);
}

static void
nothing_is_split_when_that_is_off(void **state)
{
    (void)state;
    const struct plan_table t[] = {{100 * GIB, 13107200}};
    struct plan p;
    plan_build(t, 1, 0, &p);
    assert_int_equal(p.len, 1);
    plan_free(&p);
    plan_build(NULL, 0, 0, &p);
    assert_int_equal(p.len, 0);
    plan_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_table_comes_first),
        cmocka_unit_test(a_small_table_is_one_part_without_an_end),
        cmocka_unit_test(parts_of_a_table_are_adjacent_and_the_last_is_open),
        cmocka_unit_test(parts_have_half_to_all_of_the_aim),
        cmocka_unit_test(a_table_never_has_more_parts_than_pages),
        cmocka_unit_test(nothing_is_split_when_that_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
