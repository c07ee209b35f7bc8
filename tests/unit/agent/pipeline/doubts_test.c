/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared transactions that are kept in a real store.
 */
#include "agent/pipeline/doubts.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

static char *dir;
static struct store *store;
static struct doubts doubts;
static struct err err;

static void
load_again(const char *sink)
{
    doubts_done(&doubts);
    doubts_init(&doubts, store, sink);
    assert_true(doubts_load(&doubts, &err));
}

static void
they_come_back_with_any_name(void **state)
{
    (void)state;
    static const char *const names[] = {"g", "with space", "\xc3\xa4'\"\n", ""};
    for (size_t i = 0; i < 4; i++) {
        assert_true(doubts_put(&doubts, names[i], UINT64_MAX - i, 7 + i, &err));
    }
    load_again("s");
    assert_int_equal(doubts.len, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct doubt *x = doubts_find(&doubts, names[i]);
        assert_non_null(x);
        assert_true(x->prepared == UINT64_MAX - i);
        assert_int_equal(x->copied, 7 + i);
    }
    assert_null(doubts_find(&doubts, "other"));
}

static void
a_name_that_comes_again_replaces_the_one_of_before(void **state)
{
    (void)state;
    assert_true(doubts_put(&doubts, "g", 1, 2, &err) && doubts_put(&doubts, "g", 3, 4, &err));
    load_again("s");
    assert_int_equal(doubts.len, 1);
    assert_int_equal(doubts_find(&doubts, "g")->copied, 4);
}

static void
what_was_removed_is_gone_and_the_others_are_not(void **state)
{
    (void)state;
    assert_true(doubts_put(&doubts, "a", 1, 2, &err) && doubts_put(&doubts, "b", 3, 4, &err));
    assert_true(doubts_remove(&doubts, "a", &err) && doubts_remove(&doubts, "a", &err));
    load_again("s");
    assert_null(doubts_find(&doubts, "a"));
    assert_int_equal(doubts_find(&doubts, "b")->prepared, 3);
    assert_true(doubts_remove(&doubts, "b", &err));
    load_again("s");
    assert_int_equal(doubts.len, 0);
}

static void
they_are_the_sinks_own_and_forgotten_with_it(void **state)
{
    (void)state;
    assert_true(doubts_put(&doubts, "g", 1, 2, &err));
    load_again("t");
    assert_int_equal(doubts.len, 0);
    assert_true(store_sink_forget(store, "s", &err));
    load_again("s");
    assert_int_equal(doubts.len, 0);
}

static void
without_a_store_they_last_as_long_as_the_object(void **state)
{
    (void)state;
    doubts_done(&doubts);
    doubts_init(&doubts, NULL, "s");
    assert_true(doubts_put(&doubts, "g", 1, 2, &err) && doubts_load(&doubts, &err));
    assert_non_null(doubts_find(&doubts, "g"));
}

static void
a_value_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    static const char *const values[] = {
        "1", "1 2", "x 2 x67", "1 x x67", "1 2 67", "1 2 x6", "1 2 x6x", "1 2 x67 3"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(store_set(store, STORE_DOUBTS "s", values[i], &err));
        assert_false(doubts_load(&doubts, &err));
        assert_int_equal(err.class, ERR_FATAL);
    }
}

static int
setup(void **state)
{
    (void)state;
    err = ERR_INIT;
    dir = tmpdir_new();
    doubts_init(&doubts, NULL, "s");
    bool ok = store_open(dir, &store, &err);
    doubts.store = store;
    return ok ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    doubts_done(&doubts);
    store_close(store);
    tmpdir_remove(dir);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(they_come_back_with_any_name),
        CASE(a_name_that_comes_again_replaces_the_one_of_before),
        CASE(what_was_removed_is_gone_and_the_others_are_not),
        CASE(they_are_the_sinks_own_and_forgotten_with_it),
        CASE(without_a_store_they_last_as_long_as_the_object),
        CASE(a_value_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
