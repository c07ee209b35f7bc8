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
number_that_is_not_finite_is_nan(void **state)
{
    (void)state;
    struct agent_status s = {.spool_oldest_unread_seconds = INFINITY};
    assert_non_null(strstr(written(&s), "tidegate_spool_oldest_unread_seconds NaN\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_appear_as_samples, done),
        cmocka_unit_test_teardown(each_metric_is_described_once, done),
        cmocka_unit_test_teardown(samples_of_a_metric_stand_together, done),
        cmocka_unit_test_teardown(label_values_are_escaped, done),
        cmocka_unit_test_teardown(number_that_is_not_finite_is_nan, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
