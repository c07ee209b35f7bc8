/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds from both sides, the nearer of two limits, and growth over time.
 */
#include "agent/spool/budget.h"
#include "tests/lib/unit.h"

static const struct budget_limits limits = {
    .max_size = 1000, .warn_at = 70, .compress_at = 80, .pause_at = 95};

static struct budget
judge(const struct budget_limits *l, uint64_t used, uint64_t kept, enum budget_stage present)
{
    struct budget_use use = {.used = used, .kept = kept};
    struct budget b;
    budget_judge(l, &use, present, &b);
    return b;
}

static enum budget_stage
stage(uint64_t used, enum budget_stage present)
{
    return judge(&limits, used, 0, present).stage;
}

static void
stages_begin_at_their_per_cent(void **state)
{
    (void)state;
    assert_int_equal(stage(0, BUDGET_OK), BUDGET_OK);
    assert_int_equal(stage(699, BUDGET_OK), BUDGET_OK);
    assert_int_equal(stage(700, BUDGET_OK), BUDGET_WARN);
    assert_int_equal(stage(799, BUDGET_OK), BUDGET_WARN);
    assert_int_equal(stage(800, BUDGET_WARN), BUDGET_COMPRESS);
    assert_int_equal(stage(949, BUDGET_COMPRESS), BUDGET_COMPRESS);
    assert_int_equal(stage(950, BUDGET_OK), BUDGET_PAUSE);
    assert_int_equal(stage(5000, BUDGET_OK), BUDGET_PAUSE);
}

static void
a_stage_is_left_only_some_way_below(void **state)
{
    (void)state;
    assert_int_equal(stage(900, BUDGET_PAUSE), BUDGET_PAUSE);
    assert_int_equal(stage(899, BUDGET_PAUSE), BUDGET_COMPRESS);
    assert_int_equal(stage(750, BUDGET_COMPRESS), BUDGET_COMPRESS);
    assert_int_equal(stage(749, BUDGET_COMPRESS), BUDGET_WARN);
    assert_int_equal(stage(650, BUDGET_WARN), BUDGET_WARN);
    assert_int_equal(stage(649, BUDGET_WARN), BUDGET_OK);
    assert_int_equal(stage(100, BUDGET_PAUSE), BUDGET_OK);
}

/* From pause straight down: the stages between count as entered, each with its own way below. */
static void
falling_stops_at_every_stage_that_still_holds(void **state)
{
    (void)state;
    assert_int_equal(stage(760, BUDGET_PAUSE), BUDGET_COMPRESS);
    assert_int_equal(stage(660, BUDGET_PAUSE), BUDGET_WARN);
}

static void
small_per_cents_have_a_way_below_too(void **state)
{
    (void)state;
    const struct budget_limits l = {.max_size = 1000, .pause_at = 1};
    assert_int_equal(judge(&l, 10, 0, BUDGET_OK).stage, BUDGET_PAUSE);
    assert_int_equal(judge(&l, 9, 0, BUDGET_PAUSE).stage, BUDGET_OK);
    const struct budget_limits ten = {.max_size = 1000, .pause_at = 10};
    assert_int_equal(judge(&ten, 50, 0, BUDGET_PAUSE).stage, BUDGET_PAUSE);
    assert_int_equal(judge(&ten, 49, 0, BUDGET_PAUSE).stage, BUDGET_OK);
}

static void
what_is_kept_does_not_count_but_is_in_the_way(void **state)
{
    (void)state;
    struct budget b = judge(&limits, 990, 600, BUDGET_OK);
    assert_int_equal(b.stage, BUDGET_OK);
    assert_int_equal(b.percent, 39);
    assert_int_equal(b.left, 950 - 390);
    assert_int_equal(b.over, 290);
    b = judge(&limits, 990, 100, BUDGET_OK);
    assert_int_equal(b.stage, BUDGET_COMPRESS);
    assert_int_equal(b.over, 100);
    b = judge(&limits, 700, 600, BUDGET_OK);
    assert_int_equal(b.over, 0);
}

static void
the_nearer_limit_decides(void **state)
{
    (void)state;
    struct budget_limits l = limits;
    struct budget_use use = {.used = 300, .disk_known = true, .free = 650};
    struct budget b;
    l.min_free = 50;
    budget_judge(&l, &use, BUDGET_OK, &b);
    assert_int_equal(b.limit, 900);
    assert_true(b.disk_decides);
    use.free = 5000;
    budget_judge(&l, &use, BUDGET_OK, &b);
    assert_int_equal(b.limit, 1000);
    assert_false(b.disk_decides);
    l.max_size = 0;
    budget_judge(&l, &use, BUDGET_OK, &b);
    assert_int_equal(b.limit, 5250);
    assert_true(b.disk_decides);
}

static void
less_free_than_must_stay_free_is_a_pause(void **state)
{
    (void)state;
    struct budget_limits l = limits;
    struct budget_use use = {.used = 10, .disk_known = true, .free = 20};
    struct budget b;
    l.min_free = 100;
    budget_judge(&l, &use, BUDGET_OK, &b);
    assert_int_equal(b.stage, BUDGET_PAUSE);
    assert_int_equal(b.percent, 100);
    assert_int_equal(b.limit, 0);
    assert_int_equal(b.left, 0);
}

static void
without_any_limit_nothing_presses(void **state)
{
    (void)state;
    const struct budget_limits l = {.warn_at = 1, .compress_at = 1, .pause_at = 1};
    struct budget b = judge(&l, UINT64_MAX / 2, 0, BUDGET_PAUSE);
    assert_int_equal(b.stage, BUDGET_OK);
    assert_true(b.left == UINT64_MAX);
    assert_int_equal(b.percent, 0);
}

static void
stages_of_zero_per_cent_do_not_exist(void **state)
{
    (void)state;
    const struct budget_limits l = {.max_size = 100};
    struct budget b = judge(&l, 99, 50, BUDGET_PAUSE);
    assert_int_equal(b.stage, BUDGET_OK);
    assert_int_equal(b.left, 51);
    assert_int_equal(b.over, 0);
}

static void
large_limits_do_not_overflow(void **state)
{
    (void)state;
    struct budget_limits l = limits;
    l.max_size = UINT64_MAX - 1;
    struct budget b = judge(&l, UINT64_MAX / 2, 0, BUDGET_OK);
    assert_int_equal(b.percent, 50);
    assert_int_equal(b.stage, BUDGET_OK);
    b = judge(&l, UINT64_MAX - 10, 0, BUDGET_OK);
    assert_int_equal(b.stage, BUDGET_PAUSE);
}

static void
names_go_both_ways(void **state)
{
    (void)state;
    enum budget_stage s;
    for (int i = BUDGET_OK; i <= BUDGET_PAUSE; i++) {
        assert_true(budget_stage_parse(budget_stage_name((enum budget_stage)i), &s));
        assert_int_equal(s, i);
    }
    assert_string_equal(budget_stage_name(BUDGET_COMPRESS), "compress");
    assert_false(budget_stage_parse("full", &s));
}

/* --- growth -------------------------------------------------------------------------------------
 */

#define SECOND 1000000LL

static void
time_left_follows_the_growth_of_the_last_minute(void **state)
{
    (void)state;
    struct budget_rate r = {0};
    for (int64_t t = 0; t <= 200; t++) {
        uint64_t bytes = t < 100 ? (uint64_t)t * 1000000 : 100000000 + (uint64_t)(t - 100) * 10;
        budget_rate_add(&r, t * SECOND, bytes);
    }
    double left = budget_seconds_left(&r, 5000);
    assert_true(left > 499 && left < 501);
}

static void
no_growth_has_no_time_left(void **state)
{
    (void)state;
    struct budget_rate r = {0};
    for (int64_t t = 0; t <= 100; t += 5) {
        budget_rate_add(&r, t * SECOND, 7000);
    }
    assert_true(budget_seconds_left(&r, 5000) < 0);
    for (int64_t t = 105; t <= 200; t += 5) {
        budget_rate_add(&r, t * SECOND, 7000 - (uint64_t)t);
    }
    assert_true(budget_seconds_left(&r, 5000) < 0);
}

static void
a_moment_is_too_short_to_tell(void **state)
{
    (void)state;
    struct budget_rate r = {0};
    assert_true(budget_seconds_left(&r, 5000) < 0);
    budget_rate_add(&r, 0, 0);
    budget_rate_add(&r, 5 * SECOND, 1000);
    assert_true(budget_seconds_left(&r, 5000) < 0);
    budget_rate_add(&r, 10 * SECOND, 2000);
    double left = budget_seconds_left(&r, 5000);
    assert_true(left > 24 && left < 26);
}

static void
without_limit_there_is_no_time(void **state)
{
    (void)state;
    struct budget_rate r = {0};
    budget_rate_add(&r, 0, 0);
    budget_rate_add(&r, 10 * SECOND, 1000);
    assert_true(budget_seconds_left(&r, UINT64_MAX) < 0);
    assert_true(budget_seconds_left(&r, 0) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_begin_at_their_per_cent),
        cmocka_unit_test(a_stage_is_left_only_some_way_below),
        cmocka_unit_test(falling_stops_at_every_stage_that_still_holds),
        cmocka_unit_test(small_per_cents_have_a_way_below_too),
        cmocka_unit_test(what_is_kept_does_not_count_but_is_in_the_way),
        cmocka_unit_test(the_nearer_limit_decides),
        cmocka_unit_test(less_free_than_must_stay_free_is_a_pause),
        cmocka_unit_test(without_any_limit_nothing_presses),
        cmocka_unit_test(stages_of_zero_per_cent_do_not_exist),
        cmocka_unit_test(large_limits_do_not_overflow),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(time_left_follows_the_growth_of_the_last_minute),
        cmocka_unit_test(no_growth_has_no_time_left),
        cmocka_unit_test(a_moment_is_too_short_to_tell),
        cmocka_unit_test(without_limit_there_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
