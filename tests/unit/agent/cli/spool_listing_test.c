/* SPDX-License-Identifier: Apache-2.0
 *
 * What `spool ls` writes.
 */
#include <jansson.h>
#include <string.h>

#include "agent/cli/spool_listing.h"
#include "tests/lib/unit.h"

static struct spool_listing
example(void)
{
    struct spool_listing l = {0};
    struct spool_segment_info segment = {.file = "0000000001.seg",
        .number = 1,
        .bytes = 4096,
        .first_position = 0x100,
        .last_position = 0x200,
        .records = 9,
        .transactions = 2,
        .sealed = true,
        .packed = true,
        .key_id = 0x1122334455667788,
        .first_received_us = 1700000000000000,
        .last_received_us = 1700000001000000};
    spool_listing_segment(&segment, &l);
    segment =
        (struct spool_segment_info){.file = "0000000002.seg", .number = 2, .damage = "is damaged"};
    spool_listing_segment(&segment, &l);
    struct spool_side_info side = {
        .file = "0000000001-0000000003.side", .segment = 1, .serial = 3, .bytes = 512, .xid = 77};
    spool_listing_side(&side, &l);
    side = (struct spool_side_info){.file = "0000000004.open", .serial = 4, .bytes = 128};
    spool_listing_side(&side, &l);
    l.cursors.from = CURSORS_STORE;
    l.cursors.sinks_len = 2;
    l.cursors.sinks[0] =
        (struct spool_cursor){.name = "a", .position = 0x180, .has_behind = true, .behind = 100};
    l.cursors.sinks[1] = (struct spool_cursor){.name = "b"};
    return l;
}

static void
json_has_segments_sides_cursors_and_totals(void **state)
{
    (void)state;
    struct spool_listing l = example();
    struct buf out;
    buf_init(&out, 65536);
    spool_listing_json(&out, &l);
    json_t *j = json_loads(buf_cstr(&out), 0, NULL);
    assert_non_null(j);
    json_t *s = json_array_get(json_object_get(j, "segments"), 0);
    assert_string_equal(json_string_value(json_object_get(s, "state")), "packed");
    assert_string_equal(json_string_value(json_object_get(s, "key_id")), "1122334455667788");
    assert_string_equal(json_string_value(json_object_get(s, "last_position")), "0/200");
    s = json_array_get(json_object_get(j, "segments"), 1);
    assert_string_equal(json_string_value(json_object_get(s, "state")), "damaged");
    assert_string_equal(json_string_value(json_object_get(s, "error")), "is damaged");
    json_t *side = json_array_get(json_object_get(j, "side_files"), 0);
    assert_int_equal(json_integer_value(json_object_get(side, "xid")), 77);
    side = json_array_get(json_object_get(j, "side_files"), 1);
    assert_true(json_is_null(json_object_get(side, "segment")));
    assert_string_equal(json_string_value(json_object_get(j, "cursors_from")), "store");
    json_t *k = json_array_get(json_object_get(j, "sinks"), 0);
    assert_int_equal(json_integer_value(json_object_get(k, "behind_bytes")), 100);
    k = json_array_get(json_object_get(j, "sinks"), 1);
    assert_true(json_is_null(json_object_get(k, "behind_bytes")));
    json_t *t = json_object_get(j, "totals");
    assert_int_equal(json_integer_value(json_object_get(t, "side_file_bytes")), 640);
    assert_int_equal(json_integer_value(json_object_get(t, "segment_bytes")), 4096);
    json_decref(j);
    buf_done(&out);
    spool_listing_done(&l);
}

static void
text_names_states_keys_and_where_the_cursors_are_from(void **state)
{
    (void)state;
    struct spool_listing l = example();
    struct buf out;
    buf_init(&out, 65536);
    spool_listing_text(&out, &l);
    const char *text = buf_cstr(&out);
    static const char *const words[] = {"packed", "DAMAGED", "11223344", "linked", "77",
        "no agent answers", "2 side files with 640 B (1 open)", "commits from 0/100 to 0/200"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strstr(text, words[i])) {
            fail_msg("'%s' is not in:\n%s", words[i], text);
        }
    }
    l.cursors.from = CURSORS_AGENT;
    buf_reset(&out);
    spool_listing_text(&out, &l);
    assert_non_null(strstr(buf_cstr(&out), "as the running agent says"));
    buf_done(&out);
    spool_listing_done(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_segments_sides_cursors_and_totals),
        cmocka_unit_test(text_names_states_keys_and_where_the_cursors_are_from),
    };
    return cmocka_run_group_tests_name("spool listing", tests, NULL, NULL);
}
