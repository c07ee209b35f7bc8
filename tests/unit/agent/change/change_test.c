/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes in words: kinds and keys.
 */
#include "agent/change/change.h"
#include "tests/lib/unit.h"

#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* The key of an insert whose only column has this type and value. */
static void
key_is(uint32_t type, struct value v, const char *want)
{
    char out[256];
    struct column column = {"k", type, -1, true};
    struct relation r = {1, 1, "s", "t", 'd', 1, &column};
    struct change c = {.kind = CHANGE_INSERT, .relation = &r, .new = {1, &v}};
    assert_string_equal(change_describe_key(&c, out, sizeof out), want);
}

static void
binary_is(uint32_t type, const void *data, size_t len, const char *want)
{
    key_is(type, (struct value){VALUE_BINARY, slice_of(data, len)}, want);
}

static void
text_is(uint32_t type, const char *text, const char *want)
{
    key_is(type, (struct value){VALUE_TEXT, slice_str(text)}, want);
}

static void
every_kind_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"unknown", "begin", "commit", "discard", "mark", "insert",
        "update", "delete", "truncate", "message", "prepare", "commit prepared",
        "rollback prepared", "unknown"};
    for (int k = 0; k <= CHANGE_ROLLBACK_PREPARED + 1; k++) {
        assert_string_equal(change_kind_name((enum change_kind)k), names[k]);
    }
}

static void
binary_values_of_common_types_are_readable(void **state)
{
    (void)state;
    binary_is(21, "\xff\xfe", 2, "k=-2");
    binary_is(23, "\0\0\0\x11", 4, "k=17");
    binary_is(23, "\x80\0\0\0", 4, "k=-2147483648");
    binary_is(20, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8, "k=9223372036854775807");
    binary_is(20, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "k=-1");
    binary_is(16, "\1", 1, "k=true");
    binary_is(16, "\0", 1, "k=false");
    binary_is(25, "eu", 2, "k='eu'");
    binary_is(1043, "", 0, "k=''");
    binary_is(2950, "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16,
        "k=01234567-89ab-cdef-0123-456789abcdef");
}

static void
other_binary_values_are_hex(void **state)
{
    (void)state;
    binary_is(17, "\xde\xad", 2, "k=\\xdead");
    binary_is(701, "", 0, "k=\\x");
}

static void
a_length_that_does_not_fit_the_type_is_hex(void **state)
{
    (void)state;
    binary_is(21, "\1", 1, "k=\\x01");
    binary_is(23, "\1\2", 2, "k=\\x0102");
    binary_is(20, "\1\2\3\4", 4, "k=\\x01020304");
    binary_is(16, "", 0, "k=\\x");
    binary_is(2950, "\1\2", 2, "k=\\x0102");
}

static void
text_values_are_quoted_unless_numbers(void **state)
{
    (void)state;
    text_is(23, "17", "k=17");
    text_is(20, "-5", "k=-5");
    text_is(16, "t", "k=true");
    text_is(16, "f", "k=false");
    text_is(2950, "01234567-89ab-cdef-0123-456789abcdef", "k=01234567-89ab-cdef-0123-456789abcdef");
    text_is(25, "O'Neill", "k='O''Neill'");
    text_is(1082, "2026-01-01", "k='2026-01-01'");
    text_is(25, "two\nlines\x7f", "k='two?lines?'");
}

static void
null_and_unchanged_are_words(void **state)
{
    (void)state;
    key_is(25, (struct value){.status = VALUE_NULL}, "k=NULL");
    key_is(25, (struct value){.status = VALUE_UNCHANGED}, "k=(unchanged)");
}

static struct column three[] = {
    {"id", 23, -1, true}, {"note", 25, -1, false}, {"region", 25, -1, true}};
static struct relation orders = {1, 1, "public", "orders", 'd', 3, three};
static struct value old_values[] = {
    {VALUE_TEXT, BYTES("1")}, {.status = VALUE_NULL}, {VALUE_TEXT, BYTES("eu")}};
static struct value new_values[] = {
    {VALUE_TEXT, BYTES("2")}, {VALUE_TEXT, BYTES("x")}, {VALUE_TEXT, BYTES("us")}};

static void
only_key_columns_are_shown(void **state)
{
    (void)state;
    char out[64];
    struct change c = {.kind = CHANGE_INSERT, .relation = &orders, .new = {3, new_values}};
    assert_ptr_equal(change_describe_key(&c, out, sizeof out), out);
    assert_string_equal(out, "id=2, region='us'");
}

static void
the_old_tuple_is_used_when_there_is_one(void **state)
{
    (void)state;
    char out[64];
    struct change c = {.kind = CHANGE_UPDATE,
        .relation = &orders,
        .old_kind = OLD_KEY,
        .old = {3, old_values},
        .new = {3, new_values}};
    assert_string_equal(change_describe_key(&c, out, sizeof out), "id=1, region='eu'");
    c.old_kind = OLD_FULL;
    assert_string_equal(change_describe_key(&c, out, sizeof out), "id=1, region='eu'");
    c.old_kind = OLD_NONE;
    assert_string_equal(change_describe_key(&c, out, sizeof out), "id=2, region='us'");
}

static void
without_key_or_row_there_is_nothing_to_say(void **state)
{
    (void)state;
    char out[64] = "x";
    struct change commit = {.kind = CHANGE_COMMIT};
    assert_string_equal(change_describe_key(&commit, out, sizeof out), "");
    struct column plain = {"note", 25, -1, false};
    struct relation r = {1, 1, "s", "t", 'n', 1, &plain};
    struct change c = {.kind = CHANGE_INSERT, .relation = &r, .new = {1, new_values}};
    assert_string_equal(change_describe_key(&c, out, sizeof out), "");
}

static void
a_tuple_shorter_than_its_relation_is_not_overread(void **state)
{
    (void)state;
    char out[64];
    struct change c = {.kind = CHANGE_INSERT, .relation = &orders, .new = {1, new_values}};
    assert_string_equal(change_describe_key(&c, out, sizeof out), "id=2");
}

static void
what_does_not_fit_is_cut_with_dots(void **state)
{
    (void)state;
    static const char full[] = "id=2, region='us'";
    struct change c = {.kind = CHANGE_INSERT, .relation = &orders, .new = {3, new_values}};
    for (size_t cap = 1; cap <= sizeof full + 2; cap++) {
        char *out = malloc(cap); /* of this very size, for the address sanitizer */
        const char *got = change_describe_key(&c, out, cap);
        assert_true(strlen(got) < cap);
        if (cap >= sizeof full) {
            assert_string_equal(got, full);
        } else if (cap > 3) {
            assert_string_equal(got + strlen(got) - 3, "...");
            assert_int_equal(strncmp(got, full, strlen(got) - 3), 0);
        }
        free(out);
    }
    assert_string_equal(change_describe_key(&c, NULL, 0), "");
}

static void
a_cut_does_not_split_a_character(void **state)
{
    (void)state;
    struct value v = {VALUE_TEXT, BYTES("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac")};
    struct column column = {"k", 25, -1, true};
    struct relation r = {1, 1, "s", "t", 'd', 1, &column};
    struct change c = {.kind = CHANGE_INSERT, .relation = &r, .new = {1, &v}};
    char out[13]; /* room for k=' and five bytes and a half character */
    assert_string_equal(change_describe_key(&c, out, sizeof out), "k='\xe2\x82\xac\xe2\x82\xac...");
    assert_string_equal(change_describe_key(&c, out, 12), "k='\xe2\x82\xac...");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(binary_values_of_common_types_are_readable),
        cmocka_unit_test(other_binary_values_are_hex),
        cmocka_unit_test(a_length_that_does_not_fit_the_type_is_hex),
        cmocka_unit_test(text_values_are_quoted_unless_numbers),
        cmocka_unit_test(null_and_unchanged_are_words),
        cmocka_unit_test(only_key_columns_are_shown),
        cmocka_unit_test(the_old_tuple_is_used_when_there_is_one),
        cmocka_unit_test(without_key_or_row_there_is_nothing_to_say),
        cmocka_unit_test(a_tuple_shorter_than_its_relation_is_not_overread),
        cmocka_unit_test(what_does_not_fit_is_cut_with_dots),
        cmocka_unit_test(a_cut_does_not_split_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
