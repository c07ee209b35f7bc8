/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON reader: values as they stand, escapes, and everything that is refused.
 */
#include "decoders/json_pull.h"
#include "tests/lib/unit.h"

static struct json_scalar
scalar(struct arena *a, const char *text, bool *ok)
{
    struct json_pull p;
    struct json_scalar v = {0};
    json_pull_init(&p, slice_str(text), a);
    *ok = json_pull_scalar(&p, &v) && p.at == p.end;
    return v;
}

static void
gives(const char *text, enum json_kind kind, const char *expected)
{
    struct arena a;
    bool ok;
    arena_init(&a, 1024, 0);
    struct json_scalar v = scalar(&a, text, &ok);
    assert_true(ok);
    assert_int_equal(v.kind, kind);
    if (expected) {
        assert_true(slice_eq(v.text, slice_str(expected)));
    }
    arena_done(&a);
}

static void
refuses(const char *text)
{
    struct arena a;
    bool ok;
    arena_init(&a, 1024, 0);
    (void)scalar(&a, text, &ok);
    assert_false(ok);
    arena_done(&a);
}

static void
numbers_are_never_converted(void **state)
{
    (void)state;
    gives("123456789012345678901234567890.123456789012345678901234567890", JSON_NUMBER,
        "123456789012345678901234567890.123456789012345678901234567890");
    gives("-0", JSON_NUMBER, "-0");
    gives("1e-300", JSON_NUMBER, "1e-300");
    gives("9223372036854775807", JSON_NUMBER, "9223372036854775807");
}

static void
strings_lose_their_escapes_and_nothing_else(void **state)
{
    (void)state;
    gives("\"\"", JSON_STRING, "");
    gives("\"plain gr\xc3\xbc\xc3\x9f\"", JSON_STRING, "plain gr\xc3\xbc\xc3\x9f");
    gives("\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\"", JSON_STRING, "a\"b\\c/\b\f\n\r\t");
    gives("\"\\u0001\\u00e9\\u20ac\\ud83d\\ude00\"", JSON_STRING,
        "\x01\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    gives("\"null\"", JSON_STRING, "null");
    gives("null", JSON_NULL, NULL);
    gives("true", JSON_TRUE, "true");
    gives("false", JSON_FALSE, "false");
}

static void
what_is_no_value_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"",
        "\"\\u0000\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "nul", "tru", "x", "{",
        "]", "\"\\u12"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuses(bad[i]);
    }
}

static unsigned
members(const char *text, bool *ok)
{
    struct arena a;
    struct json_pull p;
    struct slice name;
    unsigned n = 0;
    arena_init(&a, 1024, 0);
    json_pull_init(&p, slice_str(text), &a);
    json_pull_open(&p, '{');
    while (json_pull_member(&p, &name) && json_pull_skip(&p)) {
        n++;
    }
    *ok = json_pull_ok(&p) && p.at == p.end;
    arena_done(&a);
    return n;
}

static void
members_are_counted_and_skipped(void **state)
{
    (void)state;
    bool ok;
    assert_int_equal(members("{}", &ok), 0);
    assert_true(ok);
    assert_int_equal(
        members("{ \"a\" : [1,{\"b\":[]},\"]\"] , \"c\":{\"d\":{}},\"e\":null}", &ok), 3);
    assert_true(ok);
    static const char *const bad[] = {"{\"a\"}", "{\"a\":}", "{\"a\":1 \"b\":2}", "{\"a\":[1}",
        "{,}", "{\"a\":1", "{\"a\":1}x", "[]", "{1:2}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)members(bad[i], &ok);
        assert_false(ok);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_never_converted),
        cmocka_unit_test(strings_lose_their_escapes_and_nothing_else),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(members_are_counted_and_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
