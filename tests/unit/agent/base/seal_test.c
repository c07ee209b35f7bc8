/* SPDX-License-Identifier: Apache-2.0
 *
 * What was sealed opens again, for the same key and purpose alone, and no bit of it may flip.
 */
#include "agent/base/seal.h"
#include "tests/lib/unit.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define TEXT  "the row's value"

struct fixture {
    struct key_ring *ring, *other;
    struct buf sealed, out;
    struct err err;
};

static void
setup(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_true(key_ring_new(HEX_A, NULL, 0, &f->ring, &f->err));
    assert_true(key_ring_new(HEX_B, NULL, 0, &f->other, &f->err));
    buf_init(&f->sealed, 4096);
    buf_init(&f->out, 4096);
    assert_true(seal_bytes(f->ring->current, "test", slice_str(TEXT), &f->sealed, &f->err));
}

static void
teardown(struct fixture *f)
{
    key_ring_free(f->ring);
    key_ring_free(f->other);
    buf_done(&f->sealed);
    buf_done(&f->out);
}

static void
sealed_bytes_open_again_and_show_nothing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_null(memmem(f.sealed.data, f.sealed.len, "row", 3));
    assert_true(
        unseal_bytes(f.ring, "test", slice_of(f.sealed.data, f.sealed.len), &f.out, &f.err));
    assert_string_equal(buf_cstr(&f.out), TEXT);
    teardown(&f);
}

static void
the_same_bytes_never_look_the_same(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_true(seal_bytes(f.ring->current, "test", slice_str(TEXT), &f.out, &f.err));
    assert_int_equal(f.out.len, f.sealed.len);
    assert_memory_not_equal(f.out.data + 12, f.sealed.data + 12, f.out.len - 12);
    teardown(&f);
}

static void
empty_bytes_can_be_sealed(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    buf_reset(&f.sealed);
    assert_true(seal_bytes(f.ring->current, "test", slice_of("", 0), &f.sealed, &f.err));
    assert_true(
        unseal_bytes(f.ring, "test", slice_of(f.sealed.data, f.sealed.len), &f.out, &f.err));
    assert_int_equal(f.out.len, 0);
    teardown(&f);
}

static void
no_bit_may_flip_and_none_may_be_missing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (size_t bit = 0; bit < f.sealed.len * 8; bit++) {
        f.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(
            unseal_bytes(f.ring, "test", slice_of(f.sealed.data, f.sealed.len), &f.out, &f.err));
        f.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < f.sealed.len; len++) {
        assert_false(unseal_bytes(f.ring, "test", slice_of(f.sealed.data, len), &f.out, &f.err));
    }
    assert_int_equal(f.out.len, 0);
    teardown(&f);
}

static void
another_key_or_purpose_does_not_open(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct slice sealed = slice_of(f.sealed.data, f.sealed.len);
    assert_false(unseal_bytes(f.other, "test", sealed, &f.out, &f.err));
    assert_int_equal(f.err.class, ERR_CONFIG);
    assert_false(unseal_bytes(NULL, "test", sealed, &f.out, &f.err));
    assert_int_equal(f.err.class, ERR_CONFIG);
    assert_non_null(strstr(f.err.hint, "spool.encryption_key"));
    assert_false(unseal_bytes(f.ring, "toast", sealed, &f.out, &f.err));
    assert_int_equal(f.err.class, ERR_FATAL);
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_bytes_open_again_and_show_nothing),
        cmocka_unit_test(the_same_bytes_never_look_the_same),
        cmocka_unit_test(empty_bytes_can_be_sealed),
        cmocka_unit_test(no_bit_may_flip_and_none_may_be_missing),
        cmocka_unit_test(another_key_or_purpose_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
