/* SPDX-License-Identifier: Apache-2.0
 *
 * When a refused copy is worth another attempt.
 */
#include <stdio.h>

#include "agent/pipeline/resync_refusals.h"
#include "tests/lib/unit.h"

#define ITEM  7
#define OTHER 8

static struct resync_refusals *refusals;

static int
begin(void **state)
{
    (void)state;
    refusals = resync_refusals_new();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    resync_refusals_free(refusals);
    return 0;
}

static bool
final(uint32_t oid, uint64_t lane, uint64_t sync, const char *sqlstate, const char *text)
{
    struct err why = {.class = ERR_DATA};
    snprintf(why.sqlstate, sizeof(why.sqlstate), "%s", sqlstate);
    snprintf(why.text, sizeof(why.text), "%s", text);
    return resync_refusals_final(refusals, oid, lane, sync, &why);
}

/* The lane comes to each snapshot only after the copy from it was refused. */
static void
a_quiet_source_does_not_keep_it_going(void **state)
{
    (void)state;
    assert_false(final(ITEM, 100, 156, "", "no column 'extra'"));
    assert_false(final(ITEM, 100, 212, "", "no column 'extra'"));
    assert_true(final(ITEM, 156, 268, "", "no column 'extra'"));
}

static void
a_change_of_the_table_that_is_on_its_way_is_waited_for(void **state)
{
    (void)state;
    assert_false(final(ITEM, 100, 500, "", "no column 'extra'"));
    assert_false(final(ITEM, 499, 600, "", "no column 'extra'"));
    /* It has come, and another has been made on the source since. */
    assert_false(final(ITEM, 550, 700, "", "no column 'more'"));
    assert_false(final(ITEM, 699, 800, "", "no column 'more'"));
    assert_true(final(ITEM, 700, 900, "", "no column 'more'"));
}

static void
the_text_of_one_sqlstate_may_differ(void **state)
{
    (void)state;
    assert_false(final(ITEM, 100, 200, "23514", "row 17"));
    assert_true(final(ITEM, 200, 300, "23514", "row 4"));
    assert_false(final(ITEM, 300, 400, "23502", "row 4"));
}

static void
what_is_refused_before_a_snapshot_is_final(void **state)
{
    (void)state;
    assert_true(final(ITEM, 100, 0, "", "the table is gone"));
}

static void
each_table_has_its_own(void **state)
{
    (void)state;
    assert_false(final(ITEM, 100, 200, "", "no column 'extra'"));
    assert_false(final(OTHER, 100, 220, "", "no column 'extra'"));
    assert_false(final(OTHER, 200, 300, "", "no column 'extra'"));
    assert_true(final(ITEM, 200, 300, "", "no column 'extra'"));
    resync_refusals_forget(refusals, ITEM);
    assert_false(final(ITEM, 300, 400, "", "no column 'extra'"));
    assert_true(final(OTHER, 220, 320, "", "no column 'extra'"));
    resync_refusals_forget(refusals, 9);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_quiet_source_does_not_keep_it_going),
        TEST(a_change_of_the_table_that_is_on_its_way_is_waited_for),
        TEST(the_text_of_one_sqlstate_may_differ),
        TEST(what_is_refused_before_a_snapshot_is_final),
        TEST(each_table_has_its_own),
    };
    return cmocka_run_group_tests_name("refused copies", tests, NULL, NULL);
}
