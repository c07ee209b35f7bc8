/* SPDX-License-Identifier: Apache-2.0
 *
 * Many entries go to the server together: one that it refuses is named and tolerated as if it had
 * gone alone, and nothing is made twice or left out because of it.
 */
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/snapshot/create.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/unit.h"

#define MANY     250  /* more than go together */
#define TOO_MANY 1000 /* more than the lock table of a server with its defaults holds at once */

static struct pg_server server;
static PGconn *conn;
static char texts[TOO_MANY][160], names[TOO_MANY][40];
static struct toc_entry entries[TOO_MANY];
static struct create c;

static void
entry(size_t i, const char *type, const char *name, const char *sql)
{
    snprintf(names[i], sizeof names[i], "%s", name);
    snprintf(texts[i], sizeof texts[i], "%s", sql);
    entries[i] = (struct toc_entry){.type = type,
        .schema = "public",
        .name = names[i],
        .sql = texts[i],
        .object_oid = (uint32_t)i + 1};
}

static void
tables(size_t n)
{
    char name[40], sql[160];
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "t%zu", i);
        snprintf(sql, sizeof sql, "CREATE TABLE public.t%zu (id int); -- it stands alone", i);
        entry(i, "TABLE", name, sql);
    }
}

static bool
make(size_t n, struct err *err)
{
    struct ledger done;
    const struct toc before = {.items = entries, .len = n};
    struct err read = ERR_INIT;
    assert_true(ledger_read(conn, "m", &done, &read));
    bool ok = create_before_data(&c, &before, &done, err);
    ledger_free(&done);
    return ok;
}

static const char *
count(void)
{
    return pg_get(conn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
}

/* In a line of the server's log. */
static bool
is_logged(const char *text)
{
    char path[80], line[4096];
    bool found = false;
    snprintf(path, sizeof path, "%s/log", server.dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (!found && fgets(line, sizeof line, f)) {
        found = strstr(line, text) != NULL;
    }
    fclose(f);
    return found;
}

/* --- before the data ------------------------------------------------------------------------ */

static void
all_are_made_in_one_transaction(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(MANY);
    assert_true(make(MANY, &err));
    assert_string_equal(count(), "250");
    assert_string_equal(pg_get(conn, "SELECT string_agg(item, ',') FROM tidegate.ledger"), "pre *");
    assert_true(make(MANY, &err)); /* the ledger has them */
}

static void
what_may_fail_takes_nothing_along(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(MANY);
    entry(120, "SCHEMA", "public", "CREATE SCHEMA public;");
    entry(121, "SECURITY LABEL", "TABLE t3", "SECURITY LABEL ON TABLE public.t3 IS 'x';");
    assert_true(make(MANY, &err));
    assert_string_equal(count(), "248");
}

static void
what_may_not_fail_is_named_and_nothing_is_left(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(MANY);
    entry(230, "TABLE", "t7", "CREATE TABLE public.t7 (id int);");
    assert_false(make(MANY, &err));
    assert_string_equal(err.sqlstate, "42P07");
    assert_non_null(strstr(err.text, "target: create TABLE 'public.t7': relation"));
    assert_non_null(strstr(err.hint, "the target has an object of this name"));
    assert_string_equal(count(), "0");
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
}

static void
a_password_goes_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(9);
    entry(
        3, "SERVER", "s", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;");
    entry(4, "USER MAPPING", "USER MAPPING postgres SERVER s",
        "CREATE USER MAPPING FOR postgres SERVER s OPTIONS (password 'hidden');");
    entry(6, "TABLE", "t1", "CREATE TABLE public.t1 (id int);");
    assert_false(make(9, &err));
    assert_string_equal(err.sqlstate, "42P07");
    assert_true(is_logged("CREATE TABLE public.t1"));
    assert_false(is_logged("hidden"));
}

static void
text_that_the_server_cannot_read_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(MANY);
    entry(150, "TABLE", "t150", "CREATE TABLE public.t150 (id int) WITH WITH;");
    assert_false(make(MANY, &err));
    assert_string_equal(err.sqlstate, "42601");
    assert_non_null(strstr(err.text, "'public.t150'"));
    assert_string_equal(count(), "0");
}

static void
more_than_fit_are_made_in_parts_and_not_again(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    tables(TOO_MANY);
    entry(50, "SCHEMA", "public", "CREATE SCHEMA public;");
    entry(950, "TABLE", "t7", "CREATE TABLE public.t7 (id int);");
    assert_false(make(TOO_MANY, &err));
    assert_string_equal(err.sqlstate, "42P07");
    assert_string_equal(count(), "899"); /* nine parts of a hundred, one of them tolerated */
    assert_string_equal(pg_get(conn, "SELECT count(*) FROM tidegate.ledger"), "900");
    err_clear(&err);
    entry(950, "TABLE", "t950", "CREATE TABLE public.t950 (id int);");
    assert_true(make(TOO_MANY, &err));
    assert_string_equal(count(), "999");
    assert_string_equal(
        pg_get(conn, "SELECT count(*) FROM tidegate.ledger WHERE item = 'pre *'"), "1");
}

/* --- behind the data ------------------------------------------------------------------------ */

static void
together_all_are_there_or_none(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    bool made = false;
    tables(3);
    const struct create_item good[] = {{&entries[0], "a", NULL},
        {&entries[1], "b", "CREATE TABLE public.another (id int)"}, {NULL, NULL, NULL},
        {NULL, NULL, "ANALYZE public.t0"}};
    const struct create_item bad[] = {{&entries[2], "c", NULL}, {&entries[0], "d", NULL}};
    assert_true(create_together(&c, good, 4, &made, &err));
    assert_true(made);
    assert_true(create_together(&c, bad, 2, &made, &err));
    assert_false(made);
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
    assert_string_equal(
        pg_get(conn, "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables"
                     " WHERE schemaname = 'public'"),
        "another,t0");
    assert_string_equal(
        pg_get(conn, "SELECT string_agg(item, ',' ORDER BY item) FROM tidegate.ledger"), "a,b");
}

static void
one_that_may_fail_is_tolerated_and_not_recorded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    bool tolerated = false;
    entry(0, "PUBLICATION TABLE", "p t", "ALTER PUBLICATION p ADD TABLE ONLY public.t;");
    entry(1, "INDEX", "i", "CREATE INDEX i ON public.nowhere (id);");
    const struct create_item it = {&entries[0], "a", NULL}, other = {&entries[1], "b", NULL};
    assert_true(create_entry(&c, &it, &tolerated, &err));
    assert_true(tolerated);
    assert_false(create_entry(&c, &other, &tolerated, &err));
    assert_non_null(strstr(err.text, "target: create INDEX 'public.i'"));
    assert_string_equal(pg_get(conn, "SELECT count(*) FROM tidegate.ledger"), "0");
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
}

/* --- fixture -------------------------------------------------------------------------------- */

static int
fresh(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    pg_do(conn, "DROP SCHEMA IF EXISTS tidegate CASCADE");
    /* One transaction cannot drop as many tables as a test makes. */
    pg_do(conn, "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind ="
                " 'r' AND relnamespace = 'public'::regnamespace LOOP EXECUTE 'DROP TABLE ' || t;"
                " COMMIT; END LOOP; END $$");
    c = (struct create){.target = conn, .migration = "m"};
    return ledger_ensure(conn, &err) && create_init(&c, &err) ? 0 : 1;
}

static int
done(void **state)
{
    (void)state;
    create_done(&c);
    return 0;
}

static int
start_server(void **state)
{
    (void)state;
    if (!pg_server_start(&server, NULL)) {
        return 1;
    }
    conn = pg_server_connect(&server, NULL);
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
    const struct CMUnitTest tests[] = {
        TEST(all_are_made_in_one_transaction),
        TEST(what_may_fail_takes_nothing_along),
        TEST(what_may_not_fail_is_named_and_nothing_is_left),
        TEST(a_password_goes_alone),
        TEST(text_that_the_server_cannot_read_is_named),
        TEST(more_than_fit_are_made_in_parts_and_not_again),
        TEST(together_all_are_there_or_none),
        TEST(one_that_may_fail_is_tolerated_and_not_recorded),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
