/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about this machine, from facts alone.
 */
#include "tests/unit/agent/preflight/fixture.h"

static void
judge(struct preflight_fixture *f)
{
    preflight_report_done(&f->report);
    preflight_report_init(&f->report);
    preflight_judge_local(&f->in, &f->source, &f->local, &f->report);
}

static void
a_healthy_machine_is_ok(void **state)
{
    judge(*state);
    assert_all_ok(*state);
}

static void
missing_programs_block_unless_the_schema_is_there_already(void **state)
{
    struct preflight_fixture *f = *state;
    f->local.tools_found = false;
    err_set(&f->local.tools_error, ERR_CONFIG, "no pg_dump of version 16");
    judge(f);
    assert_says(assert_verdict(f, "pg-tools", PREFLIGHT_BLOCKING), "no pg_dump of version 16");
    f->config.schema.copy = false;
    judge(f);
    assert_null(preflight_find(&f->report, NULL, "pg-tools"));
}

static void
a_spool_that_cannot_be_written_blocks(void **state)
{
    struct preflight_fixture *f = *state;
    f->local.spool_writable = false;
    judge(f);
    assert_says(assert_verdict(f, "spool-writable", PREFLIGHT_BLOCKING), "/spool");
}

static void
little_free_space_is_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->local.space.free = (uint64_t)1 << 29; /* below min_free */
    judge(f);
    assert_says(assert_verdict(f, "spool-space", PREFLIGHT_WARNING), "spool.min_free");
    f->local.space.free = ((uint64_t)1 << 30) + ((uint64_t)1 << 29); /* half a GiB beside it */
    judge(f);
    assert_says(assert_verdict(f, "spool-space", PREFLIGHT_WARNING), "10.0 GiB");
    f->local.space.free = (uint64_t)3 << 30;
    judge(f);
    assert_verdict(f, "spool-space", PREFLIGHT_OK);
}

static void
an_unknown_file_system_is_a_warning(void **state)
{
    struct preflight_fixture *f = *state;
    f->local.space = (struct fs_space){0};
    judge(f);
    assert_verdict(f, "spool-space", PREFLIGHT_WARNING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(a_healthy_machine_is_ok),
        PREFLIGHT_TEST(missing_programs_block_unless_the_schema_is_there_already),
        PREFLIGHT_TEST(a_spool_that_cannot_be_written_blocks),
        PREFLIGHT_TEST(little_free_space_is_a_warning),
        PREFLIGHT_TEST(an_unknown_file_system_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
