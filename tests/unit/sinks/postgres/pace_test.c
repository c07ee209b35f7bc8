/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that meet get smaller and then follow each other; groups that do not get larger.
 */
#include "sinks/postgres/pace.h"
#include "tests/lib/unit.h"

static struct pace p; /* the first group is under way */

static int
setup(void **state)
{
    (void)state;
    pace_init(&p, 1000);
    pace_beside(&p);
    return 0;
}

/* Another group begins beside it. */
static bool
next_beside(void)
{
    bool follows = pace_next(&p);
    if (!follows) {
        pace_beside(&p);
    }
    return follows;
}

static void
groups_grow_while_none_waits(void **state)
{
    (void)state;
    uint64_t before = pace_rows(&p);
    assert_int_equal(before, PACE_ROWS_FIRST);
    for (int i = 0; i < 40; i++) {
        assert_false(next_beside());
        assert_true(pace_rows(&p) > before || pace_rows(&p) == 1000);
        before = pace_rows(&p);
    }
    assert_int_equal(before, 1000);
}

static void
one_that_waits_halves_the_next_ones_once(void **state)
{
    (void)state;
    pace_waited(&p);
    pace_waited(&p);
    assert_false(next_beside());
    assert_int_equal(pace_rows(&p), PACE_ROWS_FIRST / 2);
    assert_false(next_beside());
    assert_true(pace_rows(&p) > PACE_ROWS_FIRST / 2);
}

/* Groups until one does not stay; each waits for the one before. */
static uint32_t
stays_for(void)
{
    uint32_t n = 0;
    pace_waited(&p);
    while (next_beside()) {
        pace_waited(&p); /* on one connection that is none */
        n++;
    }
    return n;
}

static void
where_the_smallest_meet_they_follow_each_other(void **state)
{
    (void)state;
    while (pace_rows(&p) > PACE_ROWS_MIN) {
        assert_int_equal(stays_for(), 0);
    }
    pace_waited(&p);
    assert_true(next_beside());
    assert_true(pace_rows(&p) == UINT64_MAX); /* they may be as large as they like */
    while (next_beside()) {
    }
    assert_int_equal(pace_rows(&p), PACE_ROWS_MIN);
    /* It is tried less and less often. */
    assert_int_equal(stays_for(), 2 * PACE_STAY_MIN);
    assert_int_equal(stays_for(), 4 * PACE_STAY_MIN);
    for (int i = 0; i < 10; i++) {
        (void)stays_for();
    }
    assert_int_equal(stays_for(), PACE_STAY_MAX);
}

static void
what_has_become_rare_is_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        (void)stays_for();
    }
    assert_true(p.patience > PACE_STAY_MIN);
    for (int i = 0; i < 40; i++) {
        (void)next_beside();
    }
    assert_int_equal(p.patience, PACE_STAY_MIN);
    assert_int_equal(pace_rows(&p), 1000);
}

/* Its answers came before the next one began: that says nothing of what two at once would do. */
static void
one_that_ran_alone_says_nothing(void **state)
{
    (void)state;
    pace_waited(&p);
    for (int i = 0; i < 10; i++) {
        assert_false(pace_next(&p));
        assert_int_equal(pace_rows(&p), PACE_ROWS_FIRST / 2);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(groups_grow_while_none_waits, setup),
        cmocka_unit_test_setup(one_that_waits_halves_the_next_ones_once, setup),
        cmocka_unit_test_setup(one_that_ran_alone_says_nothing, setup),
        cmocka_unit_test_setup(where_the_smallest_meet_they_follow_each_other, setup),
        cmocka_unit_test_setup(what_has_become_rare_is_forgotten, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
