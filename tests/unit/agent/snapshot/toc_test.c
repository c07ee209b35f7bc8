/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts as pg_restore writes them, and what must not deceive the parser.
 */
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/snapshot/toc.h"
#include "tests/lib/unit.h"

static struct buf script;

static int
set_up(void **state)
{
    (void)state;
    buf_init(&script, 65536);
    buf_str(&script, "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n"
                     "SET statement_timeout = 0;\n"
                     "SELECT pg_catalog.set_config('search_path', '', false);\n\n");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    buf_done(&script);
    return 0;
}

/* ids: "TOC entry" line's numbers; what: "name; Type: T" */
static void
head(unsigned id, unsigned class_oid, unsigned oid, const char *deps, const char *what)
{
    buf_printf(&script, "--\n-- TOC entry %u (class %u OID %u)\n", id, class_oid, oid);
    if (deps) {
        buf_printf(&script, "-- Dependencies: %s\n", deps);
    }
    buf_printf(
        &script, "-- Name: %s; Schema: public; Owner: postgres\n-- Data Pos: 0\n--\n\n", what);
}

static void
body(const char *text)
{
    buf_printf(&script, "%s\n\n\n", text);
}

static struct toc
parse(const char *list)
{
    struct toc t;
    struct err err = ERR_INIT;
    buf_str(&script, "-- Completed on 2026-11-20 23:14:30 UTC\n\n--\n"
                     "-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n");
    if (!toc_parse(list, buf_cstr(&script), &t, &err)) {
        fail_msg("%s", err.text);
    }
    return t;
}

static const char two_list[] = ";\n; Archive created at 2026-11-20\n;\n"
                               "227; 1259 17077 TABLE public fk1 postgres\n"
                               "3465; 2606 17083 CONSTRAINT public fk1 fk1_pkey postgres\n";
static const char table_text[] = "CREATE TABLE public.fk1 (\n    id integer\n);\n\n\n"
                                 "ALTER TABLE public.fk1 OWNER TO x;";

static void
two_entries(void)
{
    head(227, 1259, 17077, NULL, "fk1; Type: TABLE");
    body(table_text);
    head(3465, 2606, 17083, "227 12", "fk1 fk1_pkey; Type: CONSTRAINT");
    body("ALTER TABLE ONLY public.fk1\n    ADD CONSTRAINT fk1_pkey PRIMARY KEY (id);");
}

static void
an_entry_has_ids_names_and_its_whole_text(void **state)
{
    (void)state;
    two_entries();
    struct toc t = parse(two_list);
    assert_int_equal(t.len, 2);
    assert_int_equal(t.items[0].id, 227);
    assert_int_equal(t.items[0].class_oid, 1259);
    assert_int_equal(t.items[0].object_oid, 17077);
    assert_string_equal(t.items[0].type, "TABLE");
    assert_string_equal(t.items[0].schema, "public");
    assert_string_equal(t.items[0].name, "fk1");
    assert_string_equal(t.items[0].sql, table_text);
    assert_string_equal(t.items[1].name, "fk1 fk1_pkey");
    toc_free(&t);
}

static void
dependencies_are_dump_ids(void **state)
{
    (void)state;
    two_entries();
    struct toc t = parse(two_list);
    assert_int_equal(t.items[0].deps_len, 0);
    assert_int_equal(t.items[1].deps_len, 2);
    assert_int_equal(t.items[1].deps[0], 227);
    assert_int_equal(t.items[1].deps[1], 12);
    toc_free(&t);
}

static void
preamble_and_trailer_belong_to_no_entry(void **state)
{
    (void)state;
    two_entries();
    struct toc t = parse(two_list);
    for (size_t i = 0; i < t.len; i++) {
        assert_null(strstr(t.items[i].sql, "restrict"));
        assert_null(strstr(t.items[i].sql, "Completed"));
        assert_null(strstr(t.items[i].sql, "statement_timeout"));
    }
    toc_free(&t);
}

static void
a_header_inside_a_function_body_is_text(void **state)
{
    (void)state;
    head(5, 1255, 100, NULL, "f(); Type: FUNCTION");
    buf_str(&script, "CREATE FUNCTION public.f() RETURNS int AS $$\n");
    head(7, 1259, 300, NULL, "evil; Type: TABLE");
    body("DROP TABLE x;\n$$;");
    head(6, 1259, 200, NULL, "t; Type: TABLE");
    body("CREATE TABLE public.t ();");
    struct toc t = parse("5; 1255 100 FUNCTION public f() postgres\n"
                         "6; 1259 200 TABLE public t postgres\n");
    assert_int_equal(t.len, 2);
    assert_non_null(strstr(t.items[0].sql, "DROP TABLE x;\n$$;"));
    assert_string_equal(t.items[1].sql, "CREATE TABLE public.t ();");
    toc_free(&t);
}

static void
settings_between_entries_apply_to_all_that_follow(void **state)
{
    (void)state;
    body("SET default_tablespace = '';\n\nSET default_table_access_method = heap;");
    head(1, 1259, 10, NULL, "a; Type: INDEX");
    body("A;\n\nSET default_tablespace = \"fa st\";");
    head(2, 1259, 11, NULL, "b; Type: INDEX");
    body("B;");
    head(3, 1259, 12, NULL, "c; Type: INDEX");
    body("C;");
    struct toc t = parse("1; 1259 10 INDEX public a postgres\n"
                         "2; 1259 11 INDEX public b postgres\n"
                         "3; 1259 12 INDEX public c postgres\n");
    assert_string_equal(t.items[0].sql, "A;");
    assert_string_equal(t.items[0].tablespace, "''");
    assert_string_equal(t.items[0].access_method, "heap");
    assert_string_equal(t.items[1].tablespace, "\"fa st\"");
    assert_string_equal(t.items[1].access_method, "heap");
    assert_string_equal(t.items[2].tablespace, "\"fa st\"");
    assert_string_equal(t.items[2].sql, "C;");
    toc_free(&t);
}

static void
a_comment_that_ends_like_a_setting_stays_whole(void **state)
{
    (void)state;
    static const char text[] = "COMMENT ON TABLE public.a IS 'x\nSET default_tablespace = a';";
    head(1, 0, 0, NULL, "TABLE a; Type: COMMENT");
    body(text);
    struct toc t = parse("1; 0 0 COMMENT public TABLE a postgres\n");
    assert_string_equal(t.items[0].sql, text);
    toc_free(&t);
}

static void
privileges_and_event_triggers_come_in_later_passes(void **state)
{
    (void)state;
    head(3, 1259, 30, NULL, "a; Type: TABLE");
    body("T;");
    head(1, 0, 0, NULL, "TABLE a; Type: ACL");
    body("G;");
    head(2, 3466, 20, NULL, "e; Type: EVENT TRIGGER");
    body("E;");
    /* The list has them in the order of the dump. */
    struct toc t = parse("1; 0 0 ACL public TABLE a postgres\n"
                         "2; 3466 20 EVENT TRIGGER - e postgres\n"
                         "3; 1259 30 TABLE public a postgres\n");
    assert_int_equal(t.len, 3);
    assert_string_equal(t.items[0].type, "TABLE");
    assert_string_equal(t.items[1].type, "ACL");
    assert_string_equal(t.items[2].type, "EVENT TRIGGER");
    toc_free(&t);
}

static void
an_order_that_is_not_known_is_accepted(void **state)
{
    (void)state;
    head(2, 1259, 11, NULL, "b; Type: INDEX");
    body("B;");
    head(1, 1259, 10, NULL, "a; Type: INDEX");
    body("A;");
    struct toc t = parse("1; 1259 10 INDEX public a postgres\n"
                         "2; 1259 11 INDEX public b postgres\n");
    assert_int_equal(t.len, 2);
    assert_string_equal(t.items[0].sql, "B;");
    assert_string_equal(t.items[1].sql, "A;");
    toc_free(&t);
}

static void
a_script_that_lacks_an_entry_is_refused(void **state)
{
    (void)state;
    struct toc t;
    struct err err = ERR_INIT;
    two_entries();
    char *list = x_printf("%s9999; 1259 4 TABLE public gone postgres\n", two_list);
    assert_false(toc_parse(list, buf_cstr(&script), &t, &err));
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "9999"));
    x_free(list);
}

static void
an_empty_section_has_no_entries(void **state)
{
    (void)state;
    struct toc t = parse(";\n; Selected TOC Entries:\n;\n");
    assert_int_equal(t.len, 0);
    toc_free(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_has_ids_names_and_its_whole_text),
        TEST(dependencies_are_dump_ids),
        TEST(preamble_and_trailer_belong_to_no_entry),
        TEST(a_header_inside_a_function_body_is_text),
        TEST(settings_between_entries_apply_to_all_that_follow),
        TEST(a_comment_that_ends_like_a_setting_stays_whole),
        TEST(privileges_and_event_triggers_come_in_later_passes),
        TEST(an_order_that_is_not_known_is_accepted),
        TEST(a_script_that_lacks_an_entry_is_refused),
        TEST(an_empty_section_has_no_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
