/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of the event triggers, and the statement that is found in them.
 */
#include "agent/pipeline/ddl_text.h"
#include "tests/lib/unit.h"

#define STACK(sql) "SQL statement \"" sql "\"\nPL/pgSQL function f() line 3 at EXECUTE"

static const struct {
    const char *tag, *query, *context;
    uint32_t nth;
    const char *sql; /* NULL: not found */
    const char *why; /* a word of the reason */
} cases[] = {
    {"CREATE TABLE", " create table t (a int); ", "", 1, "create table t (a int)", NULL},
    {"CREATE TABLE", "create table a (); insert into a; create table b ();", "", 2,
        "create table b ()", NULL},
    {"CREATE INDEX", "create table a (); create index on a (x); create table b ();", "", 1,
        "create index on a (x)", NULL},
    {"CREATE TABLE", "create table a ();", "", 2, NULL, "does not show"},
    {"CREATE TABLE", "select f()", "", 1, NULL, "does not show"},
    {"CREATE TABLE", "select f()", "SQL function \"f\" statement 1", 1, NULL, "does not show"},
    {"CREATE TABLE", "begin; create table a (); rollback; create table b ()", "", 1, NULL,
        "ROLLBACK"},
    {"DROP OPERATOR", "create extension x", "", 1, NULL, "extension"},
    {"CREATE TABLE", "create table a (", "", 1, NULL, "taken apart"},
    {"CREATE TABLE", NULL, "", 1, NULL, "not known"},
    {"CREATE TABLE", NULL, STACK("create table a ()"), 0, "create table a ()", NULL},
    {"CREATE TABLE", NULL, STACK("create table \"a\"\n()"), 0, "create table \"a\"\n()", NULL},
    {"COMMENT", NULL, STACK("comment on table a is 'x\"\nPL/pgSQL function'"), 0,
        "comment on table a is 'x\"\nPL/pgSQL function'", NULL},
    {"CREATE TABLE", NULL, STACK("create table a () --\"\nPL/x\n"), 0, NULL, "call stack"},
    {"CREATE TABLE", NULL, STACK("create table a (); create table b ()"), 0, NULL, "together"},
    {"CREATE TABLE", NULL, STACK("select f()"), 0, NULL, "another statement"},
    {"CREATE TABLE", NULL, "SQL statement \"create table a ()\"", 0, "create table a ()", NULL},
    {"CREATE VIEW", NULL, STACK("create view v as select $1"), 0, NULL, "parameters"},
    {"CREATE INDEX", "create index concurrently i on t (a) tablespace x", "", 1,
        "create index  i on t (a) ", NULL},
    {"ALTER TABLE", "alter table t detach partition p concurrently", "", 1,
        "alter table t detach partition p", NULL},
    {"ALTER TABLE", "alter table t set tablespace x", "", 1, NULL, "tablespaces"},
    {"ALTER TABLE", "alter table t add a int, set tablespace x", "", 1, NULL, "something else"},
};

static void
the_statement_is_found_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ddl_message m = {.tag = cases[i].tag,
            .query = cases[i].query,
            .context = cases[i].context,
            .nth = cases[i].nth};
        struct ddl_text t;
        ddl_text_find(&m, &t);
        if (cases[i].sql) {
            assert_int_equal(t.kind, DDL_TEXT_FOUND);
            assert_string_equal(buf_cstr(&t.sql), cases[i].sql);
        } else {
            assert_int_not_equal(t.kind, DDL_TEXT_FOUND);
            assert_non_null(strstr(t.why, cases[i].why));
        }
        ddl_text_done(&t);
    }
}

static void
behind_a_rollback_nothing_is_sure(void **state)
{
    (void)state;
    struct ddl_text t;
    struct ddl_message m = {.tag = "CREATE TABLE",
        .query =
            "savepoint a; create table x (); rollback to a; create table y (); create table z ()",
        .context = "",
        .nth = 1};
    ddl_text_find(&m, &t);
    assert_int_equal(t.kind, DDL_TEXT_REFUSED);
    ddl_text_done(&t);
}

static void
the_triggers_own_text_goes_first(void **state)
{
    (void)state;
    struct ddl_text t;
    struct ddl_message m = {.tag = "SELECT INTO",
        .query = "select 1 into x",
        .instead = "CREATE TABLE x (a int)",
        .nth = 1};
    ddl_text_find(&m, &t);
    assert_string_equal(buf_cstr(&t.sql), "CREATE TABLE x (a int)");
    ddl_text_done(&t);
}

static void
a_backslash_follows_the_setting(void **state)
{
    (void)state;
    struct sink_ddl_setting off = {"standard_conforming_strings", "off"};
    struct ddl_text t;
    struct ddl_message m = {.tag = "COMMENT",
        .query = "comment on table t is '\\';'; select 1",
        .nth = 1,
        .settings = &off,
        .settings_len = 1};
    ddl_text_find(&m, &t);
    assert_string_equal(buf_cstr(&t.sql), "comment on table t is '\\';'");
    ddl_text_done(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_statement_is_found_or_refused),
        cmocka_unit_test(behind_a_rollback_nothing_is_sure),
        cmocka_unit_test(the_triggers_own_text_goes_first),
        cmocka_unit_test(a_backslash_follows_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
