/* SPDX-License-Identifier: Apache-2.0
 *
 * The report and the lists that verdicts are made from; and that nobody answering is a finding.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
an_empty_report_permits(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    assert_true(preflight_permit(&f->report, &err));
}

static void
warnings_permit(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    preflight_add(&f->report, "source", "a", PREFLIGHT_WARNING, "so so");
    assert_true(preflight_permit(&f->report, &err));
    assert_int_equal(preflight_count(&f->report, PREFLIGHT_WARNING), 1);
}

static void
a_single_blocking_finding_is_the_error_with_its_remedy(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    preflight_add(
        &f->report, "source", "wal-level", PREFLIGHT_BLOCKING, "wal_level is '%s'", "replica");
    preflight_todo(&f->report, "raise it");
    assert_false(preflight_permit(&f->report, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "wal_level is 'replica' (wal-level)"));
    assert_non_null(strstr(err.hint, "raise it"));
}

static void
several_blocking_findings_are_all_named(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    preflight_add(&f->report, "source", "a", PREFLIGHT_BLOCKING, "one");
    preflight_add(&f->report, "source", "b", PREFLIGHT_OK, "fine");
    preflight_add(&f->report, "source", "c", PREFLIGHT_BLOCKING, "two");
    assert_false(preflight_permit(&f->report, &err));
    assert_non_null(strstr(err.text, "one (a); two (c)"));
    assert_non_null(strstr(err.hint, "tidegate check"));
}

static void
more_findings_than_a_line_holds_are_counted(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    for (int i = 0; i < 100; i++) {
        preflight_add(&f->report, "source", "a", PREFLIGHT_BLOCKING, "%0100d", i);
    }
    assert_false(preflight_permit(&f->report, &err));
    assert_non_null(strstr(err.text, "100 findings"));
}

static void
an_unreachable_server_stays_what_it_is(void **state)
{
    struct preflight_fixture *f = *state;
    struct err err = ERR_INIT;
    preflight_add(&f->report, "source", "source-reachable", PREFLIGHT_BLOCKING, "gone");
    err_set(&f->report.unreachable, ERR_RECONNECT, "connection refused");
    assert_false(preflight_permit(&f->report, &err));
    assert_int_equal(err.class, ERR_RECONNECT);
    assert_string_equal(err.text, "connection refused");
}

static void
a_finding_is_one_line(void **state)
{
    struct preflight_fixture *f = *state;
    preflight_add(&f->report, "source", "a", PREFLIGHT_WARNING, "table %s", "a\nb\tc");
    assert_string_equal(f->report.items[0].text, "table a b c");
}

static void
findings_are_found_by_place_and_id(void **state)
{
    struct preflight_fixture *f = *state;
    preflight_add(&f->report, "one", "a", PREFLIGHT_OK, "first");
    preflight_add(&f->report, "two", "a", PREFLIGHT_OK, "second");
    assert_string_equal(preflight_find(&f->report, "two", "a")->text, "second");
    assert_string_equal(preflight_find(&f->report, NULL, "a")->text, "first");
    assert_null(preflight_find(&f->report, "three", "a"));
    assert_null(preflight_find(&f->report, NULL, "b"));
}

static void
long_lists_are_cut(void **state)
{
    struct preflight_fixture *f = *state;
    struct preflight_names none = {NULL, 0}, two = NAMES("a", "b");
    struct preflight_names six = NAMES("a", "b", "c", "d", "e", "f");
    assert_string_equal(preflight_list(&f->report, &none), "");
    assert_string_equal(preflight_list(&f->report, &two), "a, b");
    assert_string_equal(preflight_list(&f->report, &six), "a, b, c, d and 2 more");
}

static void
missing_and_common_split_a_sorted_list(void **state)
{
    struct preflight_fixture *f = *state;
    struct preflight_names want = NAMES("a", "c", "e", "g"), have = NAMES("b", "c", "d", "g", "z");
    struct preflight_names missing = preflight_missing(&f->report, &want, &have);
    struct preflight_names common = preflight_common(&f->report, &want, &have);
    assert_string_equal(preflight_list(&f->report, &missing), "a, e");
    assert_string_equal(preflight_list(&f->report, &common), "c, g");
}

static void
against_an_empty_list_everything_is_missing(void **state)
{
    struct preflight_fixture *f = *state;
    struct preflight_names want = NAMES("a", "b"), none = {NULL, 0};
    assert_int_equal(preflight_missing(&f->report, &want, &none).len, 2);
    assert_int_equal(preflight_common(&f->report, &want, &none).len, 0);
    assert_int_equal(preflight_missing(&f->report, &none, &want).len, 0);
}

/* A port of this machine at which nobody listens: no server is needed to see what happens then. */
static void
servers_that_do_not_answer_are_findings_and_the_error_may_be_tried_again(void **state)
{
    struct preflight_fixture *f = *state;
    struct preflight_report report;
    struct err err = ERR_INIT;
    f->config.source.dsn = keep_text(f, "host=127.0.0.1 port=1 dbname=a user=u");
    f->config.spool.path = keep_text(f, "/");
    f->config.network.timeout_us = 2000000;
    f->config.sinks_len = 2;
    f->config.sinks[0] = (struct sink_config){.name = keep_text(f, "cloud"),
        .type = keep_text(f, "postgresql"),
        .dsn = f->config.source.dsn};
    f->config.sinks[1] =
        (struct sink_config){.name = keep_text(f, "away"), .type = keep_text(f, "null")};
    assert_true(preflight_run(&f->in, &report, &err));
    assert_non_null(preflight_find(&report, "source", "source-reachable"));
    assert_non_null(preflight_find(&report, "cloud", "target-reachable"));
    assert_null(preflight_find(&report, "away", "target-reachable"));
    assert_int_equal(preflight_count(&report, PREFLIGHT_BLOCKING), 2);
    assert_false(preflight_permit(&report, &err));
    assert_int_equal(err.class, ERR_RECONNECT);
    preflight_report_done(&report);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(an_empty_report_permits),
        PREFLIGHT_TEST(warnings_permit),
        PREFLIGHT_TEST(a_single_blocking_finding_is_the_error_with_its_remedy),
        PREFLIGHT_TEST(several_blocking_findings_are_all_named),
        PREFLIGHT_TEST(more_findings_than_a_line_holds_are_counted),
        PREFLIGHT_TEST(an_unreachable_server_stays_what_it_is),
        PREFLIGHT_TEST(a_finding_is_one_line),
        PREFLIGHT_TEST(findings_are_found_by_place_and_id),
        PREFLIGHT_TEST(long_lists_are_cut),
        PREFLIGHT_TEST(missing_and_common_split_a_sorted_list),
        PREFLIGHT_TEST(against_an_empty_list_everything_is_missing),
        PREFLIGHT_TEST(servers_that_do_not_answer_are_findings_and_the_error_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
