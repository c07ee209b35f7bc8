/* SPDX-License-Identifier: Apache-2.0
 *
 * All pairs of state and kind of record.
 */
#include "agent/spool/order.h"
#include "tests/lib/unit.h"

static bool
may(bool open, enum record_kind kind, uint64_t position)
{
    const struct order o = {.position = 100, .open = open};
    const struct record rec = {.kind = kind, .position = position};
    return order_fault(&o, &rec) == NULL;
}

static void
transactions_do_not_nest(void **state)
{
    (void)state;
    assert_true(may(false, RECORD_BEGIN, 5));
    assert_false(may(true, RECORD_BEGIN, 500));
}

static void
data_commit_and_discard_need_a_transaction(void **state)
{
    (void)state;
    assert_true(may(true, RECORD_DATA, 5));
    assert_false(may(false, RECORD_DATA, 5));
    assert_true(may(true, RECORD_COMMIT, 101));
    assert_false(may(false, RECORD_COMMIT, 101));
    assert_true(may(true, RECORD_DISCARD, 5));
    assert_false(may(false, RECORD_DISCARD, 5));
}

static void
schema_may_stand_anywhere(void **state)
{
    (void)state;
    assert_true(may(true, RECORD_SCHEMA, 5));
    assert_true(may(false, RECORD_SCHEMA, 5));
}

static void
positions_only_grow(void **state)
{
    (void)state;
    assert_false(may(true, RECORD_COMMIT, 100));
    assert_false(may(true, RECORD_COMMIT, 99));
    assert_true(may(false, RECORD_MARK, 101));
    assert_false(may(false, RECORD_MARK, 100));
    assert_false(may(true, RECORD_MARK, 101));
}

static void
unknown_kinds_have_no_place(void **state)
{
    (void)state;
    assert_false(may(true, (enum record_kind)0, 101));
    assert_false(may(false, (enum record_kind)7, 101));
}

static void
steps_move_the_state(void **state)
{
    (void)state;
    struct order o = {0};
    order_step(&o, &(struct record){.kind = RECORD_BEGIN, .position = 7});
    assert_true(o.open);
    assert_int_equal(o.position, 0);
    order_step(&o, &(struct record){.kind = RECORD_DISCARD, .position = 8});
    assert_false(o.open);
    assert_int_equal(o.position, 0);
    order_step(&o, &(struct record){.kind = RECORD_MARK, .position = 9});
    assert_int_equal(o.position, 9);
    order_step(&o, &(struct record){.kind = RECORD_BEGIN, .position = 10});
    order_step(&o, &(struct record){.kind = RECORD_COMMIT, .position = 11});
    assert_false(o.open);
    assert_int_equal(o.position, 11);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_do_not_nest),
        cmocka_unit_test(data_commit_and_discard_need_a_transaction),
        cmocka_unit_test(schema_may_stand_anywhere),
        cmocka_unit_test(positions_only_grow),
        cmocka_unit_test(unknown_kinds_have_no_place),
        cmocka_unit_test(steps_move_the_state),
    };
    return cmocka_run_group_tests_name("spool order", tests, NULL, NULL);
}
