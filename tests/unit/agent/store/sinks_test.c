/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows about sinks, and what each has of the tables.
 */
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/store/store.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fixture {
    char *dir;
    struct store *s;
    struct err err;
};

static int
set_up(void **state)
{
    static struct fixture f;
    f.dir = tmpdir_new();
    f.err = ERR_INIT;
    *state = &f;
    return store_open(f.dir, &f.s, &f.err) ? 0 : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    tmpdir_remove(f->dir);
    return 0;
}

static struct sink_row
sink(const char *name, uint64_t start)
{
    struct sink_row r = {.copies = true, .start = start};
    snprintf(r.name, sizeof r.name, "%s", name);
    snprintf(r.type, sizeof r.type, "postgresql");
    snprintf(r.origin, sizeof r.origin, "tidegate_x_%s", name);
    return r;
}

static struct table_row
table(uint32_t oid, enum table_state state, uint64_t sync)
{
    struct table_row r = {.oid = oid, .state = state, .sync = sync, .bytes = 7};
    snprintf(r.schema, sizeof r.schema, "public");
    snprintf(r.name, sizeof r.name, "t%u", oid);
    return r;
}

static void
sinks_come_back_in_the_order_in_which_they_came(void **state)
{
    struct fixture *f = *state;
    struct sink_row z = sink("z", UINT64_MAX), a = sink("a", 5), *out;
    size_t n;
    assert_true(store_sink_put(f->s, &z, &f->err));
    assert_true(store_sink_put(f->s, &a, &f->err));
    z.copied = true;
    assert_true(store_sink_put(f->s, &z, &f->err));
    assert_true(store_sinks(f->s, &out, &n, &f->err));
    assert_int_equal(n, 2);
    assert_memory_equal(&out[0], &z, sizeof z);
    assert_memory_equal(&out[1], &a, sizeof a);
    x_free(out);
}

static void
a_sink_has_tables_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct table_row list[] = {table(1, TABLE_PENDING, 0), table(2, TABLE_PENDING, 0)};
    struct table_row copied = table(1, TABLE_COPIED, 99), *out;
    size_t n;
    assert_true(store_table_put_many(f->s, list, 2, &f->err));
    assert_true(store_sink_tables_put(f->s, "a", &copied, 1, &f->err));
    assert_true(store_sink_tables(f->s, "a", &out, &n, &f->err));
    assert_int_equal(n, 2);
    assert_memory_equal(&out[0], &copied, sizeof copied);
    assert_memory_equal(&out[1], &list[1], sizeof list[1]);
    x_free(out);
    assert_true(store_sink_tables(f->s, "b", &out, &n, &f->err));
    assert_memory_equal(out, list, sizeof list);
    x_free(out);
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_memory_equal(out, list, sizeof list);
    x_free(out);
}

static void
a_forgotten_sink_leaves_the_others_alone(void **state)
{
    struct fixture *f = *state;
    struct table_row t = table(1, TABLE_READY, 3), *tables;
    struct sink_row a = sink("a", 1), b = sink("b", 2), *sinks;
    char *value;
    size_t n;
    bool found;
    uint64_t cursor;
    assert_true(store_table_put(f->s, &t, &f->err));
    assert_true(store_sink_put(f->s, &a, &f->err) && store_sink_put(f->s, &b, &f->err));
    assert_true(store_sink_tables_put(f->s, "a", &t, 1, &f->err) &&
                store_sink_tables_put(f->s, "b", &t, 1, &f->err));
    assert_true(store_set(f->s, STORE_DEFER_FIRING "a", "yes", &f->err));
    assert_true(store_set_u64(f->s, STORE_CURSOR "a", 10, &f->err) &&
                store_set_u64(f->s, STORE_CURSOR "b", 20, &f->err));
    assert_true(store_set(f->s, STORE_DDL_SHAPE "16385_a", "[]", &f->err) &&
                store_set(f->s, STORE_DDL_SHAPE "16385_b_a", "[]", &f->err));
    assert_true(store_sink_forget(f->s, "a", &f->err));
    assert_true(store_sinks(f->s, &sinks, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(sinks[0].name, "b");
    x_free(sinks);
    assert_true(store_sink_tables(f->s, "a", &tables, &n, &f->err));
    assert_int_equal(tables[0].sync, 0);
    x_free(tables);
    assert_true(store_sink_tables(f->s, "b", &tables, &n, &f->err));
    assert_int_equal(tables[0].sync, 3);
    x_free(tables);
    assert_true(store_get(f->s, STORE_DEFER_FIRING "a", &value, &f->err));
    assert_null(value);
    assert_true(store_get_u64(f->s, STORE_CURSOR "a", &cursor, &found, &f->err));
    assert_false(found);
    char *shape = NULL;
    assert_true(store_get(f->s, STORE_DDL_SHAPE "16385_a", &shape, &f->err));
    assert_null(shape);
    assert_true(store_get(f->s, STORE_DDL_SHAPE "16385_b_a", &shape, &f->err));
    assert_non_null(shape);
    x_free(shape);
    assert_true(store_get_u64(f->s, STORE_CURSOR "b", &cursor, &found, &f->err));
    assert_int_equal(cursor, 20);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sinks_come_back_in_the_order_in_which_they_came),
        TEST(a_sink_has_tables_of_its_own),
        TEST(a_forgotten_sink_leaves_the_others_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
