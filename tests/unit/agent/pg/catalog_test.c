/* SPDX-License-Identifier: Apache-2.0
 *
 * What is read from the catalogs of a throw-away server.
 */
#include <stdio.h>

#include "agent/base/buf.h"
#include "agent/pg/catalog.h"
#include "agent/pg/conn.h"
#include "tests/lib/unit.h"

/* Two structs of this name exist. */
#define pg_server throwaway_server
#include "tests/lib/pg_server.h"
#undef pg_server

static struct throwaway_server server;
static PGconn *conn;

static void
check(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg("%s", err->text);
    }
}

static struct pg_tables
tables_of(const char *include, const char *exclude)
{
    const char *in[] = {include}, *out[] = {exclude};
    const struct table_filter f = {.include = in,
        .include_len = include ? 1 : 0,
        .exclude = out,
        .exclude_len = exclude ? 1 : 0};
    struct pg_tables t;
    struct err err = ERR_INIT;
    check(pg_tables_read(conn, &f, &t, &err), &err);
    return t;
}

static void
assert_names(const char *include, const char *exclude, const char *want)
{
    struct pg_tables t = tables_of(include, exclude);
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < t.len; i++) {
        buf_printf(&b, "%s%s", i ? " " : "", t.items[i].name);
    }
    assert_string_equal(buf_cstr(&b), want);
    buf_done(&b);
    pg_tables_free(&t);
}

static const struct pg_table *
find(const struct pg_tables *t, const char *name)
{
    for (size_t i = 0; i < t->len; i++) {
        if (strcmp(t->items[i].name, name) == 0) {
            return &t->items[i];
        }
    }
    fail_msg("no table '%s'", name);
    return NULL;
}

static void
the_server_tells_about_itself(void **state)
{
    (void)state;
    struct pg_server s;
    struct err err = ERR_INIT;
    check(pg_server_read(conn, &s, &err), &err);
    assert_int_equal(s.version, PQserverVersion(conn));
    assert_true(s.system_id != 0);
    assert_string_equal(s.database, "postgres");
    assert_string_equal(s.user, "postgres");
    assert_true(s.superuser);
    assert_true(s.replication_role);
    assert_false(s.in_recovery);
    assert_true(s.encoding[0] && s.collate[0] && s.ctype[0]);
}

static void
rights_are_those_of_the_role(void **state)
{
    (void)state;
    struct pg_server s;
    struct err err = ERR_INIT;
    pg_do(conn, "SET ROLE plain_role");
    check(pg_server_read(conn, &s, &err), &err);
    pg_do(conn, "RESET ROLE");
    assert_string_equal(s.user, "plain_role");
    assert_false(s.superuser);
    assert_false(s.replication_role);
}

static void
ordinary_and_partitioned_tables_are_listed(void **state)
{
    (void)state;
    /* Neither views nor sequences nor temporary tables nor tidegate's own, nor members of
     * extensions. */
    assert_names(NULL, NULL, "full keyed leaf_1 leaf_2 mid nothing plain root unlogged");
}

static void
a_partition_is_meant_when_an_ancestor_is(void **state)
{
    (void)state;
    assert_names("public.root", NULL, "leaf_1 leaf_2 mid root");
    assert_names("public.mid", NULL, "leaf_2 mid");
    assert_names("public.leaf_1", NULL, "leaf_1");
    assert_names(NULL, "public.root", "full keyed nothing plain unlogged");
}

static void
a_partition_knows_its_topmost_ancestor(void **state)
{
    (void)state;
    struct pg_tables t = tables_of(NULL, NULL);
    const struct pg_table *root = find(&t, "root");
    assert_false(root->partition);
    assert_int_equal(root->root, 0);
    assert_int_equal(root->kind, 'p');
    assert_int_equal(find(&t, "mid")->root, root->oid);
    assert_int_equal(find(&t, "leaf_2")->root, root->oid);
    assert_true(find(&t, "leaf_2")->partition);
    assert_int_equal(find(&t, "leaf_2")->kind, 'r');
    assert_int_equal(find(&t, "plain")->root, 0);
    pg_tables_free(&t);
}

static void
an_identity_is_usable_with_a_key_or_full(void **state)
{
    (void)state;
    struct pg_tables t = tables_of(NULL, NULL);
    assert_true(find(&t, "keyed")->identity_usable);
    assert_false(find(&t, "plain")->identity_usable);
    assert_true(find(&t, "full")->identity_usable);
    assert_int_equal(find(&t, "full")->identity, 'f');
    assert_false(find(&t, "nothing")->identity_usable);
    assert_int_equal(find(&t, "nothing")->identity, 'n');
    pg_tables_free(&t);
}

static void
sizes_are_those_of_the_files(void **state)
{
    (void)state;
    struct pg_tables t = tables_of(NULL, NULL);
    assert_true(find(&t, "keyed")->pages > 1);
    assert_true(find(&t, "keyed")->bytes >= find(&t, "keyed")->pages * 8192ULL);
    assert_true(find(&t, "keyed")->rows > 900 && find(&t, "keyed")->rows < 1100);
    assert_true(find(&t, "plain")->rows < 0);
    assert_true(find(&t, "unlogged")->unlogged);
    pg_tables_free(&t);
}

static void
ownership_counts_through_membership(void **state)
{
    (void)state;
    pg_do(conn, "SET ROLE plain_role");
    struct pg_tables t = tables_of(NULL, NULL);
    pg_do(conn, "RESET ROLE");
    assert_true(find(&t, "full")->owned);
    assert_true(find(&t, "nothing")->owned);
    assert_false(find(&t, "keyed")->owned);
    pg_tables_free(&t);
}

static void
columns_that_a_copy_carries_are_listed_in_order(void **state)
{
    (void)state;
    struct pg_columns c;
    struct err err = ERR_INIT;
    check(pg_columns_read(conn, "public", "plain", &c, &err), &err);
    assert_int_equal(c.len, 3);
    assert_string_equal(c.items[0].name, "id");
    assert_string_equal(c.items[1].name, "n");
    assert_string_equal(c.items[1].type_name, "numeric(10,2)");
    assert_string_equal(c.items[2].name, "late");
    pg_columns_free(&c);
    check(pg_columns_read(conn, "public", "is not there", &c, &err), &err);
    assert_int_equal(c.len, 0);
    pg_columns_free(&c);
}

static void
binary_is_exact_for_built_in_values_only(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool exact;
    } types[] = {{"int4", true}, {"text[]", true}, {"numeric(10,2)", true}, {"jsonb", true},
        {"uuid", true}, {"timestamptz", true}, {"int4range", true}, {"some_domain", true},
        {"xml", false}, {"regclass", false}, {"regclass[]", false}, {"some_enum", false},
        {"some_enum[]", false}, {"some_type", false}, {"some_domain[]", false},
        {"int2vector", false}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char sql[128];
        struct pg_columns c;
        struct err err = ERR_INIT;
        snprintf(sql, sizeof(sql), "CREATE TABLE public.typed (c public.%s)", types[i].type);
        if (strncmp(types[i].type, "some_", 5) != 0) {
            snprintf(sql, sizeof(sql), "CREATE TABLE public.typed (c %s)", types[i].type);
        }
        pg_do(conn, sql);
        check(pg_columns_read(conn, "public", "typed", &c, &err), &err);
        if (c.items[0].binary_exact != types[i].exact) {
            fail_msg("%s", types[i].type);
        }
        pg_columns_free(&c);
        pg_do(conn, "DROP TABLE public.typed");
    }
}

static int
start_server(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct pg_options o = {.application_name = "tidegate test"};
    if (!pg_server_start(&server, NULL) || !pg_connect(server.dsn, &o, &conn, &err)) {
        return -1;
    }
    pg_do(conn,
        "SET search_path = public; CREATE ROLE owning; CREATE ROLE plain_role IN ROLE owning;"
        "CREATE TABLE keyed (id int PRIMARY KEY, t text);"
        "INSERT INTO keyed SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i;"
        "ANALYZE keyed;"
        "CREATE TABLE plain (id int, gone int, n numeric(10, 2), g int GENERATED ALWAYS AS (id)"
        " STORED, late text); ALTER TABLE plain DROP COLUMN gone;"
        "CREATE TABLE \"full\" (id int); ALTER TABLE \"full\" REPLICA IDENTITY FULL;"
        "ALTER TABLE \"full\" OWNER TO owning;"
        "CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;"
        "ALTER TABLE nothing OWNER TO plain_role;"
        "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);"
        "CREATE TABLE root (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE leaf_1 PARTITION OF root FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE mid PARTITION OF root DEFAULT PARTITION BY RANGE (id);"
        "CREATE TABLE leaf_2 PARTITION OF mid DEFAULT;"
        "CREATE VIEW a_view AS SELECT 1; CREATE SEQUENCE a_sequence;"
        "CREATE TEMP TABLE temporary (id int);"
        "CREATE SCHEMA tidegate; CREATE TABLE tidegate.own (id int);"
        "CREATE TYPE some_enum AS ENUM ('a'); CREATE TYPE some_type AS (a int);"
        "CREATE DOMAIN some_domain AS int; SET search_path = ''");
    return 0;
}

static int
stop_server(void **state)
{
    (void)state;
    PQfinish(conn);
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_tells_about_itself),
        cmocka_unit_test(rights_are_those_of_the_role),
        cmocka_unit_test(ordinary_and_partitioned_tables_are_listed),
        cmocka_unit_test(a_partition_is_meant_when_an_ancestor_is),
        cmocka_unit_test(a_partition_knows_its_topmost_ancestor),
        cmocka_unit_test(an_identity_is_usable_with_a_key_or_full),
        cmocka_unit_test(sizes_are_those_of_the_files),
        cmocka_unit_test(ownership_counts_through_membership),
        cmocka_unit_test(columns_that_a_copy_carries_are_listed_in_order),
        cmocka_unit_test(binary_is_exact_for_built_in_values_only),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
