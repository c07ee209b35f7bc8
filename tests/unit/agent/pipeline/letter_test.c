/* SPDX-License-Identifier: Apache-2.0
 *
 * What a letter holds survives the way there and back, and which changes may not pass it.
 */
#include <stdio.h>

#include "agent/pipeline/letter.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

#define KEY_TEXT   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_TEXT "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct column pair[] = {{"id", 23, -1, true}, {"v", 25, -1, false}};
static struct relation t, other;

static int
setup(void **state)
{
    (void)state;
    t = rows_relation(1, "public", "t", 'd', pair, 2);
    other = rows_relation(2, "public", "other", 'd', pair, 2);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    rows_free();
    return 0;
}

static struct letter_rows
rows_of(struct change c)
{
    struct letter_rows rows;
    assert_true(letter_rows_of(&c, &rows));
    return rows;
}

static uint64_t
held_by(const struct letter_held *h, struct change c)
{
    struct letter_rows rows = rows_of(c);
    return letter_held_by(h, &rows);
}

static void
hold(struct letter_held *h, struct change c, uint64_t id)
{
    struct letter_rows rows = rows_of(c);
    letter_held_add(h, &rows, id);
}

static void
a_change_is_held_by_the_first_letter_of_its_row(void **state)
{
    (void)state;
    struct letter_held h = {0};
    assert_int_equal(held_by(&h, rows_insert(&t, ROW("1", "x"))), 0);
    hold(&h, rows_insert(&t, ROW("1", "x")), 5);
    hold(&h, rows_update(&t, ROW("1", "y")), 6);
    assert_int_equal(held_by(&h, rows_update(&t, ROW("1", "z"))), 5);
    assert_int_equal(held_by(&h, rows_delete(&t, ROW("1", NULL))), 5);
    assert_int_equal(held_by(&h, rows_update(&t, ROW("2", "z"))), 0);
    assert_int_equal(held_by(&h, rows_update(&other, ROW("1", "z"))), 0);
    letter_held_done(&h);
}

static void
a_change_of_the_key_holds_the_row_before_and_after(void **state)
{
    (void)state;
    struct letter_held h = {0};
    hold(&h, rows_update_key(&t, ROW("1", NULL), ROW("2", "x")), 5);
    assert_int_equal(held_by(&h, rows_insert(&t, ROW("1", "x"))), 5);
    assert_int_equal(held_by(&h, rows_update(&t, ROW("2", "x"))), 5);
    assert_int_equal(held_by(&h, rows_update_key(&t, ROW("3", NULL), ROW("2", "x"))), 5);
    assert_int_equal(held_by(&h, rows_update(&t, ROW("3", "x"))), 0);
    letter_held_done(&h);
}

static struct change
truncate(const struct relation *const *list, uint32_t len)
{
    return (struct change){.kind = CHANGE_TRUNCATE, .truncated = list, .truncated_len = len};
}

static void
a_truncate_and_the_rows_of_its_table_hold_each_other(void **state)
{
    (void)state;
    struct letter_held h = {0};
    const struct relation *one[] = {&t}, *two[] = {&other};
    hold(&h, rows_insert(&t, ROW("1", "x")), 5);
    assert_int_equal(held_by(&h, truncate(one, 1)), 5);
    assert_int_equal(held_by(&h, truncate(two, 1)), 0);
    hold(&h, truncate(two, 1), 6);
    assert_int_equal(held_by(&h, rows_insert(&other, ROW("9", "x"))), 6);
    assert_int_equal(held_by(&h, rows_insert(&t, ROW("9", "x"))), 0);
    letter_held_done(&h);
}

static void
many_rows_are_told_apart(void **state)
{
    (void)state;
    struct letter_held h = {0};
    char id[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof id, "%d", i);
        hold(&h, rows_insert(&t, ROW(id, "x")), (uint64_t)i + 1);
    }
    for (int i = 0; i < 6000; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(held_by(&h, rows_insert(&t, ROW(id, "x"))), i < 3000 ? i + 1 : 0);
    }
    letter_held_done(&h);
}

static void
a_head_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b;
    buf_init(&b, 4096);
    struct letter_head in = {.rows = rows_of(rows_update_key(&t, ROW("1", NULL), ROW("2", "x"))),
        .error = slice_str("no"),
        .key = slice_str("id=1")};
    struct letter_head out;
    letter_write_head(&b, &in);
    assert_true(letter_read_head(slice_of(b.data, b.len), &out, &err));
    assert_int_equal(out.rows.relations[0], 1);
    assert_int_equal(out.rows.hashes_len, 2);
    assert_true(out.rows.hashes[1] == in.rows.hashes[1]);
    assert_true(slice_eq(out.error, in.error));
    assert_true(slice_eq(out.key, in.key));
    for (size_t len = 0; len < b.len; len++) {
        assert_false(letter_read_head(slice_of(b.data, len), &out, &err));
        assert_int_equal(err.class, ERR_FATAL);
    }
    buf_done(&b);
}

static void
with_a_key_nothing_is_in_clear_and_another_key_does_not_open_it(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key_ring *keys = NULL, *others = NULL, *none = NULL;
    struct buf kept, plain;
    buf_init(&kept, 4096);
    buf_init(&plain, 4096);
    assert_true(key_ring_new(KEY_TEXT, NULL, 0, &keys, &err));
    assert_true(key_ring_new(OTHER_TEXT, NULL, 0, &others, &err));
    assert_true(key_ring_new(NULL, NULL, 0, &none, &err));
    assert_true(letter_seal(keys, slice_str("a secret row"), &kept, &err));
    assert_null(memmem(kept.data, kept.len, "secret", 6));
    assert_false(letter_unseal(others, slice_of(kept.data, kept.len), &plain, &err));
    assert_false(letter_unseal(none, slice_of(kept.data, kept.len), &plain, &err));
    buf_reset(&plain);
    assert_true(letter_unseal(keys, slice_of(kept.data, kept.len), &plain, &err));
    assert_string_equal(buf_cstr(&plain), "a secret row");
    buf_reset(&kept);
    buf_reset(&plain);
    assert_true(letter_seal(none, slice_str("plain"), &kept, &err));
    assert_true(letter_unseal(keys, slice_of(kept.data, kept.len), &plain, &err));
    assert_string_equal(buf_cstr(&plain), "plain");
    assert_false(letter_unseal(keys, slice_of("", 0), &plain, &err));
    buf_done(&kept);
    buf_done(&plain);
    key_ring_free(keys);
    key_ring_free(others);
    key_ring_free(none);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_change_is_held_by_the_first_letter_of_its_row),
        CASE(a_change_of_the_key_holds_the_row_before_and_after),
        CASE(a_truncate_and_the_rows_of_its_table_hold_each_other),
        CASE(many_rows_are_told_apart),
        CASE(a_head_survives_the_way_there_and_back),
        CASE(with_a_key_nothing_is_in_clear_and_another_key_does_not_open_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
