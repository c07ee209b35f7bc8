/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the source's server, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_source(&f->in, &f->source, &f->report);
}

static void
a_healthy_source_is_ok(void **state)
{
    judge(*state);
    assert_all_ok(*state);
}

static void
a_source_that_does_not_answer_is_the_only_finding(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common = (struct server_facts){0};
    err_set(&f->source.common.error, ERR_CONFIG, "password authentication failed");
    err_hint(&f->source.common.error, "check the password");
    judge(f);
    assert_int_equal(f->report.len, 1);
    assert_says(
        assert_verdict(f, "source-reachable", PREFLIGHT_BLOCKING), "password authentication");
}

static void
versions_14_to_18_are_supported(void **state)
{
    struct preflight_fixture *f = *state;
    static const struct {
        int version;
        enum preflight_verdict verdict;
    } cases[] = {{130020, PREFLIGHT_BLOCKING}, {140000, PREFLIGHT_OK}, {180004, PREFLIGHT_OK},
        {190000, PREFLIGHT_WARNING}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->source.common.server.version = cases[i].version;
        judge(f);
        assert_verdict(f, "source-version", cases[i].verdict);
    }
}

static void
a_standby_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common.server.in_recovery = true;
    judge(f);
    assert_verdict(f, "source-primary", PREFLIGHT_BLOCKING);
}

static void
another_wal_level_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    snprintf(f->source.wal_level, sizeof(f->source.wal_level), "replica");
    judge(f);
    assert_says(assert_verdict(f, "wal-level", PREFLIGHT_BLOCKING), "'replica'");
}

static void
free_slots_and_senders_are_counted(void **state)
{
    struct preflight_fixture *f = *state;
    static const enum preflight_verdict by_left[] = {
        PREFLIGHT_BLOCKING, PREFLIGHT_WARNING, PREFLIGHT_OK};
    for (int left = 0; left < 3; left++) {
        f->source.slots_used = f->source.senders_used = 10 - left;
        judge(f);
        assert_verdict(f, "replication-slots", by_left[left]);
        assert_verdict(f, "wal-senders", by_left[left]);
    }
    f->source.slots_max = f->source.slots_used = 0;
    judge(f);
    assert_verdict(f, "replication-slots", PREFLIGHT_BLOCKING);
}

static void
the_slot_of_an_earlier_run_counts_as_free(void **state)
{
    struct preflight_fixture *f = *state;
    f->in.resume = true;
    f->source.publication_exists = true;
    f->source.slot = (struct pg_slot){.exists = true, .active = true};
    f->source.slots_used = f->source.senders_used = 10;
    judge(f);
    assert_verdict(f, "replication-slots", PREFLIGHT_WARNING);
    assert_verdict(f, "wal-senders", PREFLIGHT_WARNING);
    f->source.slot.active = false;
    judge(f);
    assert_verdict(f, "wal-senders", PREFLIGHT_BLOCKING);
}

static void
limits_on_a_slot_are_warnings(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.slot_wal_keep_mb = 1024;
    f->source.slot_idle_s = 3600;
    judge(f);
    assert_says(assert_verdict(f, "slot-wal-limit", PREFLIGHT_WARNING), "1.0 GiB");
    assert_verdict(f, "slot-idle-timeout", PREFLIGHT_WARNING);
}

static void
a_short_sender_timeout_is_a_warning_and_none_is_ok(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.sender_timeout_ms = 2000;
    judge(f);
    assert_verdict(f, "wal-sender-timeout", PREFLIGHT_WARNING);
    f->source.sender_timeout_ms = 0;
    judge(f);
    assert_verdict(f, "wal-sender-timeout", PREFLIGHT_OK);
}

static void
a_role_that_may_not_replicate_blocks_unless_it_is_superuser(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common.server.replication_role = false;
    judge(f);
    assert_says(
        assert_verdict(f, "replication-right", PREFLIGHT_BLOCKING), "\"mover\" REPLICATION");
    f->source.common.server.superuser = true;
    judge(f);
    assert_verdict(f, "replication-right", PREFLIGHT_OK);
}

static void
a_replication_connection_that_fails_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.replication_works = false;
    err_set(&f->source.replication_error, ERR_CONFIG, "no pg_hba.conf entry");
    judge(f);
    assert_says(assert_verdict(f, "replication-right", PREFLIGHT_BLOCKING), "no pg_hba.conf entry");
}

static void
the_right_to_publish_is_wanted_only_at_a_fresh_start(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.may_publish = false;
    judge(f);
    assert_says(
        assert_verdict(f, "publication-right", PREFLIGHT_BLOCKING), "GRANT CREATE ON DATABASE");
    f->in.resume = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "publication-right"));
}

static void
ddl_that_is_not_captured_is_announced(void **state)
{
    struct preflight_fixture *f = *state;
    f->config.ddl.capture = true;
    judge(f);
    assert_verdict(f, "ddl-capture", PREFLIGHT_OK);
    f->source.may_catch_ddl = false;
    judge(f);
    assert_says(assert_verdict(f, "ddl-capture", PREFLIGHT_WARNING), "event triggers");
    f->config.ddl.capture = false;
    judge(f);
    assert_says(assert_verdict(f, "ddl-capture", PREFLIGHT_WARNING), "ddl.capture is false");
}

static void
a_slot_or_publication_of_somebody_else_blocks_a_fresh_start(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.slot.exists = f->source.publication_exists = true;
    judge(f);
    assert_says(assert_verdict(f, "slot", PREFLIGHT_BLOCKING), "cleanup");
    assert_says(assert_verdict(f, "publication", PREFLIGHT_BLOCKING), "cleanup");
    f->source.slot.active = true;
    judge(f);
    assert_says(assert_verdict(f, "slot", PREFLIGHT_BLOCKING), "another process");
}

static void
what_an_interrupted_start_left_is_our_own(void **state)
{
    struct preflight_fixture *f = *state;
    f->in.began = true;
    f->source.slot.exists = f->source.publication_exists = true;
    judge(f);
    assert_verdict(f, "slot", PREFLIGHT_OK);
    assert_null(preflight_find(&f->report, NULL, "publication"));
}

static void
a_resume_needs_slot_and_publication(void **state)
{
    struct preflight_fixture *f = *state;
    f->in.resume = true;
    judge(f);
    assert_says(assert_verdict(f, "slot", PREFLIGHT_BLOCKING), "gone");
    assert_verdict(f, "publication", PREFLIGHT_BLOCKING);
    f->source.publication_exists = true;
    f->source.slot = (struct pg_slot){.exists = true, .lost = true};
    judge(f);
    assert_says(assert_verdict(f, "slot", PREFLIGHT_BLOCKING), "given up");
    f->source.slot.lost = false;
    judge(f);
    assert_verdict(f, "slot", PREFLIGHT_OK);
    assert_null(preflight_find(&f->report, NULL, "publication"));
}

static void
transactions_that_the_slot_waits_for_are_warnings(void **state)
{
    struct preflight_fixture *f = *state;
    struct session_facts open[] = {{"pid 77 (user app)", 7200}, {"pid 78 (user app)", 30}};
    struct session_facts prepared = {"'xa-1' (user app)", 60};
    f->source.transactions = (struct sessions){open, 2};
    f->source.prepared = (struct sessions){&prepared, 1};
    judge(f);
    assert_says(assert_verdict(f, "open-transactions", PREFLIGHT_WARNING), "pid 77");
    assert_says(assert_verdict(f, "open-transactions", PREFLIGHT_WARNING), "2 h");
    assert_says(assert_verdict(f, "prepared-transactions", PREFLIGHT_WARNING), "'xa-1'");
    f->in.resume = true;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "open-transactions"));
}

static void
missing_fence_rights_are_a_warning_unless_no_fence_is_wanted(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.may_end_sessions = false;
    judge(f);
    assert_says(assert_verdict(f, "fence-right", PREFLIGHT_WARNING), "may not end other sessions");
    f->source.may_alter_database = false;
    judge(f);
    assert_says(assert_verdict(f, "fence-right", PREFLIGHT_WARNING), "nor end other sessions");
    f->config.cutover.fence = FENCE_NONE;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "fence-right"));
    f->config.cutover.fence = FENCE_READ_ONLY;
    f->source.common.server.superuser = true;
    judge(f);
    assert_verdict(f, "fence-right", PREFLIGHT_OK);
}

static void
too_few_connections_are_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.common.connections_used = 90;
    judge(f);
    assert_verdict(f, "source-connections", PREFLIGHT_WARNING);
    f->source.common.connections_used = 500;
    judge(f);
    assert_says(
        assert_verdict(f, "source-connections", PREFLIGHT_WARNING), "0 connections are free");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(a_healthy_source_is_ok),
        PREFLIGHT_TEST(a_source_that_does_not_answer_is_the_only_finding),
        PREFLIGHT_TEST(versions_14_to_18_are_supported),
        PREFLIGHT_TEST(a_standby_blocks),
        PREFLIGHT_TEST(another_wal_level_blocks),
        PREFLIGHT_TEST(free_slots_and_senders_are_counted),
        PREFLIGHT_TEST(the_slot_of_an_earlier_run_counts_as_free),
        PREFLIGHT_TEST(limits_on_a_slot_are_warnings),
        PREFLIGHT_TEST(a_short_sender_timeout_is_a_warning_and_none_is_ok),
        PREFLIGHT_TEST(a_role_that_may_not_replicate_blocks_unless_it_is_superuser),
        PREFLIGHT_TEST(a_replication_connection_that_fails_blocks),
        PREFLIGHT_TEST(the_right_to_publish_is_wanted_only_at_a_fresh_start),
        PREFLIGHT_TEST(ddl_that_is_not_captured_is_announced),
        PREFLIGHT_TEST(a_slot_or_publication_of_somebody_else_blocks_a_fresh_start),
        PREFLIGHT_TEST(what_an_interrupted_start_left_is_our_own),
        PREFLIGHT_TEST(a_resume_needs_slot_and_publication),
        PREFLIGHT_TEST(transactions_that_the_slot_waits_for_are_warnings),
        PREFLIGHT_TEST(missing_fence_rights_are_a_warning_unless_no_fence_is_wanted),
        PREFLIGHT_TEST(too_few_connections_are_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
