/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching the ledger in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/snapshot/ledger.h"

/* Ordered, as ledger_read leaves it. */
static char texts[][24] = {"copied 170@2/0", "copied 17@0/100", "copied 17@1/0", "lo 5",
    "part 18+0@0/100", "pre *", "start 18@0/100"};
static char *items[] = {texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6]};
static const struct ledger ledger = {items, 7};

static void
an_item_is_found_by_its_whole_text(void **state)
{
    (void)state;
    assert_true(ledger_has(&ledger, "pre *"));
    assert_true(ledger_has(&ledger, "part 18+0@0/100"));
    assert_false(ledger_has(&ledger, "part 18+0@0/10"));
    assert_false(ledger_has(&ledger, "post *"));
}

static void
items_are_found_by_their_beginning(void **state)
{
    (void)state;
    size_t first;
    assert_int_equal(ledger_prefix(&ledger, "copied 17@", &first), 2);
    assert_int_equal(first, 1);
    assert_int_equal(ledger_prefix(&ledger, "start ", &first), 1);
    assert_int_equal(first, 6);
    assert_int_equal(ledger_prefix(&ledger, "post ", &first), 0);
    assert_int_equal(ledger_prefix(&ledger, "z", &first), 0);
}

static void
the_newest_copy_of_a_table_counts(void **state)
{
    (void)state;
    uint64_t sync = 0;
    assert_true(ledger_copied(&ledger, 17, &sync));
    assert_int_equal(sync, 0x100000000ULL);
    assert_true(ledger_copied(&ledger, 170, &sync));
    assert_false(ledger_copied(&ledger, 1, &sync));
}

static void
parts_alone_do_not_make_a_copy(void **state)
{
    (void)state;
    uint64_t sync = 0;
    assert_false(ledger_copied(&ledger, 18, &sync));
    assert_true(ledger_touched(&ledger, 18));
    assert_false(ledger_touched(&ledger, 19));
}

static void
items_name_table_part_and_position(void **state)
{
    (void)state;
    char out[LEDGER_ITEM_SIZE];
    assert_string_equal(ledger_start_item(18, 0x100, out), "start 18@0/100");
    assert_string_equal(ledger_part_item(18, 0, 0x100, out), "part 18+0@0/100");
    assert_string_equal(ledger_copied_item(17, 0x100000000ULL, out), "copied 17@1/0");
}

static void
an_empty_ledger_has_nothing(void **state)
{
    (void)state;
    const struct ledger empty = {0};
    uint64_t sync;
    size_t first;
    assert_false(ledger_has(&empty, "pre *"));
    assert_int_equal(ledger_prefix(&empty, "pre", &first), 0);
    assert_false(ledger_copied(&empty, 17, &sync));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_found_by_its_whole_text),
        cmocka_unit_test(items_are_found_by_their_beginning),
        cmocka_unit_test(the_newest_copy_of_a_table_counts),
        cmocka_unit_test(parts_alone_do_not_make_a_copy),
        cmocka_unit_test(items_name_table_part_and_position),
        cmocka_unit_test(an_empty_ledger_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
