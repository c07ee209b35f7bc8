/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person finds on the page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/status_page.h"

static struct buf text;
static const struct status_time now = {.mono_us = 20000000, .wall_us = 1700000010000000};

static const char *
page(const struct agent_status *s)
{
    buf_reset(&text);
    status_page_write(&text, s, &now);
    return buf_cstr(&text);
}

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
phase_source_spool_and_sinks_are_shown(void **state)
{
    (void)state;
    struct agent_status s = {.name = "orders",
        .phase = PHASE_STREAMING,
        .started_wall_us = 1700000000000000,
        .source = {.type = "postgresql", .connected = true, .position = 0x16B374D848ULL},
        .spool = {.bytes = 4096, .segments = 1},
        .sinks_len = 1};
    s.sinks[0] = (struct sink_status){.name = "cloud", .state = SINK_RUNNING, .rows = 12};
    const char *p = page(&s);
    assert_non_null(strstr(p, "orders"));
    assert_non_null(strstr(p, "streaming, running for 10 s"));
    assert_non_null(strstr(p, "16/B374D848"));
    assert_non_null(strstr(p, "in 1 segment,"));
    assert_non_null(strstr(p, "cloud"));
    assert_non_null(strstr(p, "12 rows"));
    assert_null(strstr(p, "copy"));
}

static void
troubles_stand_out(void **state)
{
    (void)state;
    struct agent_status s = {.phase = PHASE_SNAPSHOT, .constraints_failed = 2, .sinks_len = 1};
    memcpy(s.source.error, "connection refused", 19);
    memcpy(s.sinks[0].error, "disk full", 10);
    s.copy.tables_total = 3;
    s.copy.paused = true;
    const char *p = page(&s);
    assert_non_null(strstr(p, "NOT CONNECTED"));
    assert_non_null(strstr(p, "connection refused"));
    assert_non_null(strstr(p, "disk full"));
    assert_non_null(strstr(p, "NOT VALID"));
    assert_non_null(strstr(p, "PAUSED"));
}

static void
budget_is_shown_when_there_is_a_limit(void **state)
{
    (void)state;
    struct agent_status s = {.phase = PHASE_STREAMING,
        .room = {.budget = {.limit = UINT64_MAX, .left = UINT64_MAX}, .seconds_left = -1}};
    assert_null(strstr(page(&s), "used"));
    s.room = (struct room_state){
        .budget = {.stage = BUDGET_WARN, .percent = 72, .limit = 10 << 20, .left = 2 << 20},
        .seconds_left = 90};
    const char *p = page(&s);
    assert_non_null(strstr(p, "72 % of 10.0 MiB used, stage warn, capture pauses after 2.0 MiB "
                              "more, at the present rate in 1 min 30 s"));
    assert_null(strstr(p, "every sink has"));
}

static void
a_pause_says_what_the_source_keeps(void **state)
{
    (void)state;
    struct agent_status s = {.phase = PHASE_STREAMING,
        .source = {.connected = true,
            .blocked = true,
            .retained_bytes = 5 << 20,
            .safe_bytes = 1 << 20,
            .error = "paused, because"},
        .spool = {.kept_bytes = 4096,
            .sides = 2,
            .side_bytes = 2048,
            .packed_segments = 3,
            .saved_bytes = 1024},
        .room = {.budget = {.stage = BUDGET_PAUSE, .percent = 96, .limit = 1000, .left = 10},
            .seconds_left = -1}};
    const char *p = page(&s);
    assert_non_null(strstr(p, "connected, PAUSED"));
    assert_non_null(strstr(p, "paused, because"));
    assert_non_null(strstr(p, "the source keeps 5.0 MiB of its log, and loses it for the slot "
                              "after 1.0 MiB more"));
    assert_non_null(strstr(p, "96 % of 1000 B used, stage pause\n"));
    assert_non_null(strstr(p, "4.0 KiB of it every sink has"));
    assert_non_null(strstr(p, "2.0 KiB of it in 2 side files"));
    assert_non_null(strstr(p, "3 segments compressed, 1.0 KiB smaller"));
    s.source.safe_bytes = UINT64_MAX;
    assert_null(strstr(page(&s), "loses it"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(phase_source_spool_and_sinks_are_shown, begin, end),
        cmocka_unit_test_setup_teardown(troubles_stand_out, begin, end),
        cmocka_unit_test_setup_teardown(budget_is_shown_when_there_is_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(a_pause_says_what_the_source_keeps, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
