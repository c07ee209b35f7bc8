/* SPDX-License-Identifier: Apache-2.0
 *
 * What is encoded is decoded again, and no changed or missing bit passes.
 */
#include "agent/spool/format.h"
#include "tests/lib/unit.h"

static void
segment_header_comes_back(void **state)
{
    (void)state;
    struct segment_header in = {11, 22, 33, 44, 21, -66, 77, "sixteen bytes...", FILE_SEGMENT,
        FILE_PACKED, 2, "sixteen more...."};
    struct segment_header out;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;
    segment_header_encode(&in, bytes);
    assert_null(segment_header_decode(bytes, &out, &version));
    assert_int_equal(version, SEGMENT_VERSION);
    assert_memory_equal(&in, &out, sizeof(in));
    assert_memory_equal(bytes, "TGSPOOL\n\2\0\0\0\200\0\0\0\13", 17);
}

static void
no_bit_of_a_segment_header_may_flip(void **state)
{
    (void)state;
    struct segment_header in = {11, 22, 33, 44, 21, 66}, out;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;
    segment_header_encode(&in, bytes);
    for (unsigned bit = 0; bit < SEGMENT_HEADER_SIZE * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(segment_header_decode(bytes, &out, &version));
        assert_int_equal(version, 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
sign(uint8_t bytes[SEGMENT_HEADER_SIZE])
{
    uint64_t sum = format_sum(bytes, 120);
    memcpy(bytes + 120, &sum, sizeof(sum));
}

static void
newer_version_is_told_from_damage(void **state)
{
    (void)state;
    struct segment_header in = {11, 22, 33, 44, 21, 66}, out;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;
    segment_header_encode(&in, bytes);
    bytes[8] = 9;
    sign(bytes);
    assert_non_null(segment_header_decode(bytes, &out, &version));
    assert_int_equal(version, 9);
}

static void
reserved_bytes_of_a_header_must_be_zero(void **state)
{
    (void)state;
    struct segment_header in = {11, 22, 33, 44, 21, 66}, out;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;
    segment_header_encode(&in, bytes);
    bytes[100] = 1;
    sign(bytes);
    assert_non_null(segment_header_decode(bytes, &out, &version));
    in.begin = 23; /* behind the own number */
    segment_header_encode(&in, bytes);
    assert_non_null(segment_header_decode(bytes, &out, &version));
}

static void
block_header_comes_back_and_no_bit_may_flip(void **state)
{
    (void)state;
    struct block_header in = {1, 2, 3, 4, 50, 6, 5, BLOCK_OPEN | BLOCK_SCHEMA, 9}, out;
    uint8_t bytes[BLOCK_HEADER_SIZE];
    block_header_encode(&in, bytes);
    assert_null(block_header_decode(bytes, &out));
    assert_memory_equal(&in, &out, sizeof(in));
    for (unsigned bit = 0; bit < BLOCK_HEADER_SIZE * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(block_header_decode(bytes, &out));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
impossible_block_headers_are_refused(void **state)
{
    (void)state;
    static const struct block_header bad[] = {
        {.length = 10, .records = 0},
        {.length = 10, .records = 11},
        {.length = 10, .records = 1, .commits = 2},
        {.length = BLOCK_LENGTH_MAX + 1, .records = 1},
        {.length = 10, .records = 1, .flags = 32},
    };
    uint8_t bytes[BLOCK_HEADER_SIZE];
    struct block_header out;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        block_header_encode(&bad[i], bytes);
        assert_non_null(block_header_decode(bytes, &out));
    }
}

static void
footer_comes_back_and_no_bit_may_flip(void **state)
{
    (void)state;
    struct segment_footer in = {100, 2, 3, {4, 5, 6, 7, 8, 9, 10, false}, true, 2, 128, 13, "mac"};
    struct segment_footer out;
    uint8_t bytes[FOOTER_SIZE];
    segment_footer_encode(&in, bytes);
    assert_null(segment_footer_decode(bytes, &out));
    assert_int_equal(out.offset, 100);
    assert_int_equal(out.position, 2);
    assert_int_equal(out.synced, 3);
    assert_int_equal(out.tally.records, 4);
    assert_int_equal(out.tally.commits, 5);
    assert_int_equal(out.tally.first_position, 6);
    assert_int_equal(out.tally.last_position, 7);
    assert_int_equal(out.tally.first_close, 8);
    assert_int_equal(out.tally.first_received_us, 9);
    assert_int_equal(out.tally.last_received_us, 10);
    assert_true(out.open);
    assert_int_equal(out.entries, 2);
    assert_int_equal(out.index, 128);
    assert_int_equal(out.index_sum, 13);
    assert_memory_equal(out.mac, in.mac, MAC_SIZE);
    for (unsigned bit = 0; bit < FOOTER_SIZE * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(segment_footer_decode(bytes, &out));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
side_headers_and_odd_ones_are_told_apart(void **state)
{
    (void)state;
    struct segment_header side = {.feed_id = 1, .number = 7, .begin = 90, .kind = FILE_SIDE}, out;
    const struct segment_header bad[] = {
        {.number = 1, .begin = 1, .kind = 2},
        {.number = 1, .begin = 1, .flags = 2},
        {.number = 1, .begin = 1, .salt = {1}},
        {.number = 1, .begin = 1, .mac = {1}},
        {.number = 7, .begin = 1, .kind = FILE_SIDE, .base = 1},
        {.number = 7, .begin = 1, .kind = FILE_SIDE, .flags = FILE_PACKED},
    };
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;
    segment_header_encode(&side, bytes);
    assert_null(segment_header_decode(bytes, &out, &version));
    assert_memory_equal(&side, &out, sizeof(side));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        segment_header_encode(&bad[i], bytes);
        assert_non_null(segment_header_decode(bytes, &out, &version));
    }
}

static void
an_index_comes_back_and_no_bit_may_flip(void **state)
{
    (void)state;
    const struct index_entry in[2] = {{1, 2, 3}, {UINT64_MAX, 5, 6}};
    uint8_t bytes[INDEX_HEADER_SIZE + 2 * INDEX_ENTRY_SIZE];
    struct index_entry out;
    struct segment_footer f = {.entries = 2};
    index_header_encode(2, bytes);
    for (uint32_t i = 0; i < 2; i++) {
        index_entry_encode(&in[i], bytes + index_size(i));
        index_entry_decode(bytes, i, &out);
        assert_memory_equal(&in[i], &out, sizeof(out));
    }
    f.index_sum = format_sum(bytes, sizeof(bytes));
    assert_null(index_check(bytes, &f));
    for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(index_check(bytes, &f));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static const struct record samples[] = {
    {RECORD_BEGIN, UINT32_MAX, 0, 0, UINT64_MAX, INT64_MAX, {(const uint8_t *)"begin", 5}},
    {RECORD_DATA, 0, 0, 0, 0, INT64_MIN, {(const uint8_t *)"", 0}},
    {RECORD_DATA, 0, 0, 0, 0x123456789abcdef0, 0, {(const uint8_t *)"data", 4}},
    {RECORD_SCHEMA, 0, UINT32_MAX, 0, 1, -1, {(const uint8_t *)"schema", 6}},
    {RECORD_COMMIT, 0, 0, 0, 0x8000000000000000, 1, {(const uint8_t *)"commit", 6}},
    {RECORD_MARK, 0, 0, 0, 0x8000000000000001, 1, {(const uint8_t *)"", 0}},
    {RECORD_DISCARD, 0, 0, 0, 0, 127, {(const uint8_t *)"", 0}},
};
#define SAMPLES (sizeof(samples) / sizeof(*samples))

static void
records_come_back_one_behind_the_other(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct record_base base = {0, 5};
    size_t used = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t n = record_header_encode(
            &samples[i], samples[i].kind == RECORD_SCHEMA, &base, bytes + used);
        assert_true(n <= RECORD_HEADER_MAX);
        memcpy(bytes + used + n, samples[i].payload.data, samples[i].payload.len);
        used += n + samples[i].payload.len;
    }
    const uint8_t *at = bytes;
    base = (struct record_base){0, 5};
    for (size_t i = 0; i < SAMPLES; i++) {
        struct record out;
        bool repeated;
        assert_null(record_decode(&at, bytes + used, &base, &out, &repeated));
        assert_int_equal(repeated, samples[i].kind == RECORD_SCHEMA);
        assert_int_equal(out.kind, samples[i].kind);
        assert_int_equal(out.xid, samples[i].xid);
        assert_int_equal(out.key, samples[i].key);
        assert_int_equal(out.position, samples[i].position);
        assert_int_equal(out.received_us, samples[i].received_us);
        assert_true(slice_eq(out.payload, samples[i].payload));
    }
    assert_ptr_equal(at, bytes + used);
}

static void
ordinary_record_costs_few_bytes(void **state)
{
    (void)state;
    struct record_base base = {1000000, 77};
    struct record rec = {.kind = RECORD_DATA, .position = 1000040, .received_us = 77};
    uint8_t bytes[RECORD_HEADER_MAX];
    rec.payload.len = 100;
    assert_int_equal(record_header_encode(&rec, false, &base, bytes), 4);
}

static void
cut_record_is_refused_at_every_length(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_HEADER_MAX + 8];
    for (size_t i = 0; i < SAMPLES; i++) {
        struct record_base base = {0, 0};
        size_t n = record_header_encode(&samples[i], false, &base, bytes);
        memcpy(bytes + n, samples[i].payload.data, samples[i].payload.len);
        n += samples[i].payload.len;
        for (size_t len = 0; len < n; len++) {
            const uint8_t *at = bytes;
            struct record out;
            bool repeated;
            base = (struct record_base){0, 0};
            assert_non_null(record_decode(&at, bytes + len, &base, &out, &repeated));
            assert_ptr_equal(at, bytes);
        }
    }
}

static void
malformed_records_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\0\0\0\0", 4},                                          /* kind 0 */
        {"\10\0\0\0", 4},                                         /* kind 8 */
        {"\42\0\0\0", 4},                                         /* unknown bit */
        {"\22\0\0\0", 4},                                         /* repeated DATA */
        {"\2\377\377\377\377\377\377\377\377\377\2\0\0", 13},     /* 65 bits */
        {"\2\200\200\200\200\200\200\200\200\200\200\1\0\0", 14}, /* 11 bytes */
        {"\1\0\0\0\200\200\200\200\20", 9},                       /* xid of 33 bits */
        {"\2\377\377\377\377\377\377\377\377\377\1\0\0x", 14},    /* huge length */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const uint8_t *at = (const uint8_t *)bad[i].bytes;
        struct record_base base = {0, 0};
        struct record out;
        bool repeated;
        assert_non_null(record_decode(&at, at + bad[i].len, &base, &out, &repeated));
    }
}

static void
tally_counts_what_is_there(void **state)
{
    (void)state;
    struct tally a = {0}, b = {0}, empty = {0};
    const struct record first[] = {
        {.kind = RECORD_SCHEMA, .received_us = 10},
        {.kind = RECORD_DISCARD, .received_us = 11},
    };
    const struct record second[] = {
        {.kind = RECORD_MARK, .position = 5, .received_us = 12},
        {.kind = RECORD_BEGIN, .position = 6, .received_us = 13},
        {.kind = RECORD_COMMIT, .position = 7, .received_us = 14},
    };
    tally_add(&a, &first[0]);
    tally_add(&a, &first[1]);
    for (int i = 0; i < 3; i++) {
        tally_add(&b, &second[i]);
    }
    assert_int_equal(b.first_close, 7);
    tally_merge(&a, &empty);
    tally_merge(&a, &b);
    assert_int_equal(a.records, 5);
    assert_int_equal(a.commits, 1);
    assert_int_equal(a.first_position, 5);
    assert_int_equal(a.last_position, 7);
    assert_int_equal(a.first_close, 0); /* a DISCARD was the first */
    assert_int_equal(a.first_received_us, 10);
    assert_int_equal(a.last_received_us, 14);
    tally_merge(&empty, &b);
    assert_memory_equal(&empty, &b, sizeof(b));
}

static void
records_of_a_side_file_have_their_xid(void **state)
{
    (void)state;
    const struct record in[] = {
        {.kind = RECORD_DATA, .xid = UINT32_MAX, .position = 7, .received_us = 5},
        {.kind = RECORD_SCHEMA,
            .xid = 3,
            .key = UINT32_MAX,
            .position = UINT64_MAX / 2,
            .received_us = INT64_MIN},
        {.kind = RECORD_ABORTED, .xid = 1},
    };
    uint8_t bytes[3 * RECORD_HEADER_MAX];
    struct record_base base = {0, 5, true};
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = record_header_encode(&in[i], false, &base, bytes + used);
        assert_true(n <= RECORD_HEADER_MAX);
        used += n;
    }
    const uint8_t *at = bytes;
    base = (struct record_base){0, 5, true};
    for (size_t i = 0; i < 3; i++) {
        struct record out;
        bool repeated;
        assert_null(record_decode(&at, bytes + used, &base, &out, &repeated));
        assert_int_equal(out.kind, in[i].kind);
        assert_int_equal(out.xid, in[i].xid);
        assert_int_equal(out.key, in[i].key);
        assert_int_equal(out.position, in[i].position);
        assert_int_equal(out.received_us, in[i].received_us);
    }
    assert_ptr_equal(at, bytes + used);
}

static void
kinds_stand_where_they_belong(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned tag = 0; tag < 256; tag++) {
            uint8_t bytes[8] = {(uint8_t)tag};
            const uint8_t *at = bytes;
            struct record_base base = {0, 0, side != 0};
            struct record out;
            bool repeated;
            bool taken = record_decode(&at, bytes + sizeof(bytes), &base, &out, &repeated) == NULL;
            bool in_log = (tag >= RECORD_BEGIN && tag <= RECORD_LINK) || tag == 0x14;
            bool in_side = tag == RECORD_DATA || tag == RECORD_SCHEMA || tag == RECORD_ABORTED;
            assert_int_equal(taken, side ? in_side : in_log);
        }
    }
}

static void
a_link_comes_back_and_impossible_ones_are_refused(void **state)
{
    (void)state;
    const struct link in = {12, 5000, 30, 4000};
    const struct link bad[] = {{0, 5000, 30, 0}, {12, 128, 30, 0}, {12, 5000, 0, 0},
        {12, 5000, 30, 5000}, {12, 5000, 30, 128}};
    uint8_t bytes[LINK_SIZE + 1];
    struct link out;
    link_encode(&in, bytes);
    assert_null(link_decode(slice_of(bytes, LINK_SIZE), &out));
    assert_memory_equal(&in, &out, sizeof(in));
    assert_non_null(link_decode(slice_of(bytes, LINK_SIZE - 1), &out));
    assert_non_null(link_decode(slice_of(bytes, LINK_SIZE + 1), &out));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        link_encode(&bad[i], bytes);
        assert_non_null(link_decode(slice_of(bytes, LINK_SIZE), &out));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_header_comes_back),
        cmocka_unit_test(no_bit_of_a_segment_header_may_flip),
        cmocka_unit_test(newer_version_is_told_from_damage),
        cmocka_unit_test(reserved_bytes_of_a_header_must_be_zero),
        cmocka_unit_test(block_header_comes_back_and_no_bit_may_flip),
        cmocka_unit_test(impossible_block_headers_are_refused),
        cmocka_unit_test(side_headers_and_odd_ones_are_told_apart),
        cmocka_unit_test(an_index_comes_back_and_no_bit_may_flip),
        cmocka_unit_test(footer_comes_back_and_no_bit_may_flip),
        cmocka_unit_test(records_come_back_one_behind_the_other),
        cmocka_unit_test(ordinary_record_costs_few_bytes),
        cmocka_unit_test(records_of_a_side_file_have_their_xid),
        cmocka_unit_test(kinds_stand_where_they_belong),
        cmocka_unit_test(a_link_comes_back_and_impossible_ones_are_refused),
        cmocka_unit_test(cut_record_is_refused_at_every_length),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(tally_counts_what_is_there),
    };
    return cmocka_run_group_tests_name("spool format", tests, NULL, NULL);
}
