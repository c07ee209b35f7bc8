/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about what stands beside the tables, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_source_globals(&f->in, &f->source, &f->report);
    preflight_judge_target_globals(&f->in, &f->source, &f->target, &f->report);
}

static void
nothing_is_said_where_nothing_differs(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.globals.extensions = f->target.globals.extensions = NAMES("hstore 1.8");
    judge(f);
    assert_int_equal(f->report.len, 0);
    f->source = (struct source_facts){0};
    judge(f);
    assert_int_equal(f->report.len, 0);
}

static void
subscriptions_are_reported_or_made(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.globals.subscriptions = NAMES("from_shop");
    judge(f);
    assert_says(assert_verdict(f, "subscriptions", PREFLIGHT_WARNING), "not carried: from_shop");
    f->config.schema.subscriptions = SUBSCRIPTIONS_DISABLED;
    judge(f);
    assert_says(assert_verdict(f, "subscriptions", PREFLIGHT_WARNING), "only a superuser");
    f->source.common.server.superuser = true;
    judge(f);
    assert_says(assert_verdict(f, "subscriptions", PREFLIGHT_WARNING), "disabled and without");
}

static void
passwords_need_their_right(void **state)
{
    struct preflight_fixture *f = *state;
    f->config.schema.roles = ROLES_WITHOUT_PASSWORDS;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "role-passwords"));
    f->config.schema.roles = ROLES_WITH_PASSWORDS;
    judge(f);
    assert_says(assert_verdict(f, "role-passwords", PREFLIGHT_BLOCKING), "without_passwords");
    f->source.globals.reads_passwords = true;
    judge(f);
    assert_verdict(f, "role-passwords", PREFLIGHT_OK);
}

static void
roles_are_made_when_they_may_be(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.globals.roles = NAMES("app", "boss", "mover", "new");
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "roles"));
    f->config.schema.roles = ROLES_WITHOUT_PASSWORDS;
    judge(f);
    assert_says(assert_verdict(f, "roles", PREFLIGHT_OK), "2 will be created: boss, new");
    f->source.globals.superusers = NAMES("app", "boss");
    judge(f);
    assert_says(assert_verdict(f, "roles", PREFLIGHT_WARNING), "attribute: boss");
    f->target.globals.may_create_roles = false;
    judge(f);
    assert_says(assert_verdict(f, "roles", PREFLIGHT_BLOCKING), "CREATEROLE");
    f->target.roles = NAMES("app", "boss", "mover", "new");
    judge(f);
    assert_verdict(f, "roles", PREFLIGHT_OK);
}

static void
roles_that_will_be_made_are_not_missed(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.owners = f->source.grantees = f->source.globals.roles = NAMES("new");
    f->config.schema.roles = ROLES_WITHOUT_PASSWORDS;
    preflight_judge_target(&f->in, &f->source, &f->target, &f->report);
    assert_verdict(f, "owner-roles", PREFLIGHT_OK);
    assert_verdict(f, "grant-roles", PREFLIGHT_OK);
    f->config.schema.roles = ROLES_OFF;
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_target(&f->in, &f->source, &f->target, &f->report);
    assert_verdict(f, "owner-roles", PREFLIGHT_BLOCKING);
    assert_verdict(f, "grant-roles", PREFLIGHT_BLOCKING);
}

static void
what_cannot_be_seen_or_placed_is_named(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.globals.hidden_mappings = NAMES("u of server far");
    f->source.globals.label_providers = NAMES("selinux");
    f->source.globals.tablespaces = NAMES("fast", "slow");
    f->target.globals.tablespaces = NAMES("pg_default", "slow");
    judge(f);
    assert_says(assert_verdict(f, "user-mappings", PREFLIGHT_WARNING), "u of server far");
    assert_says(assert_verdict(f, "security-labels", PREFLIGHT_WARNING), "selinux");
    assert_says(assert_verdict(f, "tablespaces", PREFLIGHT_WARNING), "default one: fast");
    f->in.resume = true;
    judge(f);
    assert_int_equal(f->report.len, 0);
}

static void
other_versions_are_named_with_both(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.globals.extensions = NAMES("hstore 1.7", "only_here 1", "same 2");
    f->target.globals.extensions = NAMES("hstore 1.8", "hstore_more 1.7", "same 2");
    f->source.globals.collations = NAMES("de-x-icu 153.112");
    f->target.globals.collations = NAMES("de-x-icu 153.120");
    judge(f);
    const struct preflight_finding *found =
        assert_verdict(f, "extension-versions", PREFLIGHT_WARNING);
    assert_says(found, "1 extension has another version: hstore 1.7 (there 1.8)");
    assert_null(strstr(found->text, "only_here"));
    assert_says(assert_verdict(f, "collation-versions", PREFLIGHT_WARNING),
        "de-x-icu 153.112 (there 153.120)");
}

static void
the_default_collation_is_compared(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.globals.collation.version = "2.39";
    judge(f);
    assert_says(
        assert_verdict(f, "collation-version", PREFLIGHT_WARNING), "2.36 on the source and 2.39");
    f->target.globals.collation.version = "";
    judge(f);
    assert_int_equal(f->report.len, 0);
    f->target.globals.collation.provider = "icu de-DE";
    judge(f);
    assert_says(assert_verdict(f, "collation-provider", PREFLIGHT_WARNING), "icu de-DE");
}

static void
tables_that_are_there_must_take_our_rows(void **state)
{
    struct preflight_fixture *f = *state;
    f->target.globals.row_security = NAMES("public.orders");
    f->target.globals.closed_sequences = NAMES("public.orders_id_seq");
    judge(f);
    assert_says(assert_verdict(f, "target-row-security", PREFLIGHT_BLOCKING), "BYPASSRLS");
    assert_says(assert_verdict(f, "target-sequences", PREFLIGHT_BLOCKING), "orders_id_seq");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(nothing_is_said_where_nothing_differs),
        PREFLIGHT_TEST(subscriptions_are_reported_or_made),
        PREFLIGHT_TEST(passwords_need_their_right),
        PREFLIGHT_TEST(roles_are_made_when_they_may_be),
        PREFLIGHT_TEST(roles_that_will_be_made_are_not_missed),
        PREFLIGHT_TEST(what_cannot_be_seen_or_placed_is_named),
        PREFLIGHT_TEST(other_versions_are_named_with_both),
        PREFLIGHT_TEST(the_default_collation_is_compared),
        PREFLIGHT_TEST(tables_that_are_there_must_take_our_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
