/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows about tables: round trip, order, all or none, and rows that somebody has spoilt.
 */
#include <sqlite3.h>
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

static struct table_row
row(uint32_t oid, const char *schema, const char *name, enum table_state state)
{
    struct table_row r = {.oid = oid, .state = state};
    snprintf(r.schema, sizeof r.schema, "%s", schema);
    snprintf(r.name, sizeof r.name, "%s", name);
    return r;
}

static void
rows_come_back_as_they_were(void **state)
{
    struct fixture *f = *state;
    struct table_row in[4], *out;
    size_t n;
    for (uint32_t i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        in[i] = row(UINT32_MAX - i, "public", name, (enum table_state)i);
        in[i].sync = UINT64_MAX - i;
        in[i].bytes = 1ull << 40;
        in[i].rows = i;
        in[i].identity_changed = i % 2 == 1;
    }
    assert_true(store_table_put_many(f->s, in, 4, &f->err));
    store_close(f->s);
    assert_true(store_open(f->dir, &f->s, &f->err));
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_int_equal(n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(out[i].oid, in[i].oid);
        assert_string_equal(out[i].schema, in[i].schema);
        assert_string_equal(out[i].name, in[i].name);
        assert_int_equal(out[i].state, in[i].state);
        assert_true(out[i].sync == in[i].sync);
        assert_true(out[i].bytes == in[i].bytes);
        assert_true(out[i].rows == in[i].rows);
        assert_true(out[i].identity_changed == in[i].identity_changed);
    }
    x_free(out);
}

static void
rows_are_ordered_by_schema_and_name(void **state)
{
    struct fixture *f = *state;
    struct table_row in[] = {row(1, "z", "a", TABLE_PENDING), row(2, "a", "z", TABLE_PENDING),
        row(3, "a", "B", TABLE_PENDING), row(4, "a", "b", TABLE_PENDING)};
    static const uint32_t want[] = {3, 4, 2, 1};
    struct table_row *out;
    size_t n;
    assert_true(store_table_put_many(f->s, in, 4, &f->err));
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_int_equal(n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(out[i].oid, want[i]);
    }
    x_free(out);
}

static void
a_second_put_replaces_by_oid(void **state)
{
    struct fixture *f = *state;
    struct table_row r = row(1, "s", "t", TABLE_COPYING), *out;
    size_t n;
    assert_true(store_table_put(f->s, &r, &f->err));
    r = row(1, "s", "renamed", TABLE_COPIED);
    assert_true(store_table_put(f->s, &r, &f->err));
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(out[0].name, "renamed");
    assert_int_equal(out[0].state, TABLE_COPIED);
    x_free(out);
}

static void
names_may_take_63_bytes(void **state)
{
    struct fixture *f = *state;
    char name[64];
    memset(name, 'n', 63);
    name[63] = '\0';
    struct table_row r = row(1, name, name, TABLE_READY), *out;
    size_t n;
    assert_true(store_table_put(f->s, &r, &f->err));
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_string_equal(out[0].name, name);
    assert_string_equal(out[0].schema, name);
    x_free(out);
}

static void
no_tables_is_an_empty_array(void **state)
{
    struct fixture *f = *state;
    struct table_row *out;
    size_t n = 9;
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_int_equal(n, 0);
    x_free(out);
}

static void
sql(struct fixture *f, const char *text)
{
    sqlite3 *db;
    char *path = tmpdir_path(f->dir, "state.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void
many_rows_go_all_or_none(void **state)
{
    struct fixture *f = *state;
    struct table_row in[] = {row(1, "s", "good", TABLE_PENDING), row(2, "s", "bad", TABLE_PENDING)};
    struct table_row *out;
    size_t n;
    sql(f, "CREATE TRIGGER refuse BEFORE INSERT ON source_table WHEN new.name = 'bad'"
           " BEGIN SELECT raise(ABORT, 'refused'); END");
    assert_false(store_table_put_many(f->s, in, 2, &f->err));
    assert_non_null(strstr(f->err.text, "refused"));
    assert_true(store_tables(f->s, &out, &n, &f->err));
    assert_int_equal(n, 0);
    x_free(out);
    assert_true(store_table_put(f->s, &in[0], &f->err));
}

static void
rows_that_cannot_be_read_are_fatal(void **state)
{
    struct fixture *f = *state;
    static const char *const spoilt[] = {
        "PRAGMA ignore_check_constraints = 1; UPDATE source_table SET state = 'odd'",
        "UPDATE source_table SET name = printf('%064d', 1)",
        "UPDATE source_table SET schema = printf('%064d', 1)",
    };
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
        struct table_row r = row(1, "s", "t", TABLE_PENDING), *out;
        size_t n;
        assert_true(store_table_put(f->s, &r, &f->err));
        sql(f, spoilt[i]);
        assert_false(store_tables(f->s, &out, &n, &f->err));
        assert_int_equal(f->err.class, ERR_FATAL);
        assert_null(out);
        assert_int_equal(n, 0);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back_as_they_were),
        TEST(rows_are_ordered_by_schema_and_name),
        TEST(a_second_put_replaces_by_oid),
        TEST(names_may_take_63_bytes),
        TEST(no_tables_is_an_empty_array),
        TEST(many_rows_go_all_or_none),
        TEST(rows_that_cannot_be_read_are_fatal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
