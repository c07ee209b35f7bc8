/* SPDX-License-Identifier: Apache-2.0
 *
 * The phase machine: every pair of phase and event, and every way back in after a crash.
 */
#include "agent/pipeline/phase.h"
#include "tests/lib/unit.h"

#define PHASES 6
#define EVENTS 7

/* -1: refused. Rows are phases, columns events, both in the order of their enums. */
static const int expected[PHASES][EVENTS] = {
    [PHASE_PREFLIGHT] = {PHASE_SNAPSHOT, -1, -1, -1, -1, -1, -1},
    [PHASE_SNAPSHOT] = {-1, PHASE_CATCHUP, -1, -1, -1, -1, -1},
    [PHASE_CATCHUP] = {-1, -1, PHASE_STREAMING, -1, -1, -1, -1},
    [PHASE_STREAMING] = {-1, -1, -1, PHASE_CATCHUP, PHASE_CUTOVER, -1, -1},
    [PHASE_CUTOVER] = {-1, -1, -1, -1, -1, PHASE_CATCHUP, PHASE_DONE},
    [PHASE_DONE] = {-1, -1, -1, -1, -1, -1, -1},
};

static void
every_pair_of_phase_and_event_is_decided(void **state)
{
    (void)state;
    for (int p = 0; p < PHASES; p++) {
        for (int e = 0; e < EVENTS; e++) {
            struct phase_step s = phase_step((enum phase)p, (enum phase_event)e);
            if (expected[p][e] < 0) {
                assert_false(s.allowed);
                assert_int_equal(s.phase, p);
                assert_int_equal(s.actions, 0);
            } else {
                assert_true(s.allowed);
                assert_int_equal(s.phase, expected[p][e]);
            }
        }
    }
}

static void
an_aborted_cutover_lifts_the_fence_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(phase_step(PHASE_CUTOVER, EVENT_CUTOVER_ABORTED).actions, ACTION_UNFENCE);
}

static void
capture_runs_in_every_phase_that_is_resumed_before_done(void **state)
{
    (void)state;
    for (int p = PHASE_SNAPSHOT; p <= PHASE_CUTOVER; p++) {
        assert_true(phase_resume((enum phase)p).actions & ACTION_CAPTURE);
    }
    assert_int_equal(phase_resume(PHASE_DONE).actions, ACTION_END);
    assert_int_equal(phase_resume(PHASE_PREFLIGHT).actions, 0);
}

static void
a_cutover_cut_off_by_a_crash_counts_as_aborted(void **state)
{
    (void)state;
    struct phase_step s = phase_resume(PHASE_CUTOVER);
    assert_int_equal(s.phase, PHASE_CATCHUP);
    assert_true(s.actions & ACTION_UNFENCE);
    assert_true(s.actions & ACTION_DELIVER);
    assert_false(s.actions & ACTION_CUTOVER);
}

static void
streaming_is_resumed_as_catchup(void **state)
{
    (void)state;
    assert_int_equal(phase_resume(PHASE_STREAMING).phase, PHASE_CATCHUP);
    assert_int_equal(phase_resume(PHASE_SNAPSHOT).phase, PHASE_SNAPSHOT);
    assert_true(phase_resume(PHASE_SNAPSHOT).actions & ACTION_COPY);
}

static void
names_are_read_back(void **state)
{
    (void)state;
    for (int p = 0; p < PHASES; p++) {
        enum phase back = PHASE_DONE;
        assert_true(phase_parse(phase_name((enum phase)p), &back));
        assert_int_equal(back, p);
    }
    enum phase untouched = PHASE_CUTOVER;
    assert_false(phase_parse("Streaming", &untouched));
    assert_int_equal(untouched, PHASE_CUTOVER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_phase_and_event_is_decided),
        cmocka_unit_test(an_aborted_cutover_lifts_the_fence_and_nothing_else),
        cmocka_unit_test(capture_runs_in_every_phase_that_is_resumed_before_done),
        cmocka_unit_test(a_cutover_cut_off_by_a_crash_counts_as_aborted),
        cmocka_unit_test(streaming_is_resumed_as_catchup),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
