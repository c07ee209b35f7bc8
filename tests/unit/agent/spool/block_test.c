/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks in memory.
 */
#include "agent/spool/block.h"
#include "tests/lib/unit.h"

static const struct block_place where = {.offset = 128, .position = 9, .synced = 64, .open = true};

static struct record
sample(enum record_kind kind, const char *payload)
{
    return (struct record){
        .kind = kind,
        .key = kind == RECORD_SCHEMA ? 16384 : 0,
        .position = 8,
        .received_us = 77,
        .payload = {(const uint8_t *)payload, strlen(payload)},
    };
}

static void
closed_block_says_what_is_in_it(void **state)
{
    (void)state;
    struct block b;
    struct block_header h;
    struct record schema = sample(RECORD_SCHEMA, "s"), commit = sample(RECORD_COMMIT, "c");
    block_init(&b, 100);
    assert_true(block_empty(&b));
    block_add(&b, &schema, false);
    block_add(&b, &commit, false);
    assert_false(block_empty(&b));
    struct slice bytes = block_close(&b, &where);
    assert_null(block_header_decode(bytes.data, &h));
    assert_int_equal(h.offset, 128);
    assert_int_equal(h.position, 9);
    assert_int_equal(h.synced, 64);
    assert_int_equal(h.records, 2);
    assert_int_equal(h.commits, 1);
    assert_int_equal(h.flags, BLOCK_OPEN | BLOCK_SCHEMA);
    assert_int_equal(h.received_us, 77);
    assert_int_equal(h.length, bytes.len - BLOCK_HEADER_SIZE);
    assert_int_equal(h.payload_sum, format_sum(bytes.data + BLOCK_HEADER_SIZE, h.length));
    block_reset(&b);
    block_add(&b, &schema, true);
    bytes = block_close(&b, &(struct block_place){0});
    assert_null(block_header_decode(bytes.data, &h));
    assert_int_equal(h.flags, BLOCK_SCHEMA | BLOCK_CARRIED);
    assert_int_equal(h.commits, 0);
    block_done(&b);
}

static void
failed_write_can_be_closed_again(void **state)
{
    (void)state;
    struct block b;
    struct record data = sample(RECORD_DATA, "first"), more = sample(RECORD_DATA, "second");
    struct block_header h;
    block_init(&b, 100);
    block_add(&b, &data, false);
    (void)block_close(&b, &where);
    block_add(&b, &more, false);
    struct slice bytes = block_close(&b, &where);
    assert_null(block_header_decode(bytes.data, &h));
    assert_int_equal(h.records, 2);
    block_done(&b);
}

static void
room_is_told_to_the_byte(void **state)
{
    (void)state;
    struct block b;
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';
    struct record rec = sample(RECORD_DATA, text);
    block_init(&b, 100);
    assert_true(block_takes(&b, 100));
    assert_false(block_takes(&b, 101));
    assert_true(block_has_room(&b, 100));
    block_add(&b, &rec, false); /* must not write beyond the buffer: checked by the sanitizer */
    assert_false(block_has_room(&b, 100));
    block_done(&b);
}

static void
single_block_is_the_same_as_a_buffered_one(void **state)
{
    (void)state;
    for (int repeated = 0; repeated < 2; repeated++) {
        struct block b;
        uint8_t head[BLOCK_SINGLE_MAX], all[BLOCK_SINGLE_MAX + 16];
        struct record rec = sample(RECORD_SCHEMA, "large enough");
        block_init(&b, 100);
        block_add(&b, &rec, repeated);
        struct slice bytes = block_close(&b, &where);
        size_t n = block_single(&rec, repeated, &where, head);
        memcpy(all, head, n);
        memcpy(all + n, rec.payload.data, rec.payload.len);
        assert_int_equal(n + rec.payload.len, bytes.len);
        assert_memory_equal(all, bytes.data, bytes.len);
        block_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_block_says_what_is_in_it),
        cmocka_unit_test(failed_write_can_be_closed_again),
        cmocka_unit_test(room_is_told_to_the_byte),
        cmocka_unit_test(single_block_is_the_same_as_a_buffered_one),
    };
    return cmocka_run_group_tests_name("spool block", tests, NULL, NULL);
}
