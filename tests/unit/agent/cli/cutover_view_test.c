/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps as they end, and the line that scripts look for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/cutover_view.h"

static struct buf text;

static int
begin(void **state)
{
    (void)state;
    buf_init(&text, 65536);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static void
each_step_is_shown_once_when_it_has_ended(void **state)
{
    (void)state;
    struct cutover_report r = {.state = CUTOVER_RUNNING, .steps_len = 3};
    r.steps[0] = (struct cutover_step){"precheck", STEP_OK, 12000, ""};
    r.steps[1] = (struct cutover_step){"fence", STEP_RUNNING, 0, ""};
    r.steps[2] = (struct cutover_step){"drain", STEP_WAITING, 0, ""};
    size_t shown = 0;
    cutover_view_steps(&text, &r, &shown);
    assert_int_equal(shown, 1);
    assert_non_null(strstr(buf_cstr(&text), "precheck"));
    assert_null(strstr(buf_cstr(&text), "fence"));
    buf_reset(&text);
    r.steps[1] = (struct cutover_step){"fence", STEP_OK, 34000, "8 sessions ended"};
    r.steps[2].state = STEP_SKIPPED;
    cutover_view_steps(&text, &r, &shown);
    assert_int_equal(shown, 3);
    assert_null(strstr(buf_cstr(&text), "precheck"));
    assert_non_null(strstr(buf_cstr(&text), "34 ms"));
    assert_non_null(strstr(buf_cstr(&text), "8 sessions ended"));
    assert_non_null(strstr(buf_cstr(&text), "skipped"));
}

static void
report_has_the_line_with_the_downtime(void **state)
{
    (void)state;
    struct cutover_report r = {.state = CUTOVER_DONE,
        .write_downtime_us = 411001,
        .tables_compared = 3,
        .rows_compared = 1000};
    cutover_view_end(&text, &r);
    assert_non_null(strstr(buf_cstr(&text), "\nwrite downtime: 412 ms\n"));
    assert_non_null(strstr(buf_cstr(&text), "3 tables, 1000 rows, equal"));
}

static void
dry_run_does_not_claim_a_cutover(void **state)
{
    (void)state;
    struct cutover_report r = {.state = CUTOVER_DONE, .dry_run = true, .write_downtime_us = 5000};
    cutover_view_end(&text, &r);
    assert_null(strstr(buf_cstr(&text), "\nwrite downtime:"));
    assert_non_null(strstr(buf_cstr(&text), "nothing was changed"));
}

static void
abort_says_that_the_source_is_still_the_one(void **state)
{
    (void)state;
    struct cutover_report r = {.state = CUTOVER_ABORTED};
    cutover_view_end(&text, &r);
    assert_non_null(strstr(buf_cstr(&text), "cutover aborted"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_is_shown_once_when_it_has_ended, begin, end),
        cmocka_unit_test_setup_teardown(report_has_the_line_with_the_downtime, begin, end),
        cmocka_unit_test_setup_teardown(dry_run_does_not_claim_a_cutover, begin, end),
        cmocka_unit_test_setup_teardown(abort_says_that_the_source_is_still_the_one, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
