/* SPDX-License-Identifier: Apache-2.0
 *
 * The text format's rules: HELP and TYPE once per metric, samples together, labels escaped.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/prometheus.h"

static struct buf text;

static const char *
written(const struct agent_status *s)
{
    buf_init(&text, 1 << 20);
    prometheus_write(&text, s);
    assert_false(text.failed);
    return buf_cstr(&text);
}

static int
done(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static int
occurrences(const char *haystack, const char *needle)
{
    int n = 0;
    for (const char *at = haystack; (at = strstr(at, needle)) != NULL; at++) {
        n++;
    }
    return n;
}

static void
values_appear_as_samples(void **state)
{
    (void)state;
    struct agent_status s = {.name = "orders", .phase = PHASE_STREAMING, .spool.bytes = 4096};
    s.source.connected = true;
    const char *out = written(&s);
    assert_non_null(strstr(out, "\ntidegate_spool_size_bytes 4096\n"));
    assert_non_null(strstr(out, "\ntidegate_source_connected 1\n"));
    assert_non_null(strstr(out, "tidegate_phase{phase=\"streaming\"} 1\n"));
    assert_non_null(strstr(out, "tidegate_phase{phase=\"done\"} 0\n"));
    assert_non_null(strstr(out, "name=\"orders\"} 1\n"));
}

static void
each_metric_is_described_once(void **state)
{
    (void)state;
    struct agent_status s = {.sinks_len = 2};
    const char *out = written(&s);
    assert_int_equal(occurrences(out, "# TYPE tidegate_sink_lag_bytes gauge\n"), 1);
    assert_int_equal(occurrences(out, "# HELP tidegate_sink_lag_bytes "), 1);
    assert_int_equal(occurrences(out, "\ntidegate_sink_lag_bytes{"), 2);
    assert_int_equal(occurrences(out, "# TYPE "), occurrences(out, "# HELP "));
}

static void
samples_of_a_metric_stand_together(void **state)
{
    (void)state;
    struct agent_status s = {.sinks_len = 2};
    const char *out = written(&s);
    const char *first = strstr(out, "\ntidegate_sink_rows_total{");
    assert_non_null(first);
    const char *line_end = strchr(first + 1, '\n');
    assert_int_equal(strncmp(line_end, "\ntidegate_sink_rows_total{", 26), 0);
}

static void
label_values_are_escaped(void **state)
{
    (void)state;
    struct agent_status s = {.sinks_len = 1};
    memcpy(s.sinks[0].name, "a\"b\\c\nd", 8);
    const char *out = written(&s);
    assert_non_null(strstr(out, "{sink=\"a\\\"b\\\\c\\nd\",type=\"\"}"));
}

static void
number_that_is_none_is_nan(void **state)
{
    (void)state;
    struct agent_status s = {.spool_oldest_unread_seconds = (double)NAN};
    assert_non_null(strstr(written(&s), "tidegate_spool_oldest_unread_seconds NaN\n"));
}

static void
budget_without_limit_is_infinite(void **state)
{
    (void)state;
    struct agent_status s = {
        .room = {.budget = {.limit = UINT64_MAX, .left = UINT64_MAX}, .seconds_left = -1}};
    const char *out = written(&s);
    assert_non_null(strstr(out, "\ntidegate_spool_limit_bytes +Inf\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_left_seconds +Inf\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_stage{stage=\"ok\"} 1\n"));
}

static void
budget_appears_with_its_stage(void **state)
{
    (void)state;
    struct agent_status s = {
        .room = {.budget = {.stage = BUDGET_PAUSE, .percent = 96, .limit = 1000, .left = 10},
            .seconds_left = 90}};
    s.source.blocked = true;
    s.source.retained_bytes = 77;
    s.spool.kept_bytes = 5;
    const char *out = written(&s);
    assert_non_null(strstr(out, "\ntidegate_spool_limit_bytes 1000\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_left_bytes 10\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_left_seconds 90\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_kept_bytes 5\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_stage{stage=\"pause\"} 1\n"));
    assert_non_null(strstr(out, "\ntidegate_spool_stage{stage=\"ok\"} 0\n"));
    assert_non_null(strstr(out, "\ntidegate_source_blocked 1\n"));
    assert_non_null(strstr(out, "\ntidegate_source_retained_bytes 77\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_appear_as_samples, done),
        cmocka_unit_test_teardown(each_metric_is_described_once, done),
        cmocka_unit_test_teardown(samples_of_a_metric_stand_together, done),
        cmocka_unit_test_teardown(label_values_are_escaped, done),
        cmocka_unit_test_teardown(number_that_is_none_is_nan, done),
        cmocka_unit_test_teardown(budget_without_limit_is_infinite, done),
        cmocka_unit_test_teardown(budget_appears_with_its_stage, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
