/* SPDX-License-Identifier: Apache-2.0
 *
 * Time stamps as text and the system's clocks.
 */

#include "agent/base/clock.h"
#include "tests/lib/unit.h"

static void
iso_format(int64_t us, const char *want)
{
    char out[CLOCK_ISO_SIZE];
    clock_format_iso(us, out);
    assert_string_equal(out, want);
}

static void
times_are_formatted_in_utc_with_milliseconds(void **state)
{
    (void)state;
    iso_format(0, "1970-01-01T00:00:00.000Z");
    iso_format(PG_EPOCH_OFFSET_US, "2000-01-01T00:00:00.000Z");
    iso_format(1795208645123999, "2026-11-20T21:04:05.123Z");
}

static void
times_before_1970_round_towards_the_past(void **state)
{
    (void)state;
    iso_format(-1, "1969-12-31T23:59:59.999Z");
    iso_format(-1000000, "1969-12-31T23:59:59.000Z");
}

static void
absurd_times_stay_within_the_output(void **state)
{
    (void)state;
    char out[CLOCK_ISO_SIZE];
    clock_format_iso(INT64_MAX, out);
    assert_non_null(memchr(out, '\0', sizeof out));
    clock_format_iso(INT64_MIN, out);
    assert_non_null(memchr(out, '\0', sizeof out));
}

static void
sleeping_takes_the_time_asked_for(void **state)
{
    (void)state;
    int64_t before = clock_mono_us(&clock_system);
    clock_system.sleep_us(&clock_system, 20000);
    int64_t took = clock_mono_us(&clock_system) - before;
    assert_true(took >= 20000);
    clock_system.sleep_us(&clock_system, 0);
    clock_system.sleep_us(&clock_system, -5);
}

static void
the_wall_clock_counts_from_1970(void **state)
{
    (void)state;
    int64_t now = clock_wall_us(&clock_system);
    assert_true(now > 1577836800LL * 1000000); /* 2020 */
    assert_true(now < 4102444800LL * 1000000); /* 2100 */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_formatted_in_utc_with_milliseconds),
        cmocka_unit_test(times_before_1970_round_towards_the_past),
        cmocka_unit_test(absurd_times_stay_within_the_output),
        cmocka_unit_test(sleeping_takes_the_time_asked_for),
        cmocka_unit_test(the_wall_clock_counts_from_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
