/* SPDX-License-Identifier: Apache-2.0
 *
 * What the counters say while a copy runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/snapshot/progress.h"

static void
time_left_follows_from_the_rate(void **state)
{
    (void)state;
    assert_int_equal(progress_eta(100, 300, 10000000), 20000000);
    assert_int_equal(progress_eta(300, 300, 10000000), 0);
}

static void
time_left_is_unknown_at_the_beginning(void **state)
{
    (void)state;
    assert_true(progress_eta(0, 300, 10000000) < 0);
    assert_true(progress_eta(10, 300, 1000) < 0);
}

static void
a_part_is_never_whole_before_its_end(void **state)
{
    (void)state;
    assert_int_equal(progress_share(1000, 10, 5, 99999), 500);
    assert_true(progress_share(1000, 10, 50, 0) < 1000);
    assert_int_equal(progress_share(1000, -1, 5, 300), 300);
    assert_true(progress_share(1000, -1, 5, 99999) < 1000);
    assert_int_equal(progress_share(0, -1, 5, 99999), 0);
}

static void
an_earlier_run_does_not_count_for_the_rate(void **state)
{
    (void)state;
    struct progress p = {0};
    struct snapshot_progress out;
    atomic_store(&p.bytes_total, 1000);
    atomic_store(&p.bytes_before, 900);
    atomic_store(&p.bytes, 950);
    atomic_store(&p.started_us, 1);
    atomic_store(&p.step, STEP_COPY);
    progress_read(&p, 10000001, &out);
    assert_int_equal(out.eta_us, 10000000);
    assert_string_equal(out.step, "copy");
    assert_int_equal(out.bytes, 950);
}

static void
nothing_is_left_when_it_is_done(void **state)
{
    (void)state;
    struct progress p = {0};
    struct snapshot_progress out;
    atomic_store(&p.step, STEP_DONE);
    progress_read(&p, 5, &out);
    assert_string_equal(out.step, "done");
    assert_int_equal(out.eta_us, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_left_follows_from_the_rate),
        cmocka_unit_test(time_left_is_unknown_at_the_beginning),
        cmocka_unit_test(a_part_is_never_whole_before_its_end),
        cmocka_unit_test(an_earlier_run_does_not_count_for_the_rate),
        cmocka_unit_test(nothing_is_left_when_it_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
