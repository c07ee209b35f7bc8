/* SPDX-License-Identifier: Apache-2.0
 *
 * When a wait is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/wait_goal.h"

static char why[256];

static enum wait_outcome
phase_goal(enum phase wanted, enum phase now)
{
    struct wait_goal g = {.phase = wanted};
    struct agent_status s = {.phase = now};
    return wait_goal_step(&g, &s, why, sizeof why);
}

static struct agent_status
two_sinks(enum phase phase, uint64_t a, uint64_t b)
{
    struct agent_status s = {.phase = phase, .sinks_len = 2};
    s.sinks[0] = (struct sink_status){.name = "a", .state = SINK_RUNNING, .durable_position = a};
    s.sinks[1] = (struct sink_status){.name = "b", .state = SINK_RUNNING, .durable_position = b};
    return s;
}

static void
phase_or_a_later_one_is_reached(void **state)
{
    (void)state;
    assert_int_equal(phase_goal(PHASE_STREAMING, PHASE_CATCHUP), WAIT_MORE);
    assert_int_equal(phase_goal(PHASE_STREAMING, PHASE_STREAMING), WAIT_REACHED);
    assert_int_equal(phase_goal(PHASE_STREAMING, PHASE_CUTOVER), WAIT_REACHED);
    assert_int_equal(phase_goal(PHASE_DONE, PHASE_CUTOVER), WAIT_MORE);
    assert_int_equal(phase_goal(PHASE_PREFLIGHT, PHASE_PREFLIGHT), WAIT_REACHED);
}

static void
position_must_be_durable_at_every_sink(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 100};
    struct agent_status s = two_sinks(PHASE_STREAMING, 100, 99);
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
    s = two_sinks(PHASE_STREAMING, 100, 100);
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_REACHED);
}

static void
a_named_sink_is_the_only_one_that_counts(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 100, .sink = "a"};
    struct agent_status s = two_sinks(PHASE_STREAMING, 100, 99);
    s.sinks[1].state = SINK_FAILED;
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_REACHED);
    g.lsn = 101;
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
}

static void
applied_is_not_durable(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 100};
    struct agent_status s = two_sinks(PHASE_STREAMING, 100, 50);
    s.sinks[1].applied_position = 200;
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
}

static void
position_does_not_count_while_the_copy_runs(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 100};
    struct agent_status s = two_sinks(PHASE_SNAPSHOT, 500, 500);
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
    s = two_sinks(PHASE_PREFLIGHT, 500, 500);
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
}

static void
without_sinks_a_position_is_never_reached(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 0};
    struct agent_status s = {.phase = PHASE_STREAMING};
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_MORE);
}

static void
failed_sink_ends_the_wait(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 100};
    struct agent_status s = two_sinks(PHASE_STREAMING, 100, 50);
    s.sinks[1].state = SINK_FAILED;
    memcpy(s.sinks[1].error, "boom", 5);
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_NEVER);
    assert_string_equal(why, "sink 'b' failed: boom");
}

static void
what_is_reached_stays_reached_with_a_failed_sink(void **state)
{
    (void)state;
    struct wait_goal g = {.phase = PHASE_CATCHUP};
    struct agent_status s = two_sinks(PHASE_STREAMING, 1, 1);
    s.sinks[0].state = SINK_FAILED;
    assert_int_equal(wait_goal_step(&g, &s, why, sizeof why), WAIT_REACHED);
}

static void
description_names_the_slowest_sink(void **state)
{
    (void)state;
    struct wait_goal g = {.position = true, .lsn = 0x100};
    struct agent_status s = two_sinks(PHASE_CATCHUP, 0x80, 0x40);
    wait_goal_describe(&g, &s, why, sizeof why);
    assert_non_null(strstr(why, "'b'"));
    assert_non_null(strstr(why, "0/40"));
    assert_non_null(strstr(why, "0/100"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phase_or_a_later_one_is_reached),
        cmocka_unit_test(position_must_be_durable_at_every_sink),
        cmocka_unit_test(a_named_sink_is_the_only_one_that_counts),
        cmocka_unit_test(applied_is_not_durable),
        cmocka_unit_test(position_does_not_count_while_the_copy_runs),
        cmocka_unit_test(without_sinks_a_position_is_never_reached),
        cmocka_unit_test(failed_sink_ends_the_wait),
        cmocka_unit_test(what_is_reached_stays_reached_with_a_failed_sink),
        cmocka_unit_test(description_names_the_slowest_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
