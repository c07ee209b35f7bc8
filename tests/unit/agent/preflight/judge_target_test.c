/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about a target, alone and against its source, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_target(&f->in, &f->source, &f->target, &f->report);
}

static void
a_healthy_target_is_ok(void **state)
{
    struct preflight_fixture *f = *state;
    judge(f);
    assert_all_ok(f);
    assert_string_equal(f->report.items[0].where, "cloud");
}

static void
a_target_that_does_not_answer_is_the_only_finding(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.common = (struct server_facts){0};
    err_set(&f->target.common.error, ERR_RECONNECT, "no route");
    err_hint(&f->target.common.error, "check the host");
    judge(f);
    assert_int_equal(f->report.len, 1);
    assert_says(assert_verdict(f, "target-reachable", PREFLIGHT_BLOCKING), "no route");
}

static void
two_phase_that_was_asked_for_needs_both_servers(void **state)
{
    struct preflight_fixture *f = *state;
    f->config.source.two_phase = TWO_PHASE_ON;
    f->target.prepared_max = 0;
    judge(f);
    assert_says(assert_verdict(f, "two-phase", PREFLIGHT_BLOCKING), "does not take prepared");
    f->target.prepared_max = 5;
    judge(f);
    assert_verdict(f, "two-phase", PREFLIGHT_OK);
    f->source.common.server.version = 140012;
    judge(f);
    assert_says(assert_verdict(f, "two-phase", PREFLIGHT_BLOCKING), "older than PostgreSQL 15");
    f->config.source.two_phase = TWO_PHASE_AUTO;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "two-phase"));
}

static void
without_a_source_only_the_target_itself_is_judged(void **state)
{
    struct preflight_fixture *f = *state;
    f->source = (struct source_facts){0};
    judge(f);
    assert_all_ok(f);
    assert_null(preflight_find(&f->report, NULL, "encoding"));
}

static void
a_target_older_than_the_source_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    static const struct {
        int version;
        enum preflight_verdict verdict;
    } cases[] = {{130000, PREFLIGHT_BLOCKING}, {140012, PREFLIGHT_BLOCKING}, {150001, PREFLIGHT_OK},
        {180000, PREFLIGHT_OK}, {190000, PREFLIGHT_WARNING}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->target.common.server.version = cases[i].version;
        judge(f);
        assert_verdict(f, "target-version", cases[i].verdict);
    }
}

static void
a_standby_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.common.server.in_recovery = true;
    judge(f);
    assert_verdict(f, "target-primary", PREFLIGHT_BLOCKING);
}

static void
the_source_itself_as_target_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.common.server.system_id = f->source.common.server.system_id;
    judge(f);
    assert_verdict(f, "target-is-source", PREFLIGHT_BLOCKING);
    snprintf(f->target.common.server.database, sizeof(f->target.common.server.database), "shop2");
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "target-is-source"));
}

static void
systems_of_unknown_id_are_not_taken_for_one(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common.server.system_id = f->target.common.server.system_id = 0;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "target-is-source"));
}

static void
encodings_that_do_not_convert_block(void **state)
{
    struct preflight_fixture *f = *state;
    static const struct {
        const char *from, *to;
        enum preflight_verdict verdict;
    } cases[] = {{"LATIN1", "UTF8", PREFLIGHT_OK}, {"LATIN1", "LATIN1", PREFLIGHT_OK},
        {"UTF8", "LATIN1", PREFLIGHT_BLOCKING}, {"SQL_ASCII", "UTF8", PREFLIGHT_BLOCKING},
        {"SQL_ASCII", "SQL_ASCII", PREFLIGHT_OK}, {"UTF8", "SQL_ASCII", PREFLIGHT_BLOCKING}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(f->source.common.server.encoding, 32, "%s", cases[i].from);
        snprintf(f->target.common.server.encoding, 32, "%s", cases[i].to);
        judge(f);
        assert_verdict(f, "encoding", cases[i].verdict);
    }
}

static void
another_locale_is_a_warning_and_another_spelling_is_not(void **state)
{
    struct preflight_fixture *f = *state;
    static const struct {
        const char *from, *to;
        enum preflight_verdict verdict;
    } cases[] = {{"en_US.utf8", "en_US.UTF-8", PREFLIGHT_OK}, {"C", "C", PREFLIGHT_OK},
        {"C", "C.UTF-8", PREFLIGHT_WARNING}, {"de_DE.utf8", "de_AT.utf8", PREFLIGHT_WARNING},
        {"de_DE", "de_DE.utf8", PREFLIGHT_OK}, {"en_US.utf8", "en.utf8", PREFLIGHT_WARNING}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(f->source.common.server.collate, 64, "%s", cases[i].from);
        snprintf(f->target.common.server.collate, 64, "%s", cases[i].to);
        judge(f);
        assert_verdict(f, "locale", cases[i].verdict);
    }
}

static void
extensions_that_the_target_lacks_block(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.available = NAMES("hstore");
    judge(f);
    assert_says(assert_verdict(f, "extensions", PREFLIGHT_BLOCKING), "pg_trgm");
}

static void
extensions_that_the_role_may_not_create_are_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.installable = NAMES("pg_trgm");
    judge(f);
    assert_says(assert_verdict(f, "extensions", PREFLIGHT_WARNING), "hstore");
}

static void
collations_that_the_target_lacks_are_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.collations = NAMES("de-x-icu");
    judge(f);
    assert_says(assert_verdict(f, "collations", PREFLIGHT_WARNING), "de-x-icu");
}

static void
missing_owners_block_unless_ownership_is_left_out(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.owners = NAMES("boss", "mover");
    judge(f);
    assert_says(assert_verdict(f, "owner-roles", PREFLIGHT_BLOCKING), "boss");
    assert_says(assert_verdict(f, "owner-roles", PREFLIGHT_BLOCKING), "schema.owner: false");
    f->config.schema.owner = false;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "owner-roles"));
}

static void
owners_to_whom_nothing_may_be_given_block_unless_superuser(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.owners = NAMES("app");
    judge(f);
    assert_says(
        assert_verdict(f, "owner-roles", PREFLIGHT_BLOCKING), "GRANT these roles TO \"mover\"");
    f->target.common.server.superuser = true;
    judge(f);
    assert_verdict(f, "owner-roles", PREFLIGHT_OK);
}

static void
missing_grantees_block_unless_grants_are_left_out(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.grantees = NAMES("app", "reader");
    judge(f);
    assert_says(assert_verdict(f, "grant-roles", PREFLIGHT_BLOCKING), "reader");
    f->config.schema.grants = false;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "grant-roles"));
}

static void
a_role_that_may_not_create_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.no_create = NAMES("public");
    judge(f);
    assert_says(assert_verdict(f, "create-right", PREFLIGHT_BLOCKING), "public");
    f->target.may_create_schema = false;
    judge(f);
    assert_says(assert_verdict(f, "create-right", PREFLIGHT_BLOCKING), "GRANT CREATE ON DATABASE");
}

static void
objects_that_are_there_already_block_a_fresh_start_alone(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.objects = NAMES("other.orders", "public.orders");
    judge(f);
    assert_says(assert_verdict(f, "target-empty", PREFLIGHT_BLOCKING), "public.orders");
    f->in.resume = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "target-empty"));
    assert_all_ok(f);
}

static void
other_objects_of_the_target_are_none_of_our_business(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.objects = NAMES("other.orders", "public.ordersx");
    judge(f);
    assert_verdict(f, "target-empty", PREFLIGHT_OK);
}

static void
without_schema_copy_the_tables_must_be_there_and_empty(void **state)
{
    struct preflight_fixture *f = *state;
    f->config.schema.copy = false;
    judge(f);
    assert_says(assert_verdict(f, "target-tables", PREFLIGHT_BLOCKING), "2 tables are missing");
    f->target.objects = NAMES("public.lines", "public.orders");
    judge(f);
    assert_verdict(f, "target-tables", PREFLIGHT_OK);
    f->target.not_empty = NAMES("public.lines");
    judge(f);
    assert_says(
        assert_verdict(f, "target-tables", PREFLIGHT_BLOCKING), "holds rows already: public.lines");
}

static void
progress_of_an_earlier_run_blocks_a_fresh_start(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.leftovers = NAMES("replication origin tidegate_shop");
    judge(f);
    assert_says(assert_verdict(f, "target-leftovers", PREFLIGHT_BLOCKING), "cleanup");
    f->in.resume = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "target-leftovers"));
}

static void
missing_origin_rights_are_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.origin_callable = false;
    judge(f);
    assert_says(assert_verdict(f, "replication-origin", PREFLIGHT_WARNING), "tidegate.progress");
    f->target.common.server.superuser = true;
    judge(f);
    assert_verdict(f, "replication-origin", PREFLIGHT_OK);
}

static void
each_connection_that_applies_needs_an_origin(void **state)
{
    struct preflight_fixture *f = *state;
    char name[] = "target";
    f->config.sinks[0] = (struct sink_config){.name = name, .apply_jobs = 4};
    f->config.sinks_len = 1;
    f->target.name = name;
    f->target.origins_max = 3;
    judge(f);
    assert_says(assert_verdict(f, "replication-origin", PREFLIGHT_BLOCKING), "apply_jobs wants 4");
    f->target.origins_max = 4;
    judge(f);
    assert_says(assert_verdict(f, "replication-origin", PREFLIGHT_OK), "tidegate.progress");
}

static void
no_room_for_origins_is_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.origins_max = 0;
    judge(f);
    assert_says(
        assert_verdict(f, "replication-origin", PREFLIGHT_WARNING), "max_replication_slots");
    f->target.common.server.version = 180000;
    judge(f);
    assert_says(assert_verdict(f, "replication-origin", PREFLIGHT_WARNING),
        "max_active_replication_origins");
}

static void
a_role_that_may_not_silence_triggers_is_told_what_to_grant(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.role_settable = false;
    judge(f);
    assert_says(assert_verdict(f, "session-replication-role", PREFLIGHT_WARNING),
        "GRANT SET ON PARAMETER session_replication_role TO \"mover\"");
    f->source.common.server.version = f->target.common.server.version = 140000;
    judge(f);
    assert_says(assert_verdict(f, "session-replication-role", PREFLIGHT_WARNING), "superuser");
}

static void
too_few_connections_are_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.common.connections_used = 90;
    judge(f);
    assert_verdict(f, "target-connections", PREFLIGHT_WARNING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(a_healthy_target_is_ok),
        PREFLIGHT_TEST(a_target_that_does_not_answer_is_the_only_finding),
        PREFLIGHT_TEST(two_phase_that_was_asked_for_needs_both_servers),
        PREFLIGHT_TEST(without_a_source_only_the_target_itself_is_judged),
        PREFLIGHT_TEST(a_target_older_than_the_source_blocks),
        PREFLIGHT_TEST(a_standby_blocks),
        PREFLIGHT_TEST(the_source_itself_as_target_blocks),
        PREFLIGHT_TEST(systems_of_unknown_id_are_not_taken_for_one),
        PREFLIGHT_TEST(encodings_that_do_not_convert_block),
        PREFLIGHT_TEST(another_locale_is_a_warning_and_another_spelling_is_not),
        PREFLIGHT_TEST(extensions_that_the_target_lacks_block),
        PREFLIGHT_TEST(extensions_that_the_role_may_not_create_are_a_warning),
        PREFLIGHT_TEST(collations_that_the_target_lacks_are_a_warning),
        PREFLIGHT_TEST(missing_owners_block_unless_ownership_is_left_out),
        PREFLIGHT_TEST(owners_to_whom_nothing_may_be_given_block_unless_superuser),
        PREFLIGHT_TEST(missing_grantees_block_unless_grants_are_left_out),
        PREFLIGHT_TEST(a_role_that_may_not_create_blocks),
        PREFLIGHT_TEST(objects_that_are_there_already_block_a_fresh_start_alone),
        PREFLIGHT_TEST(other_objects_of_the_target_are_none_of_our_business),
        PREFLIGHT_TEST(without_schema_copy_the_tables_must_be_there_and_empty),
        PREFLIGHT_TEST(progress_of_an_earlier_run_blocks_a_fresh_start),
        PREFLIGHT_TEST(missing_origin_rights_are_a_warning),
        PREFLIGHT_TEST(each_connection_that_applies_needs_an_origin),
        PREFLIGHT_TEST(no_room_for_origins_is_a_warning),
        PREFLIGHT_TEST(a_role_that_may_not_silence_triggers_is_told_what_to_grant),
        PREFLIGHT_TEST(too_few_connections_are_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
