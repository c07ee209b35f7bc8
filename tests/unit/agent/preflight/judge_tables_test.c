/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the tables that are to move, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_tables(&f->in, &f->source, &f->report);
}

static void
healthy_tables_are_ok(void **state)
{
    judge(*state);
    assert_all_ok(*state);
}

static void
nothing_is_said_of_a_source_that_does_not_answer(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common.reachable = false;
    judge(f);
    assert_int_equal(f->report.len, 0);
}

static void
no_table_at_all_blocks_and_names_the_likely_cause(void **state)
{
    struct preflight_fixture *f = *state;
    char *pattern = keep_text(f, "pubic.*");
    f->source.tables.len = 0;
    judge(f);
    assert_says(assert_verdict(f, "tables", PREFLIGHT_BLOCKING), "name of the database");
    f->config.tables.include = (struct string_list){&pattern, 1};
    judge(f);
    assert_says(assert_verdict(f, "tables", PREFLIGHT_BLOCKING), "tables.include");
}

static void
partitioned_parents_are_no_data(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[0].kind = f->tables[1].kind = 'p';
    f->tables[0].identity_usable = false;
    judge(f);
    assert_verdict(f, "tables", PREFLIGHT_BLOCKING);
    assert_verdict(f, "replica-identity", PREFLIGHT_OK);
}

static void
tables_of_others_block_unless_superuser_or_resumed(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[1].owned = false;
    judge(f);
    assert_says(assert_verdict(f, "table-ownership", PREFLIGHT_BLOCKING), "public.lines");
    f->in.resume = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "table-ownership"));
    f->in.resume = false;
    f->source.common.server.superuser = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "table-ownership"));
}

static void
an_unlogged_table_need_not_be_owned_for_it_is_not_published(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[1].owned = false;
    f->tables[1].unlogged = true;
    judge(f);
    assert_verdict(f, "table-ownership", PREFLIGHT_OK);
    assert_says(assert_verdict(f, "unlogged-tables", PREFLIGHT_WARNING), "public.lines");
}

static void
tables_that_cannot_be_read_block(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.unreadable = NAMES("public.secret", "public.secret_id_seq");
    f->source.row_security = NAMES("public.orders");
    judge(f);
    assert_says(assert_verdict(f, "table-select", PREFLIGHT_BLOCKING), "public.secret_id_seq");
    assert_says(assert_verdict(f, "row-security", PREFLIGHT_BLOCKING), "BYPASSRLS");
}

static void
tables_without_identity_get_it_or_block_as_configured(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[0].identity_usable = false;
    judge(f);
    assert_says(
        assert_verdict(f, "replica-identity", PREFLIGHT_WARNING), "until cleanup: public.orders");
    f->config.tables.without_identity = IDENTITY_REFUSE;
    judge(f);
    assert_says(assert_verdict(f, "replica-identity", PREFLIGHT_BLOCKING), "public.orders");
}

static void
identity_is_not_promised_to_a_run_that_began_long_ago(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[0].identity_usable = false;
    f->in.resume = true;
    judge(f);
    assert_says(assert_verdict(f, "replica-identity", PREFLIGHT_WARNING), "REPLICA IDENTITY FULL");
    assert_null(
        strstr(preflight_find(&f->report, NULL, "replica-identity")->text, "until cleanup"));
}

static void
what_the_feed_does_not_carry_is_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.large_objects = 3;
    f->source.foreign_tables = NAMES("public.far");
    judge(f);
    assert_says(assert_verdict(f, "large-objects", PREFLIGHT_WARNING), "3 large objects");
    assert_says(assert_verdict(f, "large-objects", PREFLIGHT_WARNING), "pg_read_all_data");
    f->source.reads_object_pages = true;
    judge(f);
    assert_says(assert_verdict(f, "large-objects", PREFLIGHT_WARNING), "older than PostgreSQL 16");
    f->source.common.server.version = 160000;
    judge(f);
    assert_verdict(f, "large-objects", PREFLIGHT_OK);
    f->source.closed_objects = 2;
    judge(f);
    assert_says(assert_verdict(f, "large-objects", PREFLIGHT_BLOCKING), "2 of 3");
    assert_says(assert_verdict(f, "foreign-tables", PREFLIGHT_WARNING), "public.far");
}

static void
a_table_that_the_source_would_freeze_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->tables[0].virtual_columns = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "virtual-columns"));
    f->tables[0].identity = 'f';
    judge(f);
    assert_says(assert_verdict(f, "virtual-columns", PREFLIGHT_BLOCKING), "public.orders");
    f->tables[0].identity = 'd';
    f->tables[0].identity_usable = false;
    judge(f);
    assert_says(assert_verdict(f, "virtual-columns", PREFLIGHT_BLOCKING), "public.orders");
}

static void
columns_that_name_objects_make_the_feed_text_which_is_said(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.references = NAMES("public.watched");
    judge(f);
    assert_says(assert_verdict(f, "object-references", PREFLIGHT_WARNING), "public.watched");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(healthy_tables_are_ok),
        PREFLIGHT_TEST(nothing_is_said_of_a_source_that_does_not_answer),
        PREFLIGHT_TEST(no_table_at_all_blocks_and_names_the_likely_cause),
        PREFLIGHT_TEST(partitioned_parents_are_no_data),
        PREFLIGHT_TEST(tables_of_others_block_unless_superuser_or_resumed),
        PREFLIGHT_TEST(an_unlogged_table_need_not_be_owned_for_it_is_not_published),
        PREFLIGHT_TEST(tables_that_cannot_be_read_block),
        PREFLIGHT_TEST(tables_without_identity_get_it_or_block_as_configured),
        PREFLIGHT_TEST(identity_is_not_promised_to_a_run_that_began_long_ago),
        PREFLIGHT_TEST(what_the_feed_does_not_carry_is_a_warning),
        PREFLIGHT_TEST(a_table_that_the_source_would_freeze_blocks),
        PREFLIGHT_TEST(columns_that_name_objects_make_the_feed_text_which_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
