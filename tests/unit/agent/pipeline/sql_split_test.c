/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings of SQL, nasty ones among them, and the statements that PostgreSQL sees in them.
 */
#include "agent/pipeline/sql_split.h"
#include "tests/lib/unit.h"

#define BROKEN "(broken)"

static const struct {
    const char *text;
    const char *pieces[5];
    bool escapes;
} splits[] = {
    {"", {NULL}, false},
    {" ;; -- nothing\n/* ; */ ;", {NULL}, false},
    {"a;b", {"a", "b"}, false},
    {" select 1 -- x;\n ; select 2;", {"select 1", "select 2"}, false},
    {"select ';'; x", {"select ';'", "x"}, false},
    {"select 'it''s;'; x", {"select 'it''s;'", "x"}, false},
    {"select '\\'; x", {"select '\\'", "x"}, false},
    {"select '\\';'; x", {"select '\\';'", "x"}, true},
    {"select E'\\';'; x", {"select E'\\';'", "x"}, false},
    {"select e'\\\\'; x", {"select e'\\\\'", "x"}, false},
    {"select E'a'\n  '\\';'; x", {"select E'a'\n  '\\';'", "x"}, false},
    {"select E'a' '\\'; x", {"select E'a' '\\'", "x"}, false},
    {"select ename'\\'; x", {"select ename'\\'", "x"}, false},
    {"select U&'\\0041;'; x", {"select U&'\\0041;'", "x"}, false},
    {"select U&\"a;\"\"\" from t; x", {"select U&\"a;\"\"\" from t", "x"}, false},
    {"create table \"a;\"\"b\" (); x", {"create table \"a;\"\"b\" ()", "x"}, false},
    {"select $$;$$; x", {"select $$;$$", "x"}, false},
    {"select $a$ $b$;$$ $a$; x", {"select $a$ $b$;$$ $a$", "x"}, false},
    {"select a$b$; x$b$", {"select a$b$", "x$b$"}, false},
    {"select $1; x", {"select $1", "x"}, false},
    {"select $\xc3\xa4$;$\xc3\xa4$; x", {"select $\xc3\xa4$;$\xc3\xa4$", "x"}, false},
    {"/* a /* ; */ ; */ a; b", {"a", "b"}, false},
    {"a /* ; */ b; c", {"a /* ; */ b", "c"}, false},
    {"a -- ;\r b; c", {"a -- ;\r b", "c"}, false},
    {"create rule r as on update to t do (select 1; select 2); x",
        {"create rule r as on update to t do (select 1; select 2)", "x"}, false},
    {"create function f() returns int begin atomic select 1; select 2; end; x",
        {"create function f() returns int begin atomic select 1; select 2; end", "x"}, false},
    {"create or replace procedure p() begin atomic select case when a then case b when 1 then 2 "
     "end "
     "end; end; x",
        {"create or replace procedure p() begin atomic select case when a then case b when 1 then "
         "2 end end; end",
            "x"},
        false},
    {"begin; create table a (); end; x", {"begin", "create table a ()", "end", "x"}, false},
    {"select case a when 1 then 2 end; x", {"select case a when 1 then 2 end", "x"}, false},
    {"select a[1;2]; x", {"select a[1;2]", "x"}, false},
    {"select 1a$$; x", {BROKEN}, false},
    {"select '", {BROKEN}, false},
    {"select \"a", {BROKEN}, false},
    {"select $$ ", {BROKEN}, false},
    {"select /* ", {BROKEN}, false},
    {"select (1", {BROKEN}, false},
    {"select 1)", {BROKEN}, false},
    {"create function f() begin atomic select 1;", {BROKEN}, false},
};

static void
a_string_is_split_as_the_server_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        const char *at = splits[i].text;
        struct sql_piece p;
        bool found = true, whole = true;
        for (size_t n = 0; found && whole; n++) {
            const char *want = splits[i].pieces[n];
            whole = sql_next(&at, splits[i].escapes, &p, &found);
            if (want && strcmp(want, BROKEN) == 0) {
                if (whole) {
                    fail_msg("'%s' is not broken", splits[i].text);
                }
            } else if (!whole || found != (want != NULL)) {
                fail_msg("'%s': piece %zu", splits[i].text, n);
            } else if (found && (p.len != strlen(want) || memcmp(p.at, want, p.len) != 0)) {
                fail_msg("'%s': '%.*s' instead of '%s'", splits[i].text, (int)p.len, p.at, want);
            }
        }
    }
}

static const struct {
    const char *sql, *tag;
    bool has;
} tags[] = {
    {"create table t ()", "CREATE TABLE", true},
    {"Create /* x */ Unlogged Table t ()", "CREATE TABLE", true},
    {"create local temporary table t ()", "CREATE TABLE", true},
    {"create table_x", "CREATE TABLE", false},
    {"create unique index on t (a)", "CREATE INDEX", true},
    {"create or replace function f", "CREATE FUNCTION", true},
    {"create or replace temp recursive view v", "CREATE VIEW", true},
    {"create constraint trigger g", "CREATE TRIGGER", true},
    {"create materialized view v", "CREATE VIEW", false},
    {"create materialized view v", "CREATE MATERIALIZED VIEW", true},
    {"alter default privileges grant", "ALTER DEFAULT PRIVILEGES", true},
    {"create text search configuration c", "CREATE TEXT SEARCH CONFIGURATION", true},
    {"create trusted procedural language l", "CREATE LANGUAGE", true},
    {"create default conversion c", "CREATE CONVERSION", true},
    {"drop table t", "DROP TABLE", true},
    {"drop table t", "DROP", true},
    {"comment on table t is ''", "COMMENT", true},
    {"\"create\" table", "CREATE TABLE", false},
    {"or replace table t", "CREATE TABLE", false},
    {"create", "CREATE TABLE", false},
    {"alter table t", "CREATE TABLE", false},
};

static void
the_first_words_make_the_tag(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        const char *at = tags[i].sql;
        struct sql_piece p;
        bool found;
        assert_true(sql_next(&at, false, &p, &found) && found);
        if (sql_has_tag(&p, tags[i].tag) != tags[i].has) {
            fail_msg("'%s': %s", tags[i].sql, tags[i].tag);
        }
    }
}

static void
assert_without(const char *sql, bool tablespace, const char *want)
{
    const char *at = sql;
    struct sql_piece p;
    struct buf out;
    bool found;
    buf_init(&out, 4096);
    assert_true(sql_next(&at, false, &p, &found) && found);
    if (tablespace) {
        sql_without_tablespace(&p, false, &out);
    } else {
        sql_without_word(&p, false, "CONCURRENTLY", &out);
    }
    assert_string_equal(buf_cstr(&out), want);
    buf_done(&out);
}

static void
words_are_taken_out(void **state)
{
    (void)state;
    assert_without("create index concurrently i on t (a)", false, "create index  i on t (a)");
    assert_without(
        "drop index Concurrently \"concurrently\"", false, "drop index  \"concurrently\"");
    assert_without("create index i on t (f('concurrently'))", false,
        "create index i on t (f('concurrently'))");
    assert_without("create table t (a int) tablespace x", true, "create table t (a int) ");
    assert_without("create table t (tablespace int)", true, "create table t (tablespace int)");
    assert_without("create index i on t (a) tablespace \"x y\" where tablespace = 1", true,
        "create index i on t (a)  where tablespace = 1");
    assert_without("create table tablespace ()", true, "create table tablespace ()");
}

static void
parameters_are_seen(void **state)
{
    (void)state;
    static const char *const with[] = {"select $1", "a = $12"}, *const without[] = {"a$1", "'$1'",
                                                                    "$$ $1 $$", "\"$1\""};
    struct sql_piece p;
    bool found;
    for (size_t i = 0; i < 2; i++) {
        const char *at = with[i];
        assert_true(sql_next(&at, false, &p, &found) && p.parameters);
    }
    for (size_t i = 0; i < 4; i++) {
        const char *at = without[i];
        assert_true(sql_next(&at, false, &p, &found) && !p.parameters);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_split_as_the_server_does),
        cmocka_unit_test(the_first_words_make_the_tag),
        cmocka_unit_test(words_are_taken_out),
        cmocka_unit_test(parameters_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
