/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts as pg_restore writes them, and what must not deceive the parser.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/snapshot/toc.h"

#define PREAMBLE                                                                                   \
    "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n"                                    \
    "SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\n"
#define TRAILER                                                                                    \
    "\n\n-- Completed on 2026-11-20 23:14:30 UTC\n\n--\n"                                          \
    "-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"
#define HEAD(id, class, oid, deps, what)                                                           \
    "--\n-- TOC entry " id " (class " class " OID " oid ")\n" deps "-- Name: " what "\n"           \
                                            "-- Data Pos: 0\n--\n\n"

static void
parse(const char *list, const char *script, struct toc *t)
{
    struct err err = ERR_INIT;
    if (!toc_parse(list, script, t, &err)) {
        fail_msg("%s", err.text);
    }
}

static const char two_list[] = ";\n; Archive created at 2026-11-20\n;\n"
                               "227; 1259 17077 TABLE public fk1 postgres\n"
                               "3465; 2606 17083 CONSTRAINT public fk1 fk1_pkey postgres\n";
static const char two_script[] = PREAMBLE HEAD("227", "1259", "17077", "",
    "fk1; Type: TABLE; Schema: public; Owner: postgres") "CREATE TABLE public.fk1 "
                                                         "(\n    id "
                                                         "integer\n);\n\n\nALTER "
                                                         "TABLE public.fk1 OWNER "
                                                         "TO x;\n\n" HEAD("3465", "2606", "17083",
                                                             "-- Dependencies: 227 "
                                                             "12\n",
                                                             "fk1 fk1_pkey; Type: "
                                                             "CONSTRAINT; Schema: "
                                                             "public; Owner: "
                                                             "postgres") "ALTER "
                                                                         "TABLE "
                                                                         "ONLY "
                                                                         "public."
                                                                         "fk1\n    "
                                                                         "ADD "
                                                                         "CONSTRAIN"
                                                                         "T "
                                                                         "fk1_pkey "
                                                                         "PRIMARY "
                                                                         "KEY "
                                                                         "(id);"
                                                                         "\n" TRAILER;

static void
an_entry_has_ids_names_and_its_whole_text(void **state)
{
    (void)state;
    struct toc t;
    parse(two_list, two_script, &t);
    assert_int_equal(t.len, 2);
    assert_int_equal(t.items[0].id, 227);
    assert_int_equal(t.items[0].class_oid, 1259);
    assert_int_equal(t.items[0].object_oid, 17077);
    assert_string_equal(t.items[0].type, "TABLE");
    assert_string_equal(t.items[0].schema, "public");
    assert_string_equal(t.items[0].name, "fk1");
    assert_string_equal(t.items[0].sql, "CREATE TABLE public.fk1 (\n    id integer\n);\n\n\n"
                                        "ALTER TABLE public.fk1 OWNER TO x;");
    assert_string_equal(t.items[1].name, "fk1 fk1_pkey");
    toc_free(&t);
}

static void
dependencies_are_dump_ids(void **state)
{
    (void)state;
    struct toc t;
    parse(two_list, two_script, &t);
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
    struct toc t;
    parse(two_list, two_script, &t);
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
    static const char list[] = "5; 1255 100 FUNCTION public f() postgres\n"
                               "6; 1259 200 TABLE public t postgres\n";
    static const char script[] = PREAMBLE HEAD("5", "1255", "100", "",
        "f(); Type: FUNCTION; Schema: public; Owner: postgres") "CREATE FUNCTION public.f() "
                                                                "RETURNS int AS $$\n" HEAD("7",
                                                                    "1259", "300", "",
                                                                    "evil; Type: TABLE; "
                                                                    "Schema: public; Owner: "
                                                                    "postgres") "DROP TABLE "
                                                                                "x;\n$$;"
                                                                                "\n\n" HEAD("6",
                                                                                    "1259", "200",
                                                                                    "",
                                                                                    "t; Type: "
                                                                                    "TABLE; "
                                                                                    "Schema: "
                                                                                    "public; "
                                                                                    "Owner: "
                                                                                    "postgres") "CR"
                                                                                                "EA"
                                                                                                "TE"
                                                                                                " T"
                                                                                                "AB"
                                                                                                "LE"
                                                                                                " p"
                                                                                                "ub"
                                                                                                "li"
                                                                                                "c."
                                                                                                "t "
                                                                                                "()"
                                                                                                ";"
                                                                                                "\n" TRAILER;
    struct toc t;
    parse(list, script, &t);
    assert_int_equal(t.len, 2);
    assert_non_null(strstr(t.items[0].sql, "DROP TABLE x;\n$$;"));
    assert_string_equal(t.items[1].sql, "CREATE TABLE public.t ();");
    toc_free(&t);
}

static void
settings_between_entries_apply_to_all_that_follow(void **state)
{
    (void)state;
    static const char list[] = "1; 1259 10 INDEX public a postgres\n"
                               "2; 1259 11 INDEX public b postgres\n"
                               "3; 1259 12 INDEX public c postgres\n";
    static const char script[] = PREAMBLE
        "SET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n" HEAD("1",
            "1259", "10", "",
            "a; Type: INDEX; Schema: public; Owner: postgres") "A;\n\n"
                                                               "SET default_tablespace = \"fa "
                                                               "st\";\n\n" HEAD("2", "1259", "11",
                                                                   "",
                                                                   "b; Type: INDEX; Schema: "
                                                                   "public; Owner: o; Tablespace: "
                                                                   "fa st") "B;\n\n" HEAD("3",
                                                                   "1259", "12", "",
                                                                   "c; Type: INDEX; Schema: "
                                                                   "public; Owner: o") "C;"
                                                                                       "\n" TRAILER;
    struct toc t;
    parse(list, script, &t);
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
    static const char list[] = "1; 0 0 COMMENT public TABLE a postgres\n";
    static const char script[] = PREAMBLE HEAD("1", "0", "0", "",
        "TABLE a; Type: COMMENT; Schema: public; Owner: o") "COMMENT ON TABLE public.a IS 'x\nSET "
                                                            "default_tablespace = a';\n" TRAILER;
    struct toc t;
    parse(list, script, &t);
    assert_string_equal(
        t.items[0].sql, "COMMENT ON TABLE public.a IS 'x\nSET default_tablespace = a';");
    toc_free(&t);
}

static void
privileges_and_event_triggers_come_in_later_passes(void **state)
{
    (void)state;
    /* Listed in dump order; written behind everything else. */
    static const char list[] = "1; 0 0 ACL public TABLE a postgres\n"
                               "2; 3466 20 EVENT TRIGGER - e postgres\n"
                               "3; 1259 30 TABLE public a postgres\n";
    static const char script[] = PREAMBLE HEAD(
        "3", "1259", "30", "", "a; Type: TABLE; Schema: public; Owner: o") "T;\n\n" HEAD("1", "0",
        "0", "", "TABLE a; Type: ACL; Schema: public; Owner: o") "G;\n\n" HEAD("2", "3466", "20",
        "", "e; Type: EVENT TRIGGER; Schema: -; Owner: o") "E;\n" TRAILER;
    struct toc t;
    parse(list, script, &t);
    assert_int_equal(t.len, 3);
    assert_string_equal(t.items[0].type, "TABLE");
    assert_string_equal(t.items[1].type, "ACL");
    assert_string_equal(t.items[2].type, "EVENT TRIGGER");
    assert_string_equal(t.items[2].schema, "-");
    toc_free(&t);
}

static void
an_order_that_is_not_known_is_accepted(void **state)
{
    (void)state;
    static const char list[] = "1; 1259 10 INDEX public a postgres\n"
                               "2; 1259 11 INDEX public b postgres\n";
    static const char script[] = PREAMBLE HEAD(
        "2", "1259", "11", "", "b; Type: INDEX; Schema: public; Owner: o") "B;\n\n" HEAD("1",
        "1259", "10", "", "a; Type: INDEX; Schema: public; Owner: o") "A;\n" TRAILER;
    struct toc t;
    parse(list, script, &t);
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
    char *list = x_printf("%s9999; 1259 4 TABLE public gone postgres\n", two_list);
    assert_false(toc_parse(list, two_script, &t, &err));
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "9999"));
    x_free(list);
}

static void
an_empty_section_has_no_entries(void **state)
{
    (void)state;
    struct toc t;
    parse(";\n; Selected TOC Entries:\n;\n", PREAMBLE TRAILER, &t);
    assert_int_equal(t.len, 0);
    toc_free(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_ids_names_and_its_whole_text),
        cmocka_unit_test(dependencies_are_dump_ids),
        cmocka_unit_test(preamble_and_trailer_belong_to_no_entry),
        cmocka_unit_test(a_header_inside_a_function_body_is_text),
        cmocka_unit_test(settings_between_entries_apply_to_all_that_follow),
        cmocka_unit_test(a_comment_that_ends_like_a_setting_stays_whole),
        cmocka_unit_test(privileges_and_event_triggers_come_in_later_passes),
        cmocka_unit_test(an_order_that_is_not_known_is_accepted),
        cmocka_unit_test(a_script_that_lacks_an_entry_is_refused),
        cmocka_unit_test(an_empty_section_has_no_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
