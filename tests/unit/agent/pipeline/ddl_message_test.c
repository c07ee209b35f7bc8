/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages as the source's triggers write them, and as anybody else might.
 */
#include <stdio.h>
#include <string.h>

#include "agent/pipeline/ddl_message.h"
#include "tests/lib/unit.h"

static struct ddl_message message;
static struct err err;

static int
setup(void **state)
{
    (void)state;
    err = (struct err)ERR_INIT;
    message = (struct ddl_message){0};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ddl_message_done(&message);
    return 0;
}

static bool
parse(const char *text)
{
    ddl_message_done(&message);
    err_clear(&err);
    return ddl_message_parse(slice_of(text, strlen(text)), &message, &err);
}

static void
assert_refused(const char *text, const char *why)
{
    assert_false(parse(text));
    assert_int_equal(err.class, ERR_FATAL);
    if (!strstr(err.text, why)) {
        fail_msg("'%s' is not in '%s'", why, err.text);
    }
    assert_null(message.json);
}

static void
a_whole_message_is_read(void **state)
{
    (void)state;
    assert_true(parse(
        "{\"v\":1,\"token\":\"t\",\"tag\":\"ALTER "
        "TABLE\",\"query\":\"q\",\"context\":\"c\",\"nth\":2,"
        "\"instead\":\"i\",\"failed\":\"f\",\"unpublished\":true,\"user\":\"u\",\"role\":\"r\","
        "\"search_path\":\"p\",\"objects\":[{\"type\":\"table\",\"schema\":\"s\",\"identity\":\"s."
        "t\","
        "\"table_schema\":\"s\",\"table\":\"t\",\"relkind\":\"r\",\"relation\":7,\"temp\":true}],"
        "\"dropped\":[{\"type\":\"view\",\"schema\":\"s\",\"name\":\"v\",\"identity\":\"s.v\","
        "\"oid\":8,"
        "\"original\":true,\"temp\":true}],"
        "\"copy\":[{\"publication\":\"b\",\"schema\":\"s\",\"name\":\"t\",\"reason\":\"why\","
        "\"oid\":9}],"
        "\"new\":[{\"publication\":\"b\",\"schema\":\"s\",\"name\":\"n\",\"oid\":4294967295}],"
        "\"missing\":[{\"schema\":\"s\",\"name\":\"t\",\"column\":\"c\",\"value\":\"5\"},"
        "{\"schema\":\"s\",\"name\":\"t\",\"column\":\"d\"}],\"settings\":{\"TimeZone\":\"UTC\"}"
        "}"));
    assert_string_equal(message.token, "t");
    assert_string_equal(message.tag, "ALTER TABLE");
    assert_string_equal(message.instead, "i");
    assert_true(message.unpublished && message.nth == 2);
    assert_int_equal(message.objects_len, 1);
    assert_true(message.objects[0].relkind == 'r' && message.objects[0].relation == 7);
    assert_true(message.objects[0].temporary);
    assert_int_equal(message.dropped_len, 1);
    assert_true(message.dropped[0].original && message.dropped[0].temporary);
    assert_int_equal(message.dropped[0].oid, 8);
    assert_true(message.copies_len == 1 && message.copies[0].oid == 9);
    assert_string_equal(message.copies[0].reason, "why");
    assert_true(message.news_len == 1 && message.news[0].oid == UINT32_MAX);
    assert_null(message.news[0].reason);
    assert_int_equal(message.missing_len, 2);
    assert_string_equal(message.missing[0].value, "5");
    assert_null(message.missing[1].value);
    assert_int_equal(message.settings_len, 1);
    assert_string_equal(message.settings[0].value, "UTC");
}

static void
the_tag_is_enough(void **state)
{
    (void)state;
    assert_true(parse("{\"v\":1,\"tag\":\"GRANT\"}"));
    assert_null(message.token);
    assert_null(message.query);
    assert_null(message.failed);
    assert_false(message.unpublished);
    assert_int_equal(message.nth, 0);
    assert_int_equal(message.objects_len + message.dropped_len + message.copies_len +
                         message.news_len + message.missing_len + message.settings_len,
        0);
}

static const char *const members[] = {"token", "query", "context", "instead", "failed", "user",
    "role", "search_path", "unpublished", "nth", "objects", "dropped", "copy", "new", "missing",
    "settings"};

/* A value of every type in the place of every member: none says anything, and none is read. */
static void
members_of_another_type_say_nothing(void **state)
{
    (void)state;
    static const char *const values[] = {"null", "false", "1.5", "-1", "4294967296", "[]", "{}",
        "[null, 1, \"x\", [], {}]", "{\"a\":1}"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            char text[200];
            snprintf(
                text, sizeof(text), "{\"v\":1,\"tag\":\"T\",\"%s\":%s}", members[i], values[k]);
            assert_true(parse(text));
            assert_null(message.token);
            assert_null(message.query);
            assert_null(message.failed);
            assert_null(message.instead);
            assert_false(message.unpublished);
            assert_int_equal(message.nth, 0);
            assert_int_equal(
                message.copies_len + message.news_len + message.missing_len + message.settings_len,
                0);
            for (size_t n = 0; n < message.objects_len; n++) {
                assert_null(message.objects[n].type);
                assert_true(message.objects[n].relkind == 0 && !message.objects[n].temporary);
            }
            for (size_t n = 0; n < message.dropped_len; n++) {
                assert_null(message.dropped[n].name);
                assert_false(message.dropped[n].original);
            }
        }
    }
}

static void
tables_and_values_without_a_name_are_left_out(void **state)
{
    (void)state;
    assert_true(parse(
        "{\"v\":1,\"tag\":\"T\",\"copy\":[{\"schema\":\"s\",\"name\":\"t\"},"
        "{\"publication\":\"b\",\"name\":\"t\"},{\"publication\":\"b\",\"schema\":\"s\"},"
        "{\"publication\":\"b\",\"schema\":\"s\",\"name\":\"kept\"}],"
        "\"missing\":[{\"schema\":\"s\",\"name\":\"t\"},{\"name\":\"t\",\"column\":\"c\"}]}"));
    assert_int_equal(message.copies_len, 1);
    assert_string_equal(message.copies[0].name, "kept");
    assert_int_equal(message.missing_len, 0);
}

static void
another_version_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"v\":2,\"tag\":\"T\"}", "version 2");
    assert_non_null(strstr(err.hint, "another version"));
    assert_refused("{\"v\":\"1\",\"tag\":\"T\"}", "version 0");
    assert_refused("{\"tag\":\"T\"}", "version 0");
    assert_refused("{\"v\":1}", "version 1");
    assert_refused("{\"v\":1,\"tag\":5}", "version 1");
}

static void
what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "null", "[]", "\"text\"", "{",
        "{\"v\":1,\"tag\":\"T\"} more", "{\"v\":1,\"tag\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i], "not readable");
    }
    assert_false(ddl_message_parse(slice_of("{\"v\":1,\"tag\":\"T\"}\0", 18), &message, &err));
    assert_false(ddl_message_parse(slice_of(NULL, 0), &message, &err));
}

/* A text with a NUL ends there for whoever reads it as a string; nothing is read behind its end. */
static void
a_nul_in_a_text_ends_it(void **state)
{
    (void)state;
    assert_true(parse("{\"v\":1,\"tag\":\"DROP\\u0000 TABLE\",\"query\":\"\\u0000\"}"));
    assert_string_equal(message.tag, "DROP");
    assert_string_equal(message.query, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_whole_message_is_read),
        T(the_tag_is_enough),
        T(members_of_another_type_say_nothing),
        T(tables_and_values_without_a_name_are_left_out),
        T(another_version_is_refused),
        T(what_is_no_object_is_refused),
        T(a_nul_in_a_text_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
