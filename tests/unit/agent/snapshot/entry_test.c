/* SPDX-License-Identifier: Apache-2.0
 *
 * One entry of the schema: its key, its settings, and what its failure means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/snapshot/entry.h"

static struct toc_entry
entry(const char *type, const char *name)
{
    return (struct toc_entry){
        .type = type, .schema = "public", .name = name, .object_oid = 17, .sql = ""};
}

static void
a_key_names_type_schema_name_and_oid(void **state)
{
    (void)state;
    struct toc_entry e = entry("INDEX", "i");
    char *key = entry_key(&e);
    assert_string_equal(key, "INDEX|public|i|17");
    x_free(key);
}

static void
long_keys_are_short_and_still_differ(void **state)
{
    (void)state;
    char a[3000], b[3000];
    memset(a, 'x', sizeof(a) - 1);
    memset(b, 'x', sizeof(b) - 1);
    a[2999] = b[2999] = 0;
    a[2998] = 'y';
    struct toc_entry ea = entry("FUNCTION", a), eb = entry("FUNCTION", b);
    char *ka = entry_key(&ea), *kb = entry_key(&eb);
    assert_true(strlen(ka) < 500);
    assert_string_not_equal(ka, kb);
    x_free(ka);
    x_free(kb);
}

static void
a_long_key_is_not_cut_inside_a_character(void **state)
{
    (void)state;
    char name[1200];
    for (size_t i = 0; i + 2 < sizeof(name); i += 3) {
        memcpy(name + i, "\xe2\x82\xac", 3);
    }
    name[1197] = 0;
    struct toc_entry e = entry("FUNCTION", name);
    char *key = entry_key(&e);
    const char *hash = strrchr(key, '#');
    assert_non_null(hash);
    assert_int_equal((unsigned char)hash[-1], 0xac);
    x_free(key);
}

static void
settings(const char *tablespace, const char *method, int version, const char *want)
{
    char first[] = "pg_default", second[] = "fa st", *names[] = {first, second};
    const struct tablespaces t = {names, 2};
    struct toc_entry e = entry("INDEX", "i");
    struct buf sql;
    e.tablespace = tablespace;
    e.access_method = method;
    buf_init(&sql, 4096);
    entry_settings(&sql, &e, &t, version);
    assert_string_equal(buf_cstr(&sql), want);
    buf_done(&sql);
}

static void
a_tablespace_that_the_target_lacks_becomes_the_default(void **state)
{
    (void)state;
    settings(NULL, NULL, 150000, "");
    settings("''", NULL, 150000, "SET LOCAL default_tablespace = '';");
    settings("\"fa st\"", NULL, 150000, "SET LOCAL default_tablespace = \"fa st\";");
    settings("gone", NULL, 150000, "SET LOCAL default_tablespace = '';");
}

static void
an_access_method_is_set_where_there_are_any(void **state)
{
    (void)state;
    settings(NULL, "heap", 150000, "SET LOCAL default_table_access_method = heap;");
    settings(NULL, "heap", 110000, "");
}

static void
a_foreign_key_is_added_not_valid(void **state)
{
    (void)state;
    char *sql = entry_not_valid("ALTER TABLE ONLY public.a\n    ADD CONSTRAINT k FOREIGN KEY (p) "
                                "REFERENCES public.b(id) DEFERRABLE INITIALLY DEFERRED;\n\n");
    assert_string_equal(sql, "ALTER TABLE ONLY public.a\n    ADD CONSTRAINT k FOREIGN KEY (p) "
                             "REFERENCES public.b(id) DEFERRABLE INITIALLY DEFERRED NOT VALID;");
    x_free(sql);
}

static void
one_that_is_not_valid_already_stays_as_it_is(void **state)
{
    (void)state;
    static const char text[] =
        "ALTER TABLE ONLY public.a ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES b NOT VALID;";
    char *sql = entry_not_valid(text);
    assert_string_equal(sql, text);
    x_free(sql);
}

static void
other_statements_are_not_extended(void **state)
{
    (void)state;
    assert_null(entry_not_valid("CREATE INDEX i ON t (a);"));
    assert_null(entry_not_valid("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a);"));
    assert_null(entry_not_valid("ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES b"));
    assert_null(entry_not_valid(""));
}

static void
what_the_servers_owner_has_made_is_tolerated(void **state)
{
    (void)state;
    struct toc_entry e = entry("COMMENT", "EXTENSION hstore");
    assert_true(entry_tolerates(&e, "42501"));
    e = entry("SCHEMA", "public");
    assert_true(entry_tolerates(&e, "42P06"));
    assert_false(entry_tolerates(&e, "42501"));
    e = entry("EVENT TRIGGER", "e");
    assert_true(entry_tolerates(&e, "42501"));
}

static void
what_belongs_to_replication_or_a_provider_may_be_refused(void **state)
{
    (void)state;
    struct toc_entry e = entry("PUBLICATION", "p");
    assert_true(entry_tolerates(&e, "42501"));
    assert_false(entry_tolerates(&e, "42704"));
    e = entry("PUBLICATION TABLE", "p t");
    assert_true(entry_tolerates(&e, "42704"));
    e = entry("SECURITY LABEL", "TABLE t");
    assert_true(entry_tolerates(&e, "22023"));
    e = entry("SUBSCRIPTION", "s");
    assert_true(entry_tolerates(&e, "42501"));
}

static void
without_slot(const char *sql, const char *want)
{
    char *got = entry_without_slot(sql);
    assert_string_equal(got, want);
    x_free(got);
}

static void
a_subscription_loses_its_slot(void **state)
{
    (void)state;
    without_slot("CREATE SUBSCRIPTION s CONNECTION 'a=b' PUBLICATION p WITH (connect = false, "
                 "slot_name = 's', binary = true);\n",
        "CREATE SUBSCRIPTION s CONNECTION 'a=b' PUBLICATION p WITH (connect = false, "
        "slot_name = NONE, binary = true);\n");
    without_slot("CONNECTION 'slot_name = ''x''' WITH (connect = false, slot_name = 'it''s');",
        "CONNECTION 'slot_name = ''x''' WITH (connect = false, slot_name = NONE);");
    without_slot(
        "WITH (connect = false, slot_name = NONE);", "WITH (connect = false, slot_name = NONE);");
}

static void
a_table_or_index_that_fails_is_never_tolerated(void **state)
{
    (void)state;
    static const char *const states[] = {"42501", "42P07", "42710", "42P01", "42704", "23505"};
    static const char *const types[] = {"TABLE", "INDEX", "CONSTRAINT", "FK CONSTRAINT", "FUNCTION",
        "TYPE", "VIEW", "SEQUENCE", "TRIGGER"};
    for (size_t i = 0; i < 9; i++) {
        struct toc_entry e = entry(types[i], "x");
        for (size_t k = 0; k < 6; k++) {
            assert_false(entry_tolerates(&e, states[k]));
        }
    }
}

static void
an_error_names_the_object_and_says_what_to_do(void **state)
{
    (void)state;
    struct toc_entry e = entry("TABLE", "orders");
    struct err err = ERR_INIT;
    err_set(&err, ERR_DATA, "role \"alice\" does not exist");
    snprintf(err.sqlstate, sizeof(err.sqlstate), "42704");
    assert_false(entry_error(&e, &err));
    assert_non_null(strstr(err.text, "TABLE 'public.orders'"));
    assert_non_null(strstr(err.hint, "schema.owner"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_names_type_schema_name_and_oid),
        cmocka_unit_test(long_keys_are_short_and_still_differ),
        cmocka_unit_test(a_long_key_is_not_cut_inside_a_character),
        cmocka_unit_test(a_tablespace_that_the_target_lacks_becomes_the_default),
        cmocka_unit_test(an_access_method_is_set_where_there_are_any),
        cmocka_unit_test(a_foreign_key_is_added_not_valid),
        cmocka_unit_test(one_that_is_not_valid_already_stays_as_it_is),
        cmocka_unit_test(other_statements_are_not_extended),
        cmocka_unit_test(what_the_servers_owner_has_made_is_tolerated),
        cmocka_unit_test(what_belongs_to_replication_or_a_provider_may_be_refused),
        cmocka_unit_test(a_subscription_loses_its_slot),
        cmocka_unit_test(a_table_or_index_that_fails_is_never_tolerated),
        cmocka_unit_test(an_error_names_the_object_and_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
