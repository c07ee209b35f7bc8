/* SPDX-License-Identifier: Apache-2.0
 *
 * The one line that people watch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/progress_line.h"

static char line[256];

static const char *
line_of(const struct agent_status *s, double per_second)
{
    struct progress_rate r = {.per_second = per_second};
    progress_line(s, &r, line, sizeof line);
    return line;
}

static struct agent_status
copying(void)
{
    struct agent_status s = {.phase = PHASE_SNAPSHOT, .copying = true, .source.connected = true};
    s.copy = (struct snapshot_progress){.tables_total = 40,
        .tables_done = 12,
        .bytes = 450,
        .bytes_total = 1000,
        .eta_us = 8000000,
        .step = "copy"};
    return s;
}

static void
copy_shows_share_tables_bytes_rate_and_time_left(void **state)
{
    (void)state;
    struct agent_status s = copying();
    s.copy.bytes = 1288600000ULL;
    s.copy.bytes_total = 2863311530ULL;
    assert_string_equal(
        line_of(&s, 188743680.0), "copy 45 % 12/40 tables 1.2 GiB of 2.7 GiB 180.0 MiB/s 8 s left");
}

static void
step_is_named_when_it_is_not_the_copy_itself(void **state)
{
    (void)state;
    struct agent_status s = copying();
    memcpy(s.copy.step, "indexes", 8);
    s.copy.bytes = 1000;
    s.copy.indexes_total = 9;
    s.copy.indexes_done = 4;
    assert_non_null(strstr(line_of(&s, 0), "copy (indexes) 99 %"));
    assert_non_null(strstr(line, "4/9 indexes"));
    assert_null(strstr(line, "left"));
}

static void
pause_is_said(void **state)
{
    (void)state;
    struct agent_status s = copying();
    s.copy.paused = true;
    line_of(&s, 500);
    assert_non_null(strstr(line, "paused"));
    assert_null(strstr(line, "/s"));
}

static void
lag_is_that_of_the_slowest_sink(void **state)
{
    (void)state;
    struct agent_status s = {.phase = PHASE_CATCHUP, .source.connected = true, .sinks_len = 2};
    s.sinks[0] = (struct sink_status){.state = SINK_RUNNING, .lag_bytes = 5};
    s.sinks[1] = (struct sink_status){.state = SINK_RUNNING, .lag_bytes = 64 << 20};
    assert_string_equal(line_of(&s, 0), "catching up: 64.0 MiB behind");
    s.phase = PHASE_STREAMING;
    s.sinks[1].lag_bytes = s.sinks[0].lag_bytes = 0;
    assert_string_equal(line_of(&s, 0), "streaming: lag 0 B");
}

static void
troubles_are_appended(void **state)
{
    (void)state;
    struct agent_status s = {.phase = PHASE_STREAMING, .sinks_len = 1};
    s.sinks[0] = (struct sink_status){.name = "cloud", .state = SINK_PAUSED};
    assert_string_equal(
        line_of(&s, 0), "streaming: lag 0 B, source not connected, sink 'cloud' paused");
}

static void
hundred_percent_is_only_said_at_the_end(void **state)
{
    (void)state;
    struct snapshot_progress p = {
        .tables_total = 2, .tables_done = 1, .bytes = 10, .bytes_total = 10};
    assert_int_equal(progress_percent(&p), 99);
    p.tables_done = 2;
    assert_int_equal(progress_percent(&p), 100);
    p = (struct snapshot_progress){.tables_total = 1};
    assert_int_equal(progress_percent(&p), 0);
    p = (struct snapshot_progress){0};
    assert_int_equal(progress_percent(&p), 100);
    p = (struct snapshot_progress){.tables_total = 2, .bytes = 30, .bytes_total = 10};
    assert_int_equal(progress_percent(&p), 99);
}

static void
rate_follows_the_samples_smoothly(void **state)
{
    (void)state;
    struct progress_rate r = {0};
    progress_rate_sample(&r, 1000000, 0);
    assert_true(r.per_second == 0);
    progress_rate_sample(&r, 2000000, 1000);
    assert_true(r.per_second == 1000);
    progress_rate_sample(&r, 3000000, 1000);
    assert_true(r.per_second > 500 && r.per_second < 1000);
    progress_rate_sample(&r, 3000000, 5000); /* no time has passed */
    assert_true(r.per_second < 1000);
}

static void
long_lines_are_cut_not_broken(void **state)
{
    (void)state;
    struct agent_status s = copying();
    char tiny[10];
    struct progress_rate r = {0};
    progress_line(&s, &r, tiny, sizeof tiny);
    assert_string_equal(tiny, "copy 45 %");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_shows_share_tables_bytes_rate_and_time_left),
        cmocka_unit_test(step_is_named_when_it_is_not_the_copy_itself),
        cmocka_unit_test(pause_is_said),
        cmocka_unit_test(lag_is_that_of_the_slowest_sink),
        cmocka_unit_test(troubles_are_appended),
        cmocka_unit_test(hundred_percent_is_only_said_at_the_end),
        cmocka_unit_test(rate_follows_the_samples_smoothly),
        cmocka_unit_test(long_lines_are_cut_not_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
