/* SPDX-License-Identifier: Apache-2.0
 *
 * Commas, escapes and numbers of the JSON emitter.
 */
#include <math.h>

#include "agent/base/json_writer.h"
#include "tests/lib/unit.h"

struct fixture {
    struct buf out;
    struct json_writer w;
};

static int
set_up(void **state)
{
    static struct fixture f;
    buf_init(&f.out, 1 << 16);
    json_init(&f.w, &f.out);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->out);
    return 0;
}

static void
elements_are_separated_by_commas(void **state)
{
    struct fixture *f = *state;
    json_array_begin(&f->w);
    json_object_begin(&f->w);
    json_object_end(&f->w);
    json_array_begin(&f->w);
    json_array_end(&f->w);
    json_null(&f->w);
    json_bool(&f->w, true);
    json_bool(&f->w, false);
    json_array_end(&f->w);
    assert_string_equal(buf_cstr(&f->out), "[{},[],null,true,false]");
}

static void
members_have_key_and_value(void **state)
{
    struct fixture *f = *state;
    json_object_begin(&f->w);
    json_kv_string(&f->w, "a", "x");
    json_kv_string(&f->w, "n", NULL);
    json_kv_u64(&f->w, "u", UINT64_MAX);
    json_kv_i64(&f->w, "i", INT64_MIN);
    json_kv_double(&f->w, "d", 0.5);
    json_kv_bool(&f->w, "b", true);
    json_key(&f->w, "o");
    json_object_begin(&f->w);
    json_kv_u64(&f->w, "p", 1);
    json_object_end(&f->w);
    json_key(&f->w, "l");
    json_array_begin(&f->w);
    json_u64(&f->w, 1);
    json_i64(&f->w, -1);
    json_array_end(&f->w);
    json_object_end(&f->w);
    assert_string_equal(buf_cstr(&f->out),
        "{\"a\":\"x\",\"n\":null,\"u\":18446744073709551615,\"i\":-9223372036854775808,"
        "\"d\":0.5,\"b\":true,\"o\":{\"p\":1},\"l\":[1,-1]}");
}

static void
string_becomes(struct fixture *f, const char *s, size_t len, const char *want)
{
    buf_reset(&f->out);
    json_init(&f->w, &f->out);
    json_string_n(&f->w, s, len);
    assert_string_equal(buf_cstr(&f->out), want);
}

static void
special_characters_are_escaped(void **state)
{
    struct fixture *f = *state;
    string_becomes(f, "\"\\/\b\f\n\r\t", 8, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    string_becomes(f, "\0\x1f\x7f", 3, "\"\\u0000\\u001f\x7f\"");
    string_becomes(f, "", 0, "\"\"");
}

static void
utf8_passes(void **state)
{
    struct fixture *f = *state;
    string_becomes(
        f, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void
bytes_that_are_not_utf8_are_replaced(void **state)
{
    struct fixture *f = *state;
    string_becomes(f,
        "a\xff"
        "b",
        3, "\"a\\ufffdb\"");
    string_becomes(f, "\x80", 1, "\"\\ufffd\"");
    string_becomes(f, "\xc3", 1, "\"\\ufffd\"");                       /* cut */
    string_becomes(f, "\xc3(", 2, "\"\\ufffd(\"");                     /* no continuation */
    string_becomes(f, "\xc0\x80", 2, "\"\\ufffd\\ufffd\"");            /* overlong */
    string_becomes(f, "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    string_becomes(f, "\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* too large */
}

static void
keys_are_escaped_too(void **state)
{
    struct fixture *f = *state;
    json_object_begin(&f->w);
    json_kv_bool(&f->w, "a\"b", false);
    json_object_end(&f->w);
    assert_string_equal(buf_cstr(&f->out), "{\"a\\\"b\":false}");
}

static void
doubles_come_back_the_same(void **state)
{
    struct fixture *f = *state;
    static const double values[] = {0.1, 1.0 / 3, 1e300, -2.5, 123456789.125, 5e-324};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        buf_reset(&f->out);
        json_init(&f->w, &f->out);
        json_double(&f->w, values[i]);
        assert_true(strtod(buf_cstr(&f->out), NULL) == values[i]);
    }
    buf_reset(&f->out);
    json_init(&f->w, &f->out);
    json_array_begin(&f->w);
    json_double(&f->w, 0.1);
    json_double(&f->w, (double)NAN);
    json_double(&f->w, (double)INFINITY);
    json_array_end(&f->w);
    assert_string_equal(buf_cstr(&f->out), "[0.1,null,null]");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(elements_are_separated_by_commas),
        TEST(members_have_key_and_value),
        TEST(special_characters_are_escaped),
        TEST(utf8_passes),
        TEST(bytes_that_are_not_utf8_are_replaced),
        TEST(keys_are_escaped_too),
        TEST(doubles_come_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
