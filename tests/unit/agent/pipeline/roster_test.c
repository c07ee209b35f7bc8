/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sinks a migration has, and where each begins.
 */
#include <stdio.h>
#include <string.h>

#include "agent/pipeline/roster.h"
#include "tests/lib/unit.h"

/* A configuration owns its strings, so they are not constant. */
static char slot[] = "tidegate_x", postgresql[] = "postgresql", null_type[] = "null";
static char from_copy[] = "copy", from_spool[] = "spool";

static struct config
of(size_t n, char *const *names)
{
    struct config c = {.sinks_len = n};
    c.source.slot = slot;
    for (size_t i = 0; i < n; i++) {
        c.sinks[i].name = names[i];
        c.sinks[i].type = postgresql;
        c.sinks[i].start = from_copy;
    }
    return c;
}

static struct sink_row
known(const char *name)
{
    struct sink_row r = {.copies = true};
    snprintf(r.name, sizeof r.name, "%s", name);
    snprintf(r.type, sizeof r.type, "postgresql");
    return r;
}

static char a_name[] = "a", b_name[] = "b";
static char *const ab[] = {a_name, b_name};

static void
order_does_not_matter(void **state)
{
    (void)state;
    struct config c = of(2, ab);
    struct sink_row rows[] = {known("b"), known("a")};
    struct err err = ERR_INIT;
    assert_true(roster_check(&c, rows, 2, &err));
    assert_ptr_equal(roster_find(rows, 2, "a"), &rows[1]);
    assert_null(roster_find(rows, 2, "c"));
}

static void
sinks_may_come_or_go_but_not_both_at_once(void **state)
{
    (void)state;
    struct config c = of(2, ab);
    struct sink_row come[] = {known("a")}, gone[] = {known("a"), known("b"), known("c")};
    struct sink_row renamed[] = {known("a"), known("c")};
    struct err err = ERR_INIT;
    assert_true(roster_check(&c, come, 1, &err));
    assert_true(roster_check(&c, gone, 3, &err));
    assert_false(roster_check(&c, renamed, 2, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "'c' is gone"));
    assert_non_null(strstr(err.text, "'b' is new"));
}

static void
a_sink_keeps_its_type(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row rows[] = {known("a")};
    struct err err = ERR_INIT;
    c.sinks[0].type = null_type;
    assert_false(roster_check(&c, rows, 1, &err));
}

static void
the_first_of_all_has_the_name_of_the_slot(void **state)
{
    (void)state;
    struct config c = of(2, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    assert_true(roster_first(&c, 0, &row, &err));
    assert_string_equal(row.origin, "tidegate_x");
    assert_true(row.copies);
    assert_int_equal(row.start, 0);
    assert_true(roster_first(&c, 1, &row, &err));
    assert_string_equal(row.origin, "tidegate_x_b");
}

static void
nothing_starts_from_a_spool_that_is_not_there(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    c.sinks[0].start = from_spool;
    assert_false(roster_first(&c, 0, &row, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    c.sinks[0].type = null_type;
    assert_true(roster_first(&c, 0, &row, &err));
    assert_false(row.copies);
}

static void
one_that_comes_later_never_has_the_name_of_the_slot(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_string_equal(row.origin, "tidegate_x_a");
}

static void
a_later_copy_needs_the_spool_from_its_end_on(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_true(row.copies && !row.copied);
    assert_int_equal(row.start, 20);
    c.sinks[0].type = null_type;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_false(row.copies);
    assert_int_equal(row.start, 20);
}

static void
a_later_start_from_the_spool_is_the_oldest_position(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    c.sinks[0].start = from_spool;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_false(row.copies);
    assert_int_equal(row.start, 10);
}

static void
a_position_must_lie_within_the_spool(void **state)
{
    (void)state;
    struct config c = of(1, ab);
    struct sink_row row;
    struct err err = ERR_INIT;
    char first[] = "0/A", last[] = "0/14";
    c.sinks[0].start = first;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_int_equal(row.start, 10);
    assert_false(row.copies);
    assert_false(roster_later(&c, 0, 11, 20, &row, &err));
    assert_non_null(strstr(err.text, "oldest position that the spool still holds is 0/B"));
    c.sinks[0].start = last;
    assert_true(roster_later(&c, 0, 10, 20, &row, &err));
    assert_false(roster_later(&c, 0, 10, 19, &row, &err));
    assert_non_null(strstr(err.text, "the spool ends at 0/13"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(sinks_may_come_or_go_but_not_both_at_once),
        cmocka_unit_test(a_sink_keeps_its_type),
        cmocka_unit_test(the_first_of_all_has_the_name_of_the_slot),
        cmocka_unit_test(nothing_starts_from_a_spool_that_is_not_there),
        cmocka_unit_test(one_that_comes_later_never_has_the_name_of_the_slot),
        cmocka_unit_test(a_later_copy_needs_the_spool_from_its_end_on),
        cmocka_unit_test(a_later_start_from_the_spool_is_the_oldest_position),
        cmocka_unit_test(a_position_must_lie_within_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
