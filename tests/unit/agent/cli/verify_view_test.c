/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a comparison in both forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/verify_view.h"

static struct buf text;
static struct verify_table tables[3];

static struct verify_report
sample(void)
{
    tables[0] = (struct verify_table){"public", "a", VERIFY_EQUAL, {7, "1"}, {7, "1"}, 1, ""};
    tables[1] = (struct verify_table){"public", "b", VERIFY_DIFFERENT, {7, "1"}, {7, "2"}, 1, ""};
    tables[2] = (struct verify_table){
        "public", "c", VERIFY_MISSING, {1, ""}, {0, ""}, 1, "relation does not exist"};
    return (struct verify_report){.tables = tables, .len = 3, .equal = 1, .different = 2};
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
differences_are_listed_equal_tables_counted(void **state)
{
    (void)state;
    struct verify_report r = sample();
    verify_view_text(&text, &r, false);
    const char *t = buf_cstr(&text);
    assert_null(strstr(t, "public.a"));
    assert_non_null(
        strstr(t, "public.b: 7 rows on the source, 7 on the target, with other content"));
    assert_non_null(strstr(t, "public.c: relation does not exist"));
    assert_non_null(strstr(t, "3 tables: 1 equal (7 rows), 2 different"));
    assert_null(strstr(t, "streaming"));
}

static void
all_lists_everything(void **state)
{
    (void)state;
    struct verify_report r = sample();
    verify_view_text(&text, &r, true);
    assert_non_null(strstr(buf_cstr(&text), "public.a: 7 rows"));
}

static void
streaming_agent_is_mentioned_with_differences(void **state)
{
    (void)state;
    struct verify_report r = sample();
    r.live = true;
    verify_view_text(&text, &r, false);
    assert_non_null(strstr(buf_cstr(&text), "an agent is streaming"));
}

static void
json_says_equal_only_when_all_is(void **state)
{
    (void)state;
    struct verify_report r = sample();
    verify_view_json(&text, &r);
    assert_non_null(strstr(buf_cstr(&text), "\"equal\":false"));
    assert_non_null(strstr(buf_cstr(&text), "\"verdict\":\"missing\""));
    buf_reset(&text);
    r = (struct verify_report){.tables = tables, .len = 1, .equal = 1};
    verify_view_json(&text, &r);
    assert_non_null(strstr(buf_cstr(&text), "\"equal\":true"));
    buf_reset(&text);
    r.failed = 1;
    verify_view_json(&text, &r);
    assert_non_null(strstr(buf_cstr(&text), "\"equal\":false"));
}

static void
json_of_several_targets_names_each(void **state)
{
    (void)state;
    static const char *const names[] = {"one", "two"};
    struct verify_report r[] = {{.tables = tables, .len = 1, .equal = 1}, sample()};
    verify_view_json_many(&text, names, r, 2);
    const char *out = buf_cstr(&text);
    assert_non_null(strstr(out, "{\"equal\":false,\"sinks\":[{\"sink\":\"one\",\"equal\":true,"));
    assert_non_null(strstr(out, "{\"sink\":\"two\",\"equal\":false,"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(differences_are_listed_equal_tables_counted, begin, end),
        cmocka_unit_test_setup_teardown(all_lists_everything, begin, end),
        cmocka_unit_test_setup_teardown(streaming_agent_is_mentioned_with_differences, begin, end),
        cmocka_unit_test_setup_teardown(json_says_equal_only_when_all_is, begin, end),
        cmocka_unit_test_setup_teardown(json_of_several_targets_names_each, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
