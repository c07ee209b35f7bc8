/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices, the growing buffer at and over its ceiling, and the reader at the end of its bytes.
 */
#include <string.h>

#include "agent/base/buf.h"
#include "tests/lib/unit.h"

static void
slices_compare_by_content(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_str("abc"), slice_of("abcd", 3)));
    assert_false(slice_eq(slice_str("abc"), slice_str("abd")));
    assert_false(slice_eq(slice_str("abc"), slice_str("ab")));
    assert_true(slice_eq(slice_of(NULL, 0), slice_str("")));
}

static void
appends_add_up(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_str(&b, "a");
    buf_bytes(&b, "bcd", 2);
    buf_bytes(&b, NULL, 0);
    buf_printf(&b, "%d%s", 42, "");
    buf_printf(&b, "%s", "");
    assert_string_equal(buf_cstr(&b), "abc42");
    assert_int_equal(b.len, 5);
    buf_done(&b);
}

static void
integers_are_in_network_order(void **state)
{
    (void)state;
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct buf b;
    buf_init(&b, 100);
    buf_u8(&b, 1);
    buf_u16(&b, 0x0203);
    buf_u32(&b, 0x04050607);
    buf_u64(&b, 0x08090a0b0c0d0e0full);
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
    buf_done(&b);
}

static void
the_ceiling_can_be_filled_exactly(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_str(&b, "abc");
    buf_printf(&b, "%s", "de");
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "abcde");
    assert_in_range(b.cap, 5, 5);
    buf_done(&b);
}

static void
one_byte_over_the_ceiling_fails_and_keeps_the_content(void **state)
{
    (void)state;
    struct buf b;
    struct err e = ERR_INIT;
    buf_init(&b, 5);
    buf_str(&b, "abcde");
    buf_u8(&b, 'f');
    assert_true(b.failed);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "abcde", 5);
    assert_string_equal(buf_cstr(&b), "");
    assert_false(buf_ok(&b, "row", &e));
    assert_int_equal(e.class, ERR_DATA);
    assert_string_equal(e.text, "row: larger than the 5 bytes that are allowed for it");
    buf_done(&b);
}

static void
after_a_failure_smaller_appends_do_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_str(&b, "abcdef");
    buf_str(&b, "a");
    buf_printf(&b, "b");
    assert_null(buf_reserve(&b, 1));
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void
printf_over_the_ceiling_fails(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_printf(&b, "%06d", 1);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void
reset_empties_and_forgives(void **state)
{
    (void)state;
    struct buf b;
    struct err e = ERR_INIT;
    buf_init(&b, 5);
    buf_str(&b, "abc");
    buf_str(&b, "defg");
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_true(buf_ok(&b, "x", &e));
    buf_str(&b, "hello");
    assert_string_equal(buf_cstr(&b), "hello");
    buf_done(&b);
}

static void
reserve_gives_room_to_write(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    for (int i = 0; i < 100; i++) {
        uint8_t *p = buf_reserve(&b, 100);
        assert_non_null(p);
        memset(p, i, 100);
        b.len += 100;
    }
    assert_int_equal(b.data[9999], 99);
    assert_int_equal(b.data[0], 0);
    assert_null(buf_reserve(&b, 1));
    buf_done(&b);
}

static void
absurd_sizes_fail(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_str(&b, "abc");
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    assert_true(b.failed);
    buf_reset(&b);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void
a_zero_buf_can_be_done_and_is_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(buf_cstr(&b), "");
    buf_done(&b);
}

static void
reader_reads_what_buf_wrote(void **state)
{
    (void)state;
    struct buf b;
    struct reader r;
    buf_init(&b, 100);
    buf_u8(&b, 0xfe);
    buf_u16(&b, 0xfedc);
    buf_u32(&b, 0xfedcba98);
    buf_u64(&b, 0xfedcba9876543210ull);
    buf_bytes(&b, "text", 5);
    buf_str(&b, "tail");
    reader_init(&r, slice_of(b.data, b.len));
    assert_int_equal(reader_u8(&r), 0xfe);
    assert_int_equal(reader_u16(&r), 0xfedc);
    assert_int_equal(reader_u32(&r), 0xfedcba98);
    assert_true(reader_u64(&r) == 0xfedcba9876543210ull);
    assert_string_equal(reader_cstr(&r), "text");
    assert_int_equal(reader_left(&r), 4);
    assert_false(reader_end(&r));
    assert_true(slice_eq(reader_bytes(&r, 4), slice_str("tail")));
    assert_true(reader_ok(&r));
    assert_true(reader_end(&r));
    buf_done(&b);
}

static void
reader_fails_once_and_stays_failed(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, slice_of("\1\2\3", 3));
    assert_int_equal(reader_u32(&r), 0);
    assert_false(reader_ok(&r));
    assert_false(reader_end(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_u16(&r), 0);
    assert_true(reader_u64(&r) == 0);
    assert_int_equal(reader_bytes(&r, 1).len, 0);
    assert_int_equal(reader_bytes(&r, 0).len, 0);
    assert_string_equal(reader_cstr(&r), "");
    assert_int_equal(reader_left(&r), 0);
}

static void
reader_wants_a_nul_behind_a_string(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, slice_of("abc", 3));
    assert_string_equal(reader_cstr(&r), "");
    assert_false(reader_ok(&r));
}

static void
reader_refuses_lengths_beyond_the_end(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, slice_of("abc", 3));
    struct slice s = reader_bytes(&r, SIZE_MAX);
    assert_null(s.data);
    assert_int_equal(s.len, 0);
    assert_false(reader_ok(&r));
}

static void
an_empty_reader_is_at_its_end(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, slice_of(NULL, 0));
    assert_true(reader_end(&r));
    assert_int_equal(reader_bytes(&r, 0).len, 0);
    assert_true(reader_ok(&r));
    assert_string_equal(reader_cstr(&r), "");
    assert_false(reader_ok(&r));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_content),
        cmocka_unit_test(appends_add_up),
        cmocka_unit_test(integers_are_in_network_order),
        cmocka_unit_test(the_ceiling_can_be_filled_exactly),
        cmocka_unit_test(one_byte_over_the_ceiling_fails_and_keeps_the_content),
        cmocka_unit_test(after_a_failure_smaller_appends_do_nothing),
        cmocka_unit_test(printf_over_the_ceiling_fails),
        cmocka_unit_test(reset_empties_and_forgives),
        cmocka_unit_test(reserve_gives_room_to_write),
        cmocka_unit_test(absurd_sizes_fail),
        cmocka_unit_test(a_zero_buf_can_be_done_and_is_empty),
        cmocka_unit_test(reader_reads_what_buf_wrote),
        cmocka_unit_test(reader_fails_once_and_stays_failed),
        cmocka_unit_test(reader_wants_a_nul_behind_a_string),
        cmocka_unit_test(reader_refuses_lengths_beyond_the_end),
        cmocka_unit_test(an_empty_reader_is_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
