/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of every kind against a real server. Skipped when none is installed.
 */
#include "tests/lib/sink_fixture.h"

enum { INT4 = 23, TEXT = 25, JSON = 114, POINT = 600, NUMERIC = 1700, OWN = 20000 };

static uint32_t next_relation = 100;

static int
setup(void **state)
{
    fixture_setup(state);
    feed.ops = sink_find("postgresql");
    if (db) {
        feed_open(&feed, &params, 0x1000);
    }
    return 0;
}

static struct relation
table(const char *name, char identity, struct column *columns, uint16_t len)
{
    return rows_relation(next_relation++, "a", name, identity, columns, len);
}

static struct column pair[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct column pair_full[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, true}};

static void
rows_are_inserted_updated_and_deleted(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    struct relation r = table("t", 'd', pair, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, ROW("1", "one")));
    feed_row(&feed, rows_insert(&r, ROW("2", NULL)));
    feed_row(&feed, rows_insert(&r, ROW("3", "")));
    feed_row(&feed, rows_update(&r, ROW("2", "two")));
    feed_row(&feed, rows_update_key(&r, ROW("1", NULL), ROW("10", "ten")));
    feed_row(&feed, rows_delete(&r, ROW("3", NULL)));
    feed_commit(&feed);
    struct sink_progress p = feed_sync(&feed);
    assert_int_equal(p.applied, 0x2000);
    assert_int_equal(p.rows, 6);
    assert_int_equal(p.transactions, 1);
    assert_int_equal(p.applied_commit_us, 1700000000000000);
    expect("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM a.t", "2=two 10=ten");
}

static void
binary_and_text_values_share_a_statement(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    struct relation r = table("t", 'd', pair, 2);
    struct tuple t = ROW("0", NULL);
    rows_int4(t, 0, -7);
    rows_binary(t, 1, "bin", 3);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, t));
    feed_row(&feed, rows_insert(&r, ROW("8", "text")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM a.t", "-7=bin 8=text");
}

static void
values_that_were_not_sent_stay_as_they_are(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text); INSERT INTO a.t VALUES (1, 'long')");
    struct relation r = table("t", 'd', pair, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_update(&r, ROW("1", ROW_UNCHANGED)));
    feed_row(&feed, rows_update_key(&r, ROW("1", NULL), ROW("2", ROW_UNCHANGED)));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT id || v FROM a.t", "2long");
}

static void
an_update_that_sets_nothing_misses_a_missing_row(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    struct relation r = table("t", 'd', pair, 2);
    feed_fails(&feed, 0x2000, rows_update(&r, ROW("1", ROW_UNCHANGED)));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(feed.err.text, "apply update a.t key (id=1) at 0/1FF8+1: row is missing");
}

static void
full_identity_goes_by_the_targets_key(void **state)
{
    NEEDS_SERVER();
    /* The old row's other column differs on the target: the key decides. */
    pg_do(db,
        "CREATE TABLE a.t (id int PRIMARY KEY, v text); INSERT INTO a.t VALUES (1, 'x'), (2, 'y')");
    struct relation r = table("t", 'f', pair_full, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_update_full(&r, ROW("1", "else"), ROW("3", "z")));
    feed_row(&feed, rows_delete_full(&r, ROW("2", NULL)));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "3z");
}

static void
without_a_key_one_duplicate_is_touched(void **state)
{
    NEEDS_SERVER();
    pg_do(db,
        "CREATE TABLE a.t (id int, v text);"
        "INSERT INTO a.t VALUES (1, NULL), (1, NULL), (1, 'x'), (2, 'd'), (2, 'd'), (2, 'd')");
    struct relation r = table("t", 'f', pair_full, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_update_full(&r, ROW("1", NULL), ROW("9", NULL)));
    feed_row(&feed, rows_delete_full(&r, ROW("2", "d")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect(
        "SELECT string_agg(id || coalesce(v, '-'), ' ' ORDER BY id, v) FROM a.t", "1x 1- 2d 2d 9-");
}

static void
types_without_equality_are_compared_as_text(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (j json, p point);"
              "INSERT INTO a.t VALUES ('{\"a\": 1}', '(1,2)'), ('{\"a\":1}', '(1,2)')");
    struct column c[] = {{"j", JSON, -1, true}, {"p", POINT, -1, true}};
    struct relation r = table("t", 'f', c, 2);
    struct tuple old = ROW("{\"a\":1}", NULL);
    uint8_t point[16] = {0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0};
    rows_binary(old, 1, point, 16);
    feed_one(&feed, 0x2000, rows_delete_full(&r, old));
    feed_sync(&feed);
    expect("SELECT string_agg(j::text, ' ') FROM a.t", "{\"a\": 1}");
}

static void
of_equal_rows_the_one_with_the_same_bytes_is_taken(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (n numeric); INSERT INTO a.t VALUES (1.0), (1.00), (1.000)");
    struct column c[] = {{"n", NUMERIC, -1, true}};
    struct relation r = table("t", 'f', c, 1);
    feed_one(&feed, 0x2000, rows_delete_full(&r, ROW("1.00")));
    feed_sync(&feed);
    expect("SELECT string_agg(n::text, ' ' ORDER BY scale(n)) FROM a.t", "1.0 1.000");
}

static void
an_extensions_type_is_compared_by_its_own_operator(void **state)
{
    NEEDS_SERVER();
    if (strcmp(pg_get(db, "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'"),
            "1") != 0) {
        skip();
    }
    pg_do(db, "CREATE EXTENSION citext SCHEMA a;"
              "CREATE TABLE a.t (k a.citext PRIMARY KEY, n int); CREATE TABLE a.u (k a.citext);"
              "INSERT INTO a.t VALUES ('Key', 1); INSERT INTO a.u VALUES ('b'), ('B'), ('b')");
    struct column c[] = {{"k", OWN, -1, true}, {"n", INT4, -1, false}};
    struct relation t = table("t", 'd', c, 2), u = table("u", 'f', c, 1);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_update(&t, ROW("kEY", "2")));
    feed_row(&feed, rows_delete_full(&u, ROW("B")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT k::text || n FROM a.t", "Key2");
    expect("SELECT string_agg(k::text, ' ') FROM a.u", "b b");
}

static void
an_inheritance_child_is_not_touched_through_its_parent(void **state)
{
    NEEDS_SERVER();
    pg_do(db,
        "CREATE TABLE a.t (id int PRIMARY KEY, v text); CREATE TABLE a.child () INHERITS (a.t);"
        "INSERT INTO a.t VALUES (1, 'p'), (2, 'p'); INSERT INTO a.child VALUES (1, 'c'), (2, 'c')");
    struct relation r = table("t", 'd', pair, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_update(&r, ROW("1", "new")));
    feed_row(&feed, rows_delete(&r, ROW("2", NULL)));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ' ORDER BY id, v) FROM a.t", "1c 1new 2c");
}

static void
a_partitioned_target_takes_changes_of_its_root(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int, v text) PARTITION BY RANGE (id);"
              "CREATE TABLE a.t1 PARTITION OF a.t FOR VALUES FROM (0) TO (10);"
              "CREATE TABLE a.t2 PARTITION OF a.t FOR VALUES FROM (10) TO (20);"
              "INSERT INTO a.t VALUES (1, 'x'), (11, 'x'), (11, 'x')");
    struct relation r = table("t", 'f', pair_full, 2);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_delete_full(&r, ROW("11", "x")));
    feed_row(&feed, rows_update_full(&r, ROW("1", "x"), ROW("12", "y")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(tableoid::regclass || '.' || id || v, ' ' ORDER BY id) FROM a.t",
        "a.t2.11x a.t2.12y");
}

static void
generated_and_identity_columns_are_respected(void **state)
{
    NEEDS_SERVER();
    pg_do(db,
        "CREATE TABLE a.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text,"
        " seq int GENERATED ALWAYS AS IDENTITY, up text GENERATED ALWAYS AS (upper(v)) STORED,"
        " extra text DEFAULT 'dflt')");
    struct column c[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}, {"seq", INT4, -1, false},
        {"up", TEXT, -1, false}};
    struct relation r = table("t", 'd', c, 4);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, ROW("70", "a", "71", "A")));
    feed_row(&feed, rows_update(&r, ROW("70", "b", "71", "B")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT id || v || seq || up || extra FROM a.t", "70b71Bdflt");
}

static void
users_types_travel_in_binary(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TYPE a.mood AS ENUM ('ok', 'sad'); CREATE DOMAIN a.year AS int;"
              "CREATE TABLE a.t (m a.mood PRIMARY KEY, y a.year, ms a.mood[])");
    struct column c[] = {
        {"m", OWN, -1, true}, {"y", OWN + 1, -1, false}, {"ms", OWN + 2, -1, false}};
    struct relation r = table("t", 'd', c, 3);
    struct tuple t = ROW(NULL, NULL, NULL);
    rows_binary(t, 0, "sad", 3);
    rows_int4(t, 1, 1999);
    /* one dimension, no nulls, the source's oid of the element type, 1 element from 1 on: 'ok' */
    static const uint8_t array[] = {
        0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x4e, 0x20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 'o', 'k'};
    rows_binary(t, 2, array, sizeof array);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, t));
    struct tuple u = ROW(NULL, "2000", ROW_UNCHANGED);
    rows_binary(u, 0, "sad", 3);
    feed_row(&feed, rows_update(&r, u));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT t::text FROM a.t", "(sad,2000,{ok})");
}

static void
a_wider_type_on_the_target_takes_binary_values(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id bigint PRIMARY KEY, v varchar(5))");
    struct relation r = table("t", 'd', pair, 2);
    struct tuple t = ROW(NULL, NULL);
    rows_int4(t, 0, 5);
    rows_binary(t, 1, "five", 4);
    struct tuple u = ROW(NULL, "six");
    rows_int4(u, 0, 5);
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, t));
    feed_row(&feed, rows_update(&r, u));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT id || v FROM a.t", "5six");
}

static void
truncate_empties_the_tables_there_are(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text);"
              "CREATE TABLE a.u (id serial PRIMARY KEY, v text, t int REFERENCES a.t);"
              "INSERT INTO a.t VALUES (1, 'x'); INSERT INTO a.u (v) VALUES ('y')");
    struct relation t = table("t", 'd', pair, 2), u = table("u", 'd', pair, 2);
    struct relation none = table("none", 'd', pair, 2);
    const struct relation *all[] = {&none, &t, &u};
    struct change c = {
        .kind = CHANGE_TRUNCATE, .truncated = all, .truncated_len = 3, .restart_identity = true};
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&t, ROW("5", "new")));
    feed_row(&feed, c);
    feed_row(&feed, rows_insert(&t, ROW("6", "after")));
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT string_agg(id || v, ' ') FROM a.t", "6after");
    expect("SELECT count(*) FROM a.u", "0");
    expect("INSERT INTO a.u (v) VALUES ('z') RETURNING id", "1");
}

static void
truncate_of_tables_that_are_not_there_does_nothing(void **state)
{
    NEEDS_SERVER();
    struct relation none = table("none", 'd', pair, 2);
    const struct relation *all[] = {&none};
    feed_one(&feed, 0x2000,
        (struct change){.kind = CHANGE_TRUNCATE, .truncated = all, .truncated_len = 1});
    assert_int_equal(feed_sync(&feed).durable, 0x2000);
}

static void
a_new_version_of_a_relation_brings_its_new_columns(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    struct relation r = table("t", 'd', pair, 2);
    feed_one(&feed, 0x2000, rows_insert(&r, ROW("1", "a")));
    feed_sync(&feed);
    pg_do(db, "ALTER TABLE a.t ADD w text");
    struct column three[] = {
        {"id", INT4, -1, true}, {"w", TEXT, -1, false}, {"v", TEXT, -1, false}};
    struct relation wider = rows_relation(r.id, "a", "t", 'd', three, 3);
    wider.version = 2;
    feed_one(&feed, 0x3000, rows_insert(&wider, ROW("2", "w", "v")));
    feed_one(&feed, 0x4000, rows_update(&wider, ROW("1", "W", "V")));
    feed_sync(&feed);
    expect("SELECT string_agg(id || v || w, ' ' ORDER BY id) FROM a.t", "1VW 2vw");
}

static void
a_huge_row_passes_a_small_bound(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    struct relation r = table("t", 'd', pair, 2);
    size_t len = 5 << 20;
    char *big = malloc(len + 1);
    memset(big, 'x', len);
    big[len] = 0;
    feed_begin(&feed, 0x2000);
    feed_row(&feed, rows_insert(&r, ROW("1", "small")));
    feed_row(&feed, rows_insert(&r, ROW("2", big)));
    feed_row(&feed, rows_insert(&r, ROW("3", "small")));
    feed_commit(&feed);
    feed_sync(&feed);
    free(big);
    expect("SELECT string_agg(length(v)::text, ' ' ORDER BY id) FROM a.t", "5 5242880 5");
}

static void
many_rows_stay_within_the_bound_on_bytes_in_flight(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text)");
    feed_close(&feed);
    struct sink_params small = params;
    small.origin = "tidegate_small";
    small.inflight_bytes = 2000;
    feed_open(&feed, &small, 0x1000);
    struct relation r = table("t", 'd', pair, 2);
    feed_begin(&feed, 0x2000);
    for (int i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        feed_row(&feed, rows_insert(&r, ROW(id, "value")));
    }
    feed_commit(&feed);
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.t", "5000");
}

/* Round and round, so that nearly every statement has gone when it is needed again. */
static void
more_tables_than_statements_are_kept(void **state)
{
    NEEDS_SERVER();
    enum { TABLES = 7, ROUNDS = 40 };
    feed_close(&feed);
    struct sink_params few = params;
    few.origin = "tidegate_few";
    few.prepared_statements = 2;
    feed_open(&feed, &few, 0x1000);
    struct relation r[TABLES];
    char names[TABLES][16], sql[200];
    for (int t = 0; t < TABLES; t++) {
        snprintf(names[t], sizeof names[t], "t%d", t);
        snprintf(sql, sizeof sql, "CREATE TABLE a.%s (id int PRIMARY KEY, v text)", names[t]);
        pg_do(db, sql);
        r[t] = table(names[t], 'd', pair, 2);
    }
    feed_begin(&feed, 0x2000);
    for (int n = 0; n < ROUNDS * TABLES; n++) {
        char id[16];
        snprintf(id, sizeof id, "%d", n / TABLES / 2);
        bool insert = n / TABLES % 2 == 0;
        struct relation *to = &r[n % TABLES];
        feed_row(
            &feed, insert ? rows_insert(to, ROW(id, "new")) : rows_update(to, ROW(id, "changed")));
    }
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).rows, ROUNDS * TABLES);
    expect("SELECT count(*) FROM a.t6 WHERE v = 'changed'", "20");
    expect("SELECT count(*) FROM a.t0 WHERE v <> 'changed'", "0");
}

static void
more_shapes_than_the_cache_holds_are_prepared_again(void **state)
{
    NEEDS_SERVER();
    enum { COLUMNS = 12, ROWS = 1300 };
    struct column c[COLUMNS];
    char sql[1000] = "CREATE TABLE a.t (id int PRIMARY KEY";
    static char names[COLUMNS][16];
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], i ? "c%d" : "id", i);
        c[i] = (struct column){names[i], i ? TEXT : INT4, -1, i == 0};
        if (i) {
            snprintf(sql + strlen(sql), sizeof sql - strlen(sql), ", c%d text", i);
        }
    }
    strncat(sql, "); INSERT INTO a.t VALUES (1)", sizeof sql - strlen(sql) - 1);
    pg_do(db, sql);
    struct relation r = table("t", 'd', c, COLUMNS);
    feed_begin(&feed, 0x2000);
    for (int n = 0; n < 2 * ROWS; n++) {
        const char *texts[COLUMNS] = {"1"};
        for (int i = 1; i < COLUMNS; i++) {
            texts[i] = (n % ROWS) >> (i - 1) & 1 ? "x" : ROW_UNCHANGED;
        }
        feed_row(&feed, rows_update(&r, rows_tuple(texts, COLUMNS)));
    }
    feed_commit(&feed);
    assert_int_equal(feed_sync(&feed).rows, 2 * ROWS);
}

static void
triggers_and_foreign_keys_do_not_interfere(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.p (id int PRIMARY KEY);"
              "CREATE TABLE a.t (id int PRIMARY KEY REFERENCES a.p, v text);"
              "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN RETURN NULL; END';"
              "CREATE TRIGGER g BEFORE INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.f()");
    struct relation r = table("t", 'd', pair, 2);
    feed_one(&feed, 0x2000, rows_insert(&r, ROW("1", "x")));
    feed_sync(&feed);
    expect("SELECT count(*) FROM a.t", "1");
}

static void
a_row_that_a_trigger_takes_away_is_an_error(void **state)
{
    NEEDS_SERVER();
    pg_do(db, "CREATE TABLE a.t (id int PRIMARY KEY, v text);"
              "CREATE FUNCTION a.f() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN RETURN NULL; END';"
              "CREATE TRIGGER g BEFORE INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.f();"
              "ALTER TABLE a.t ENABLE ALWAYS TRIGGER g");
    struct relation r = table("t", 'd', pair, 2);
    feed_fails(&feed, 0x2000, rows_insert(&r, ROW("1", "x")));
    assert_int_equal(feed.err.class, ERR_DATA);
    assert_string_equal(
        feed.err.text, "apply insert a.t key (id=1) at 0/1FF8+1: row was not stored");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_are_inserted_updated_and_deleted),
        T(binary_and_text_values_share_a_statement),
        T(values_that_were_not_sent_stay_as_they_are),
        T(an_update_that_sets_nothing_misses_a_missing_row),
        T(full_identity_goes_by_the_targets_key),
        T(without_a_key_one_duplicate_is_touched),
        T(types_without_equality_are_compared_as_text),
        T(of_equal_rows_the_one_with_the_same_bytes_is_taken),
        T(an_extensions_type_is_compared_by_its_own_operator),
        T(an_inheritance_child_is_not_touched_through_its_parent),
        T(a_partitioned_target_takes_changes_of_its_root),
        T(generated_and_identity_columns_are_respected),
        T(users_types_travel_in_binary),
        T(a_wider_type_on_the_target_takes_binary_values),
        T(truncate_empties_the_tables_there_are),
        T(truncate_of_tables_that_are_not_there_does_nothing),
        T(a_new_version_of_a_relation_brings_its_new_columns),
        T(a_huge_row_passes_a_small_bound),
        T(many_rows_stay_within_the_bound_on_bytes_in_flight),
        T(more_tables_than_statements_are_kept),
        T(more_shapes_than_the_cache_holds_are_prepared_again),
        T(triggers_and_foreign_keys_do_not_interfere),
        T(a_row_that_a_trigger_takes_away_is_an_error),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
