/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink that keeps nothing, and the registry that knows it.
 */
#include "sinks/null/sink.h"
#include "tests/lib/unit.h"

static struct sink *
open_null(void)
{
    struct sink *s = NULL;
    uint64_t resume = 0;
    struct err err = ERR_INIT;
    assert_true(sink_find("null")->open(&(struct sink_params){0}, 7, &s, &resume, &err));
    assert_int_equal(resume, 7);
    return s;
}

static struct sink_progress
after(struct sink *s, const struct change *changes, int n)
{
    struct err err = ERR_INIT;
    struct sink_progress p;
    for (int i = 0; i < n; i++) {
        assert_true(sink_apply(s, &changes[i], &err));
    }
    assert_true(sink_flush(s, &err));
    assert_true(sink_poll(s, 0, &p, &err));
    return p;
}

static void
rows_count_when_their_transaction_commits(void **state)
{
    (void)state;
    struct sink *s = open_null();
    const struct change c[] = {{.kind = CHANGE_BEGIN}, {.kind = CHANGE_INSERT},
        {.kind = CHANGE_UPDATE}, {.kind = CHANGE_COMMIT, .position = {20, 0}, .commit_us = 5}};
    assert_int_equal(after(s, c, 3).rows, 0);
    struct sink_progress p = after(s, c + 3, 1);
    assert_int_equal(p.rows, 2);
    assert_int_equal(p.transactions, 1);
    assert_int_equal(p.applied, 20);
    assert_int_equal(p.durable, 20);
    assert_int_equal(p.applied_commit_us, 5);
    sink_free(s);
}

static void
rows_of_a_void_transaction_do_not_count(void **state)
{
    (void)state;
    struct sink *s = open_null();
    const struct change c[] = {{.kind = CHANGE_BEGIN}, {.kind = CHANGE_DELETE},
        {.kind = CHANGE_DISCARD}, {.kind = CHANGE_MARK, .position = {30, 0}}};
    struct sink_progress p = after(s, c, 4);
    assert_int_equal(p.rows, 0);
    assert_int_equal(p.durable, 30);
    sink_free(s);
}

static void
an_unknown_type_is_not_found(void **state)
{
    (void)state;
    assert_null(sink_find("nothing"));
    assert_ptr_equal(sink_find("null"), &sink_null_ops);
    assert_non_null(sink_find("postgresql"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_count_when_their_transaction_commits),
        cmocka_unit_test(rows_of_a_void_transaction_do_not_count),
        cmocka_unit_test(an_unknown_type_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
