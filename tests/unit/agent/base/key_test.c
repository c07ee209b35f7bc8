/* SPDX-License-Identifier: Apache-2.0
 *
 * Forms of a key's text, and what is derived from one against numbers that were computed with
 * another library (Python's hmac).
 */
#include "agent/base/key.h"
#include "tests/lib/unit.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define B64_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void
hex_and_base64_give_the_same_key(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key *a, *b, *c;
    assert_true(key_parse(HEX_A, &a, &err));
    assert_true(key_parse(B64_A, &b, &err));
    assert_true(
        key_parse("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", &c, &err));
    assert_int_equal(key_id(a), key_id(b));
    assert_int_equal(key_id(a), key_id(c));
    assert_true(key_id(a) == 0x2f3ba28ee8c34e03u);
    key_free(a);
    key_free(b);
    key_free(c);
}

static void
other_texts_are_refused_and_not_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
        HEX_A "00",
        (" " HEX_A),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH!8=",
        "correct horse battery staple",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct err err = ERR_INIT;
        struct key *k;
        assert_false(key_parse(bad[i], &k, &err));
        assert_null(k);
        assert_int_equal(err.class, ERR_CONFIG);
        assert_null(strstr(err.text, "0203"));
        assert_null(strstr(err.text, "horse"));
        assert_null(strstr(err.text, "AAEC"));
    }
}

static void
derived_bytes_are_those_of_rfc_5869(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key *k;
    uint8_t out[KEY_SIZE];
    static const uint8_t want[] = {0x76, 0x07, 0xc6, 0x63, 0xc5, 0x07, 0xf7, 0x11, 0x4d, 0x2d, 0x7b,
        0x79, 0x6d, 0xec, 0xc0, 0x96, 0xb8, 0xe7, 0x9a, 0x6a, 0xed, 0xa7, 0x2b, 0xbd, 0x4a, 0xa6,
        0xcb, 0x49, 0x47, 0xfa, 0xcf, 0x24};
    assert_true(key_parse(HEX_A, &k, &err));
    assert_true(key_derive(k, slice_of("0123456789abcdef", 16), "tidegate spool block", out, &err));
    assert_memory_equal(out, want, KEY_SIZE);
    key_free(k);
}

static void
a_mac_runs_over_the_pieces(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint8_t key[KEY_SIZE] = {1}, one[KEY_MAC_SIZE], two[KEY_MAC_SIZE];
    const struct slice whole = slice_of("abcdef", 6);
    const struct slice parts[] = {slice_of("abc", 3), slice_of("def", 3)};
    assert_true(key_mac(key, &whole, 1, one, &err));
    assert_true(key_mac(key, parts, 2, two, &err));
    assert_true(key_equal(one, two, sizeof(one)));
    key[0] = 2;
    assert_true(key_mac(key, parts, 2, two, &err));
    assert_false(key_equal(one, two, sizeof(one)));
}

static void
a_ring_finds_the_current_key_and_the_old_ones(void **state)
{
    (void)state;
    static const char *const old[] = {
        "1111111111111111111111111111111111111111111111111111111111111111",
        "2222222222222222222222222222222222222222222222222222222222222222"};
    struct err err = ERR_INIT;
    struct key_ring *ring;
    assert_true(key_ring_new(HEX_A, old, 2, &ring, &err));
    assert_ptr_equal(key_ring_find(ring, key_id(ring->current)), ring->current);
    assert_ptr_equal(key_ring_find(ring, key_id(ring->old[1])), ring->old[1]);
    assert_null(key_ring_find(ring, 12345));
    assert_null(key_ring_find(NULL, 12345));
    key_ring_free(ring);
    static const char *const wrong[] = {"no key"};
    assert_false(key_ring_new(NULL, wrong, 1, &ring, &err));
    assert_null(ring);
    assert_true(key_ring_new(NULL, NULL, 0, &ring, &err));
    assert_null(ring->current);
    key_ring_free(ring);
    key_ring_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_and_base64_give_the_same_key),
        cmocka_unit_test(other_texts_are_refused_and_not_shown),
        cmocka_unit_test(derived_bytes_are_those_of_rfc_5869),
        cmocka_unit_test(a_mac_runs_over_the_pieces),
        cmocka_unit_test(a_ring_finds_the_current_key_and_the_old_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
