/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows that are joined into one statement, against a real server: they must leave behind what the
 * same rows leave behind one by one. Skipped when no server is installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/buf.h"
#include "sinks/postgres/sql.h"
#include "tests/lib/sink_fixture.h"

enum { INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, INT4_ARRAY = 1007, NUMERIC = 1700 };

static uint32_t next_relation = 100;
static struct column pair[] = {{"id", INT4, -1, true}, {"v", INT4, -1, false}};
static struct relation t, u;

static struct relation
table(const char *schema, const char *name, struct column *columns, uint16_t len)
{
    return rows_relation(next_relation++, schema, name, 'd', columns, len);
}

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    params.group_transactions = 64;
    if (db) {
        pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v int);"
                  "CREATE TABLE a.u (id int PRIMARY KEY, v int)");
        feed_open(&feed, &params, 0x1000);
    }
    t = table("a", "t", pair, 2);
    u = table("a", "u", pair, 2);
    return 0;
}

static struct feed feeds[2];

static int
teardown(void **state)
{
    feed_close(&feeds[0]);
    feed_close(&feeds[1]);
    return fixture_teardown(state);
}

static struct tuple
key(int id)
{
    struct tuple row = ROW(NULL, NULL);
    rows_int4(row, 0, id);
    return row;
}

static void
insert_many(const struct relation *r, int from, int to)
{
    for (int i = from; i < to; i++) {
        feed_row(&feed, rows_insert(r, rows_ints(i, i)));
    }
}

/* The group's commit, which must fail. */
static void
commit_fails(void)
{
    struct change c = {.kind = CHANGE_COMMIT, .position = {feed.position, 0}};
    struct sink_progress p;
    assert_false(sink_apply(feed.sink, &c, &feed.err) && sink_sync(feed.sink, &p, &feed.err));
}

static void
a_run_of_inserts_is_one_command_in_order(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "ALTER TABLE a.t ADD w serial, ADD x int GENERATED ALWAYS AS (v + 1) STORED");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 500);
    struct tuple none = key(500);
    feed_row(&feed, rows_insert(&t, none));
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).rows, 501);
    expect("SELECT count(*) || ' ' || count(DISTINCT cmin::text) || ' ' || count(v) FROM a.t",
        "501 1 500");
    expect("SELECT count(*) FROM a.t WHERE w = id + 1 AND (x = id + 1 OR id = 500)", "501");
}

static void
a_hot_key_is_updated_once_with_its_last_values(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t SELECT g, 0 FROM generate_series(1, 10) g");
    for (int n = 0; n < 50; n++) {
        feed_begin(&feed, 0x2000 + 0x100 * (uint64_t)n);
        feed_row(&feed, rows_update(&t, rows_ints(n % 5 + 1, n)));
        feed_row(&feed, rows_update(&t, rows_ints(7, n)));
        feed_commit(&feed);
    }
    assert_int_equal(feed_sync(&feed).rows, 100);
    expect("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM a.t",
        "1=45 2=46 3=47 4=48 5=49 6=0 7=49 8=0 9=0 10=0");
}

static void
values_of_changing_length_replace_each_other(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.w (id int PRIMARY KEY, v text);"
              "INSERT INTO a.w SELECT g, '' FROM generate_series(0, 9) g");
    struct column c[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
    struct relation w = table("a", "w", c, 2);
    char *big = calloc(1, 9000);
    feed_begin(&feed, 0x2000);
    for (int n = 0; n < 400; n++) {
        struct tuple row = key(n % 10);
        memset(big, 'a' + n % 10, 9000);
        if (n % 7) {
            rows_binary(row, 1, big, (size_t)(n * 20));
        }
        feed_row(&feed, rows_update(&w, row));
    }
    feed_commit(&feed);
    free(big);
    feed_sync(&feed);
    /* n = 392 is a multiple of 7: its value is NULL. */
    expect("SELECT string_agg(coalesce(length(v)::text || left(v, 1), '-'), ' ' ORDER BY id)"
           " FROM a.w",
        "7800a 7820b - 7860d 7880e 7900f 7920g 7940h 7960i -");
}

static void
deletes_are_joined_and_a_key_may_come_back(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 100);
    for (int i = 0; i < 100; i++) {
        feed_row(&feed, rows_delete(&t, key(i)));
    }
    insert_many(&t, 50, 60);
    for (int i = 50; i < 59; i++) {
        feed_row(&feed, rows_delete(&t, key(i)));
    }
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id::text, ' ') FROM a.t", "59");
}

static void
a_missing_row_among_many_fails_and_is_found_row_by_row(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t SELECT g, 0 FROM generate_series(0, 99) g WHERE g <> 30");
    for (int alone = 0; alone < 2; alone++) {
        params.row_by_row = alone;
        fixture_reopen(0x1000);
        feed_begin(&feed, 0x2000);
        for (int i = 0; i < 100; i++) {
            feed_row(&feed, rows_update(&t, rows_ints(i, 1)));
        }
        commit_fails();
        assert_int_equal(feed.err.class, ERR_DATA);
        assert_string_equal(feed.err.text,
            alone ? "apply update a.t key (id=30) at 0/1FF8+31: row is missing"
                  : "apply update a.t to 100 rows at once, the first with key (id=0) at 0/1FF8+1: "
                    "more or fewer rows were touched");
    }
    feed_close(&feed);
    expect("SELECT sum(v) FROM a.t", "0");
}

static void
a_duplicate_among_many_says_what_the_server_said(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (20, 0)");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 50);
    commit_fails();
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.sqlstate, "23505");
    assert_non_null(strstr(feed.err.text,
        "apply insert a.t to 50 rows at once, the first with key (id=0) at 0/1FF8+1: duplicate"));
}

static void
a_few_inserts_fail_by_name(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (2, 0)");
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 3);
    commit_fails();
    assert_string_equal(feed.err.sqlstate, "23505");
    assert_non_null(strstr(feed.err.text, "apply insert a.t key (id=2) at 0/1FF8+3: duplicate"));
}

static void
two_updates_are_one_statement(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 2);
    feed_row(&feed, rows_update(&t, rows_ints(1, 9)));
    feed_row(&feed, rows_update(&t, rows_ints(2, 9)));
    commit_fails();
    assert_string_equal(feed.err.text,
        "apply update a.t to 2 rows at once, the first with key (id=1) at 0/1FF8+3: "
        "1 rows were touched");
}

static void
values_may_change_places_in_a_second_unique_index(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE UNIQUE INDEX ON a.t (v); INSERT INTO a.t VALUES (1, 1), (2, 2), (3, 3)");
    feed_begin(&feed, 0x2000);
    static const int moves[][2] = {{1, 0}, {2, 1}, {3, 2}, {1, 3}, {2, 9}, {3, 1}, {2, 2}};
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        feed_row(&feed, rows_update(&t, rows_ints(moves[i][0], moves[i][1])));
    }
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM a.t", "1=3 2=2 3=1");
}

static void
a_truncate_stands_between_what_was_before_and_after(void **state)
{
    NEEDS_SERVER();
    const struct relation *all[] = {&t};
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 10);
    insert_many(&u, 0, 10);
    feed_row(&feed, (struct change){.kind = CHANGE_TRUNCATE, .truncated = all, .truncated_len = 1});
    insert_many(&t, 5, 15);
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT min(id) || ' ' || max(id) || ' ' || count(*) FROM a.t", "5 14 10");
    expect("SELECT count(*) FROM a.u", "10");
}

static void
what_was_cut_off_is_forgotten(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 10);
    feed_discard(&feed);
    feed_begin(&feed, 0x2000);
    insert_many(&t, 20, 30);
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).applied, 0x2000);
    expect("SELECT min(id) || ' ' || count(*) FROM a.t", "20 10");
}

static void
a_pause_inside_a_transaction_sends_what_was_held_back(void **state)
{
    NEEDS_SERVER();
    struct sink_progress p;
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 10);
    assert_true(sink_flush(feed.sink, &feed.err) && sink_poll(feed.sink, 0, &p, &feed.err));
    insert_many(&t, 10, 20);
    feed_commit(&feed);
    assert_true(sink_flush(feed.sink, &feed.err));
    feed_sync(&feed);
    expect("SELECT count(*) || ' ' || count(DISTINCT cmin::text) FROM a.t", "20 2");
}

static void
a_session_that_ends_leaves_whole_groups_only(void **state)
{
    NEEDS_SERVER();
    for (int n = 0; n < 20; n++) {
        feed_begin(&feed, 0x2000 + 0x100 * (uint64_t)n);
        insert_many(&t, n * 10, n * 10 + 10);
        feed_commit(&feed);
    }
    fixture_reopen(0x1000);
    char rows[32];
    snprintf(rows, sizeof rows, "%llu", ((unsigned long long)feed.resume - 0x1f00) / 0x100 * 10);
    expect("SELECT count(*) FROM a.t", rows);
    assert_in_range(feed.resume, 0x2000, 0x2000 + 0x100 * 19);
}

static void
a_version_of_a_relation_finds_nothing_held_back(void **state)
{
    NEEDS_SERVER();
    feed_begin(&feed, 0x2000);
    insert_many(&t, 0, 10);
    struct relation newer = t;
    newer.version = 2;
    insert_many(&newer, 10, 20);
    struct column three[] = {
        {"id", INT4, -1, true}, {"v", INT4, -1, false}, {"w", INT4, -1, false}};
    pg_do(db, "ALTER TABLE a.u ADD w int");
    struct relation wider = rows_relation(t.id, "a", "u", 'd', three, 3);
    wider.version = 3;
    for (int i = 0; i < 10; i++) {
        struct tuple row = ROW(NULL, NULL, NULL);
        rows_int4(row, 0, i);
        feed_row(&feed, rows_insert(&wider, row));
    }
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.t", "20");
    expect("SELECT count(*) FROM a.u", "10");
}

static void
more_tables_than_batches_are_served(void **state)
{
    NEEDS_SERVER();
    enum { TABLES = 90, ROWS = 12 };
    static struct relation many[TABLES];
    static char names[TABLES][16];
    for (int i = 0; i < TABLES; i++) {
        char sql[2000];
        snprintf(names[i], sizeof names[i], "m%d", i);
        snprintf(sql, sizeof sql, "CREATE TABLE a.%s (id int PRIMARY KEY, v int)", names[i]);
        pg_do(db, sql);
        many[i] = table("a", names[i], pair, 2);
    }
    feed_begin(&feed, 0x2000);
    for (int n = 0; n < ROWS * TABLES; n++) {
        feed_row(&feed, rows_insert(&many[n % TABLES], rows_ints(n, n)));
    }
    feed_commit(&feed);
    feed_sync(&feed);
    for (int i = 0; i < TABLES; i++) {
        char sql[2000];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM a.%s", names[i]);
        expect(sql, "12");
    }
}

static void
wide_rows_stay_within_the_bound_on_memory(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.w (id int PRIMARY KEY, v text)");
    struct column c[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
    struct relation w = table("a", "w", c, 2);
    char *big = malloc(40000);
    memset(big, 'x', 40000);
    feed_begin(&feed, 0x2000);
    for (int n = 0; n < 400; n++) {
        struct tuple row = key(n);
        rows_binary(row, 1, big, (size_t)(n * 100));
        feed_row(&feed, rows_insert(&w, row));
        feed_row(&feed, rows_insert(&t, rows_ints(n, n)));
    }
    feed_commit(&feed);
    free(big);
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.w WHERE length(v) = id * 100", "400");
    expect("SELECT count(*) FROM a.t", "400");
}

/* The plan of a statement for many rows, as it is made for a table of one row. */
static void
expect_by_index(struct change c, enum shape_rows rows, const char *parameters)
{
    struct target_column columns[] = {
        {"id", INT4, "integer", "=", true, false, false, true, INT4_ARRAY},
        {"v", INT4, "integer", "=", true, false, false, false, INT4_ARRAY},
    };
    struct target target = {.kind = 'r', .present = true, .has_unique = true, .columns = columns};
    static struct shape shape;
    struct err err = ERR_INIT;
    struct buf sql;
    buf_init(&sql, 4096);
    assert_true(shape_of(&c, &target, &shape, &err));
    shape.rows = (uint8_t)rows;
    buf_printf(&sql, "PREPARE p(%s) AS ", parameters);
    sql_statement(&t, &target, &shape, &sql);
    pg_do(db, buf_cstr(&sql));
    buf_done(&sql);
    PGresult *res = PQexec(
        db, strchr(parameters, ',') ? "EXPLAIN EXECUTE p(NULL, NULL)" : "EXPLAIN EXECUTE p(NULL)");
    bool by_index = false;
    for (int i = 0; i < PQntuples(res); i++) {
        const char *line = PQgetvalue(res, i, 0);
        by_index |= strstr(line, rows == SHAPE_JOINED ? "Index Cond: (id = ANY (ARRAY[u.p"
                                                      : "Index Cond: (id = ANY ($") != NULL;
        assert_null(strstr(line, "Seq Scan"));
    }
    PQclear(res);
    pg_do(db, "DEALLOCATE p");
    assert_true(by_index);
}

static void
rows_are_found_by_index_even_when_the_table_was_small(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "INSERT INTO a.t VALUES (1, 1); ANALYZE a.t;"
              "SET enable_seqscan = off; SET enable_bitmapscan = off;"
              "SET plan_cache_mode = force_generic_plan");
    for (int rows = SHAPE_JOINED; rows <= SHAPE_LISTED; rows++) {
        expect_by_index(rows_update(&t, rows_ints(1, 1)), (enum shape_rows)rows, "int[], int[]");
        expect_by_index(rows_delete(&t, key(1)), (enum shape_rows)rows, "int[]");
    }
    pg_do(db, "RESET ALL");
}

/* --- the same rows joined and one by one -------------------------------------------------------
 */

static const char tables_sql[] =
    "CREATE TABLE %1$s.t0 (id int PRIMARY KEY, v int, s text COLLATE \"C\", n numeric(12,2));"
    "CREATE TABLE %1$s.t1 (id int, v int, s varchar(30), n numeric, UNIQUE (v, id), "
    " PRIMARY KEY (id));"
    "CREATE TABLE %1$s.t2 (id int PRIMARY KEY, v int, s text, n numeric);"
    "CREATE TABLE %1$s.t3 (v int, s char(40), n numeric, id bigint, PRIMARY KEY (id, k),"
    " k text NOT NULL DEFAULT 'k');"
    "CREATE TABLE %1$s.t4 (id int PRIMARY KEY, v int, s text, n numeric);"
    "CREATE TABLE %1$s.t5 (id varchar(9) PRIMARY KEY, v int, s text, n numeric);"
    "CREATE TABLE %1$s.log (seq serial, line text);"
    "CREATE FUNCTION %1$s.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO %1$s.log (line) SELECT concat_ws(' ', tg_op, new.id, old.id, new.v, count(*),"
    "  sum(v)) FROM %1$s.t0; RETURN NULL; END $$;"
    "CREATE TRIGGER g AFTER INSERT OR UPDATE OR DELETE ON %1$s.t2 FOR EACH ROW"
    " EXECUTE FUNCTION %1$s.f(); ALTER TABLE %1$s.t2 ENABLE ALWAYS TRIGGER g;"
    "CREATE TRIGGER g AFTER INSERT OR UPDATE OR DELETE ON %1$s.t4 FOR EACH ROW"
    " EXECUTE FUNCTION %1$s.f()";

enum { TABLES = 6, KEYS = 60 };
static struct column columns[TABLES][5] = {
    {{"id", INT4, -1, true}, {"v", INT4, -1, false}, {"s", TEXT, -1, false},
        {"n", NUMERIC, -1, false}},
    {{"id", INT4, -1, true}, {"v", INT4, -1, false}, {"s", 1043, -1, false},
        {"n", NUMERIC, -1, false}},
    {{"id", INT4, -1, true}, {"v", INT4, -1, false}, {"s", TEXT, -1, false},
        {"n", NUMERIC, -1, false}},
    {{"id", INT8, -1, true}, {"v", INT4, -1, false}, {"s", 1042, -1, false},
        {"n", NUMERIC, -1, false}, {"k", TEXT, -1, true}},
    {{"id", INT4, -1, true}, {"v", INT4, -1, false}, {"s", TEXT, -1, false},
        {"n", NUMERIC, -1, false}},
    {{"id", 1043, -1, true}, {"v", INT4, -1, false}, {"s", TEXT, -1, false},
        {"n", NUMERIC, -1, false}},
};
static struct relation relations[2][TABLES];
static bool live[TABLES][KEYS];

static void
id_value(struct tuple row, int table_number, int id)
{
    if (table_number == 5) {
        const char name[] = {'k', (char)('0' + id / 10), (char)('0' + id % 10)};
        rows_binary(row, 0, name, sizeof name);
        return;
    }
    if (table_number != 3) {
        rows_int4(row, 0, id);
        return;
    }
    uint8_t wide[8] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)id};
    rows_binary(row, 0, wide, 8);
    rows_binary(row, 4, "kk", id % 2 ? 2 : 1);
}

/* Mostly binary; now and then NULL, text, or not sent. */
static struct tuple
random_row(int table_number, int id, bool update)
{
    static const uint8_t numeric[] = {0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88};
    struct tuple row =
        rows_tuple((const char *const[]){NULL, NULL, NULL, NULL, "k"}, table_number == 3 ? 5 : 4);
    id_value(row, table_number, id);
    if (rand() % 10) {
        rows_int4(row, 1, rand() % 1000);
    }
    char text[24];
    memset(text, 'a' + rand() % 26, sizeof text);
    if (rand() % 40 == 0) {
        row.values[2] = ROW("as text").values[0];
    } else if (update && rand() % 20 == 0) {
        row.values[2].status = VALUE_UNCHANGED;
    } else if (rand() % 8) {
        rows_binary(row, 2, text, (size_t)(rand() % 24));
    }
    if (rand() % 3) {
        rows_binary(row, 3, numeric, sizeof numeric);
    }
    return row;
}

static void
both(struct change c, int table_number)
{
    for (int side = 0; side < 2; side++) {
        c.relation = &relations[side][table_number];
        feed_row(&feeds[side], c);
    }
}

static void
random_change(void)
{
    static int n, id, op;
    /* Runs: mostly the same table and the same kind of change again. */
    if (rand() % 4 == 0) {
        n = rand() % TABLES;
    }
    if (rand() % 8 == 0) {
        op = rand() % 8;
    }
    id = rand() % 5 ? rand() % KEYS : rand() % 3;
    const struct relation *r = &relations[0][n];
    if (!live[n][id]) {
        both(rows_insert(r, random_row(n, id, false)), n);
        live[n][id] = true;
        return;
    }
    int other = rand() % KEYS;
    if (op == 0 && !live[n][other]) {
        both(rows_update_key(r, random_row(n, id, false), random_row(n, other, true)), n);
        live[n][id] = false;
        live[n][other] = true;
    } else if (op < 3) {
        both(rows_delete(r, random_row(n, id, false)), n);
        live[n][id] = false;
    } else {
        both(rows_update(r, random_row(n, id, true)), n);
    }
}

static void
expect_same(const char *table_name, unsigned seed)
{
    char sql[300];
    snprintf(sql, sizeof sql,
        "SELECT (SELECT string_agg(x::text, '|' ORDER BY x::text) FROM a.%1$s x)"
        " IS NOT DISTINCT FROM (SELECT string_agg(x::text, '|' ORDER BY x::text) FROM b.%1$s x)",
        table_name);
    if (strcmp(pg_get(db, sql), "t") != 0) {
        fail_msg("a.%s and b.%s differ, seed %u", table_name, table_name, seed);
    }
}

static void
make_sides(void)
{
    feed_close(&feed);
    pg_do(db, "DROP SCHEMA IF EXISTS b CASCADE; DROP SCHEMA a CASCADE;"
              "CREATE SCHEMA a; CREATE SCHEMA b");
    for (int side = 0; side < 2; side++) {
        char sql[3000];
        const char *schema = side ? "b" : "a";
        snprintf(sql, sizeof sql, tables_sql, schema);
        pg_do(db, sql);
        for (int i = 0; i < TABLES; i++) {
            static const char *const names[] = {"t0", "t1", "t2", "t3", "t4", "t5"};
            relations[side][i] = table(schema, names[i], columns[i], i == 3 ? 5 : 4);
        }
        params.origin = side ? "tidegate_b" : "tidegate_a";
        params.row_by_row = side;
        feeds[side] = (struct feed){.ops = feed.ops};
        feed_open(&feeds[side], &params, 0x1000);
    }
}

static void
joined_rows_leave_what_single_rows_leave(void **state)
{
    NEEDS_SERVER();
    const char *given = getenv("TIDEGATE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20240229;
    srand(seed);
    memset(live, 0, sizeof live);
    make_sides();
    for (uint64_t n = 0; n < 300; n++) {
        feed_begin(&feeds[0], 0x2000 + 0x100 * n);
        feed_begin(&feeds[1], 0x2000 + 0x100 * n);
        for (int i = rand() % 60; i >= 0; i--) {
            random_change();
        }
        feed_commit(&feeds[0]);
        feed_commit(&feeds[1]);
        rows_free();
        if (rand() % 20 == 0) {
            assert_true(sink_flush(feeds[0].sink, &feeds[0].err));
        }
    }
    for (int side = 0; side < 2; side++) {
        feed_sync(&feeds[side]);
        feed_close(&feeds[side]);
    }
    static const char *const names[] = {"t0", "t1", "t2", "t3", "t4", "log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_same(names[i], seed);
    }
    assert_string_not_equal(pg_get(db, "SELECT count(*) FROM a.log"), "0");
    pg_do(db, "DROP SCHEMA b CASCADE");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_run_of_inserts_is_one_command_in_order),
        T(a_hot_key_is_updated_once_with_its_last_values),
        T(values_of_changing_length_replace_each_other),
        T(deletes_are_joined_and_a_key_may_come_back),
        T(a_missing_row_among_many_fails_and_is_found_row_by_row),
        T(a_duplicate_among_many_says_what_the_server_said),
        T(a_few_inserts_fail_by_name),
        T(two_updates_are_one_statement),
        T(values_may_change_places_in_a_second_unique_index),
        T(a_truncate_stands_between_what_was_before_and_after),
        T(what_was_cut_off_is_forgotten),
        T(a_pause_inside_a_transaction_sends_what_was_held_back),
        T(a_session_that_ends_leaves_whole_groups_only),
        T(a_version_of_a_relation_finds_nothing_held_back),
        T(more_tables_than_batches_are_served),
        T(wide_rows_stay_within_the_bound_on_memory),
        T(rows_are_found_by_index_even_when_the_table_was_small),
        T(joined_rows_leave_what_single_rows_leave),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
