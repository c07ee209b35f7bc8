/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoting: nothing that a name or a value contains ends its quotes.
 */
#include "agent/pg/ident.h"
#include "tests/lib/unit.h"

static struct buf out;

static const char *
ident(const char *name)
{
    buf_reset(&out);
    sql_ident(&out, name);
    return buf_cstr(&out);
}

static const char *
literal(const char *text)
{
    buf_reset(&out);
    sql_literal(&out, text);
    return buf_cstr(&out);
}

static void
names_are_always_quoted_and_quotes_doubled(void **state)
{
    (void)state;
    assert_string_equal(ident("orders"), "\"orders\"");
    assert_string_equal(ident("Mixed Case"), "\"Mixed Case\"");
    assert_string_equal(ident("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
    buf_reset(&out);
    sql_qualified(&out, "s.x", "t\"y");
    assert_string_equal(buf_cstr(&out), "\"s.x\".\"t\"\"y\"");
}

static void
literals_double_quotes_and_escape_backslashes(void **state)
{
    (void)state;
    assert_string_equal(literal("plain"), "'plain'");
    assert_string_equal(literal("it's"), "'it''s'");
    assert_string_equal(literal("a\\'b"), "E'a\\\\''b'");
    assert_string_equal(literal(""), "''");
}

static int
setup(void **state)
{
    (void)state;
    buf_init(&out, 4096);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_always_quoted_and_quotes_doubled),
        cmocka_unit_test(literals_double_quotes_and_escape_backslashes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
