/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a feed is shown.
 */
#include <string.h>

#include "agent/cli/cat_filter.h"
#include "tests/lib/unit.h"

static enum cat_verdict
judge(struct cat_filter *f, enum record_kind kind, uint64_t position, uint32_t xid)
{
    struct record rec = {.kind = kind, .position = position, .xid = xid};
    return cat_filter_record(f, &rec);
}

static void
the_end_is_the_first_begin_at_or_beyond_to(void **state)
{
    (void)state;
    struct cat_filter f = {.to = 100};
    assert_int_equal(judge(&f, RECORD_BEGIN, 99, 1), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_COMMIT, 100, 0), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_MARK, 100, 0), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_MARK, 101, 0), CAT_END);
    assert_int_equal(judge(&f, RECORD_BEGIN, 100, 2), CAT_END);
}

static void
without_to_there_is_no_end(void **state)
{
    (void)state;
    struct cat_filter f = {.to = 0};
    assert_int_equal(judge(&f, RECORD_BEGIN, UINT64_MAX, 2), CAT_TAKE);
}

static void
xid_takes_one_transaction_and_all_schemas(void **state)
{
    (void)state;
    struct cat_filter f = {.has_xid = true, .xid = 7};
    assert_int_equal(judge(&f, RECORD_BEGIN, 1, 6), CAT_SKIP);
    assert_int_equal(judge(&f, RECORD_SCHEMA, 1, 0), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_DATA, 1, 0), CAT_SKIP);
    assert_int_equal(judge(&f, RECORD_COMMIT, 2, 0), CAT_SKIP);
    assert_int_equal(judge(&f, RECORD_MARK, 3, 0), CAT_SKIP);
    assert_int_equal(judge(&f, RECORD_BEGIN, 4, 7), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_DATA, 4, 0), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_DISCARD, 4, 0), CAT_TAKE);
    assert_int_equal(judge(&f, RECORD_BEGIN, 5, 8), CAT_SKIP);
}

static void
kinds_are_read_from_a_list(void **state)
{
    (void)state;
    unsigned kinds = 0;
    struct err err = ERR_INIT;
    assert_true(cat_filter_kinds("insert,delete", &kinds, &err));
    struct cat_filter f = {.kinds = kinds};
    assert_true(cat_filter_is_partial(&f));
    struct change c = {.kind = CHANGE_INSERT};
    assert_true(cat_filter_change(&f, &c));
    c.kind = CHANGE_UPDATE;
    assert_false(cat_filter_change(&f, &c));
    assert_false(cat_filter_kinds("insert,updat", &kinds, &err));
    assert_non_null(strstr(err.hint, "update"));
    assert_false(cat_filter_kinds("", &kinds, &err));
    assert_false(cat_filter_kinds("begin", &kinds, &err));
}

static void
tables_choose_rows_and_truncates(void **state)
{
    (void)state;
    static const char *const include[] = {"public.order*"};
    struct cat_filter f = {.tables = {.include = include, .include_len = 1}};
    const struct relation orders = {.schema = "public", .name = "orders"};
    const struct relation users = {.schema = "public", .name = "users"};
    const struct relation *both[] = {&users, &orders};
    struct change c = {.kind = CHANGE_INSERT, .relation = &orders};
    assert_true(cat_filter_change(&f, &c));
    c.relation = &users;
    assert_false(cat_filter_change(&f, &c));
    struct change t = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_len = 2};
    assert_true(cat_filter_change(&f, &t));
    t.truncated_len = 1;
    assert_false(cat_filter_change(&f, &t));
    struct change m = {.kind = CHANGE_MESSAGE};
    assert_false(cat_filter_change(&f, &m));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_the_first_begin_at_or_beyond_to),
        cmocka_unit_test(without_to_there_is_no_end),
        cmocka_unit_test(xid_takes_one_transaction_and_all_schemas),
        cmocka_unit_test(kinds_are_read_from_a_list),
        cmocka_unit_test(tables_choose_rows_and_truncates),
    };
    return cmocka_run_group_tests_name("cat filter", tests, NULL, NULL);
}
