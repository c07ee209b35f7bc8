/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes as lines of JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/change_json.h"
#include "agent/cli/column_mask.h"

static struct buf text;
static struct column columns[3] = {
    {.name = "id", .type_oid = 23, .key = true},
    {.name = "note", .type_oid = 25},
    {.name = "blob", .type_oid = 17},
};
static const struct relation relation = {
    .schema = "public", .name = "t", .columns_len = 3, .columns = columns};

static const char *
line(const struct change *c)
{
    buf_reset(&text);
    change_json_write(&text, c);
    return buf_cstr(&text);
}

static int
begin(void **state)
{
    (void)state;
    buf_init(&text, 65536);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static void
masked_values_are_hidden_in_old_and_new_whatever_they_are(void **state)
{
    (void)state;
    struct value old[3] = {{VALUE_TEXT, slice_str("secret1")}, {VALUE_NULL}, {VALUE_NULL}};
    struct value new[3] = {
        {VALUE_TEXT, slice_str("secret2")}, {VALUE_NULL}, {VALUE_BINARY, slice_str("secret3")}};
    struct change c = {.kind = CHANGE_UPDATE,
        .position = {0x1A2B3C8, 2},
        .relation = &relation,
        .old_kind = OLD_KEY,
        .old = {3, old},
        .new = {3, new}};
    struct column_mask mask = {.len = 0};
    struct err err = ERR_INIT;
    assert_true(column_mask_add(&mask, "id", &err));
    assert_true(column_mask_add(&mask, "public.t.note", &err));
    assert_true(column_mask_add(&mask, "*.t.blob", &err));
    buf_reset(&text);
    change_json_write_masked(&text, &c, &mask);
    assert_string_equal(buf_cstr(&text),
        "{\"kind\":\"update\",\"position\":\"0/1A2B3C8\",\"ordinal\":2,\"table\":\"public.t\","
        "\"old\":{\"id\":\"***\"},\"new\":{\"id\":\"***\",\"note\":\"***\",\"blob\":\"***\"}}");
}

static void
update_shows_old_key_new_row_and_what_is_unchanged(void **state)
{
    (void)state;
    struct value old[3] = {{VALUE_TEXT, slice_str("1")}, {VALUE_NULL}, {VALUE_NULL}};
    struct value new[3] = {{VALUE_TEXT, slice_str("2")}, {VALUE_NULL}, {VALUE_UNCHANGED}};
    struct change c = {.kind = CHANGE_UPDATE,
        .position = {0x1A2B3C8, 2},
        .xid = 741,
        .relation = &relation,
        .old_kind = OLD_KEY,
        .old = {3, old},
        .new = {3, new}};
    assert_string_equal(line(&c),
        "{\"kind\":\"update\",\"position\":\"0/1A2B3C8\",\"ordinal\":2,\"xid\":741,"
        "\"table\":\"public.t\",\"old\":{\"id\":\"1\"},\"new\":{\"id\":\"2\",\"note\":null},"
        "\"unchanged\":[\"blob\"]}");
}

static void
binary_values_of_known_types_are_readable(void **state)
{
    (void)state;
    static const uint8_t minus_two[] = {0xff, 0xff, 0xff, 0xfe};
    static const uint8_t bytes[] = {0xde, 0xad};
    struct value new[3] = {{VALUE_BINARY, {minus_two, 4}}, {VALUE_BINARY, slice_str("hi\"")},
        {VALUE_BINARY, {bytes, 2}}};
    struct change c = {.kind = CHANGE_INSERT, .relation = &relation, .new = {3, new}};
    const char *l = line(&c);
    assert_non_null(
        strstr(l, "\"new\":{\"id\":\"-2\",\"note\":\"hi\\\"\",\"blob\":\"\\\\xdead\"}"));
    assert_non_null(strstr(l, "\"binary\":true"));
}

static void
binary_value_of_the_wrong_length_is_shown_as_bytes(void **state)
{
    (void)state;
    static const uint8_t three[] = {1, 2, 3};
    struct value new[3] = {{VALUE_BINARY, {three, 3}}, {VALUE_NULL}, {VALUE_NULL}};
    struct change c = {.kind = CHANGE_INSERT, .relation = &relation, .new = {3, new}};
    assert_non_null(strstr(line(&c), "\"id\":\"\\\\x010203\""));
}

static void
uuid_and_floats_are_readable(void **state)
{
    (void)state;
    struct column cols[2] = {{.name = "u", .type_oid = 2950}, {.name = "f", .type_oid = 701}};
    struct relation r = {.schema = "s", .name = "t", .columns_len = 2, .columns = cols};
    static const uint8_t uuid[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t half[8] = {0x3f, 0xe0};
    struct value new[2] = {{VALUE_BINARY, {uuid, 16}}, {VALUE_BINARY, {half, 8}}};
    struct change c = {.kind = CHANGE_INSERT, .relation = &r, .new = {2, new}};
    const char *l = line(&c);
    assert_non_null(strstr(l, "\"u\":\"00010203-0405-0607-0809-0a0b0c0d0e0f\""));
    assert_non_null(strstr(l, "\"f\":\"0.5\""));
}

static void
truncate_names_its_tables(void **state)
{
    (void)state;
    const struct relation *list[] = {&relation, &relation};
    struct change c = {
        .kind = CHANGE_TRUNCATE, .truncated = list, .truncated_len = 2, .cascade = true};
    const char *l = line(&c);
    assert_non_null(strstr(l, "\"tables\":[\"public.t\",\"public.t\"]"));
    assert_non_null(strstr(l, "\"cascade\":true"));
}

static void
begin_and_commit_have_the_time_of_the_commit(void **state)
{
    (void)state;
    struct change c = {
        .kind = CHANGE_COMMIT, .position = {0x100, 0}, .commit_us = 1700000000123000};
    const char *l = line(&c);
    assert_non_null(strstr(l, "\"committed\":\"2023-11-14T22:13:20.123Z\""));
    assert_null(strstr(l, "ordinal"));
}

static void
tuple_longer_than_the_relation_is_cut(void **state)
{
    (void)state;
    struct value new[5] = {{VALUE_NULL}, {VALUE_NULL}, {VALUE_NULL}, {VALUE_NULL}, {VALUE_NULL}};
    struct change c = {.kind = CHANGE_INSERT, .relation = &relation, .new = {5, new}};
    assert_non_null(strstr(line(&c), "\"new\":{\"id\":null,\"note\":null,\"blob\":null}"));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(masked_values_are_hidden_in_old_and_new_whatever_they_are),
        T(update_shows_old_key_new_row_and_what_is_unchanged),
        T(binary_values_of_known_types_are_readable),
        T(binary_value_of_the_wrong_length_is_shown_as_bytes),
        T(uuid_and_floats_are_readable),
        T(truncate_names_its_tables),
        T(begin_and_commit_have_the_time_of_the_commit),
        T(tuple_longer_than_the_relation_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
