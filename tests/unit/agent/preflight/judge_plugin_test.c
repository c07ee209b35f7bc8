/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the decoding plugin, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f, enum plugin plugin)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    f->config.source.plugin = plugin;
    preflight_judge_plugin(&f->in, &f->source, &f->report);
}

static void
pgoutput_is_no_finding(void **state)
{
    struct preflight_fixture *f = *state;
    judge(f, PLUGIN_PGOUTPUT);
    assert_int_equal(f->report.len, 0);
}

static void
a_plugin_that_is_not_there_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.plugin.asked = true;
    err_set(&f->source.plugin.error, ERR_CONFIG, "could not access file \"wal2json\"");
    judge(f, PLUGIN_WAL2JSON);
    assert_says(assert_verdict(f, "plugin", PREFLIGHT_BLOCKING), "could not access");
    /* No right to make a slot: other findings say so. */
    f->source.plugin.told_elsewhere = true;
    judge(f, PLUGIN_WAL2JSON);
    assert_int_equal(f->report.len, 0);
}

static void
an_old_wal2json_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.plugin = (struct plugin_facts){.asked = true, .available = true, .tried = true};
    judge(f, PLUGIN_WAL2JSON);
    assert_says(assert_verdict(f, "plugin", PREFLIGHT_BLOCKING), "2.5");
}

static void
what_they_cannot_express_is_said(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.plugin =
        (struct plugin_facts){.asked = true, .available = true, .tried = true, .options = true};
    judge(f, PLUGIN_WAL2JSON);
    assert_verdict(f, "plugin", PREFLIGHT_OK);
    assert_says(assert_verdict(f, "plugin-limits", PREFLIGHT_WARNING), "source.streaming is off");
    assert_verdict(f, "plugin-numbers", PREFLIGHT_OK);
    f->source.plugin.numbers = NAMES("public.orders.total");
    judge(f, PLUGIN_WAL2JSON);
    assert_says(assert_verdict(f, "plugin-numbers", PREFLIGHT_WARNING), "public.orders.total");
    f->source.plugin.strings = true;
    judge(f, PLUGIN_WAL2JSON);
    assert_null(preflight_find(&f->report, NULL, "plugin-numbers"));
    f->source.plugin.tried = false;
    judge(f, PLUGIN_TEST_DECODING);
    assert_says(assert_verdict(f, "plugin-limits", PREFLIGHT_WARNING), "replica identity");
}

static void
other_encodings_block(void **state)
{
    struct preflight_fixture *f = *state;
    f->source.plugin = (struct plugin_facts){.asked = true, .available = true};
    snprintf(f->source.common.server.encoding, sizeof(f->source.common.server.encoding), "LATIN1");
    judge(f, PLUGIN_TEST_DECODING);
    assert_says(assert_verdict(f, "plugin-encoding", PREFLIGHT_BLOCKING), "LATIN1");
}

static void
other_plugins_need_no_publication(void **state)
{
    struct preflight_fixture *f = *state;
    f->config.source.plugin = PLUGIN_WAL2JSON;
    f->source.may_publish = false;
    f->source.publication_exists = true;
    preflight_judge_source(&f->in, &f->source, &f->report);
    assert_null(preflight_find(&f->report, NULL, "publication"));
    assert_null(preflight_find(&f->report, NULL, "publication-right"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(pgoutput_is_no_finding),
        PREFLIGHT_TEST(a_plugin_that_is_not_there_blocks),
        PREFLIGHT_TEST(an_old_wal2json_blocks),
        PREFLIGHT_TEST(what_they_cannot_express_is_said),
        PREFLIGHT_TEST(other_encodings_block),
        PREFLIGHT_TEST(other_plugins_need_no_publication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
