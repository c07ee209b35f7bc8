/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool with a key: nothing of it can be read, changed, exchanged or left out without the key,
 * and keys can be changed.
 */
#include <fcntl.h>

#include "agent/spool/codec.h"
#include "agent/spool/directory.h"
#include "agent/spool/replay.h"
#include "tests/unit/agent/spool/spool_util.h"

#define MARKER "4417-1234-5678-9113"
#define ONE    DIR "/0000000001.seg"
#define TWO    DIR "/0000000002.seg"

struct fixture {
    struct fake_fs *fs;
    struct key_ring *a, *b, *b_then_a, *none;
    struct feed f;
    struct err err;
};

static void
setup(struct fixture *fx)
{
    *fx = (struct fixture){.fs = fake_fs_new()};
    fx->a = make_keys(KEY_HEX_A, NULL);
    fx->b = make_keys(KEY_HEX_B, NULL);
    fx->b_then_a = make_keys(KEY_HEX_B, KEY_HEX_A);
    fx->none = make_keys(NULL, KEY_HEX_B);
    feed_init(&fx->f, 5);
}

static void
teardown(struct fixture *fx)
{
    key_ring_free(fx->a);
    key_ring_free(fx->b);
    key_ring_free(fx->b_then_a);
    key_ring_free(fx->none);
    feed_done(&fx->f);
    fake_fs_free(fx->fs);
}

static struct spool *
open_with(struct fixture *fx, const struct key_ring *keys)
{
    struct spool_options o = small_options(fx->fs);
    o.keys = keys;
    return open_spool(&o);
}

/* `n` more records under these keys. */
static void
grow(struct fixture *fx, const struct key_ring *keys, unsigned n)
{
    struct err err = ERR_INIT;
    struct spool *s = open_with(fx, keys);
    feed_give(&fx->f, s, n);
    feed_finish(&fx->f, s);
    ok(spool_sync(s, &err));
    spool_close(s);
}

static void
refused(struct fixture *fx, const struct key_ring *keys, enum err_class class, const char *text)
{
    struct spool_options o = small_options(fx->fs);
    struct spool *s;
    struct err err = ERR_INIT;
    o.keys = keys;
    fails(spool_open(&o, &s, &err), class);
    if (strstr(err.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.text);
    }
    fx->err = err;
}

/* The header of a segment on the disk. */
static struct segment_header
header_of(struct fixture *fx, unsigned number)
{
    char path[64];
    size_t len;
    uint32_t version;
    struct segment_header h;
    snprintf(path, sizeof(path), DIR "/%010u.seg", number);
    const uint8_t *bytes = fake_fs_file(fx->fs, path, &len);
    assert_non_null(bytes);
    assert_null(segment_header_decode(bytes, &h, &version));
    return h;
}

static void
no_value_is_on_the_disk_in_clear(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    struct err err = ERR_INIT;
    struct spool *s = open_with(&fx, fx.a);
    char large[4000];
    memset(large, 'x', sizeof(large));
    memcpy(large + 2000, MARKER, strlen(MARKER));
    for (unsigned i = 0; i < 60; i++) {
        struct slice payload =
            i % 9 == 8 ? slice_of(large, sizeof(large)) : slice_str("value " MARKER);
        const struct record recs[] = {
            {.kind = RECORD_SCHEMA, .key = 1, .position = 2000 + i, .payload = payload},
            {.kind = RECORD_BEGIN, .position = 2000 + 2 * i},
            {.kind = RECORD_DATA, .position = 2000 + i, .payload = payload},
            {.kind = RECORD_COMMIT, .position = 2001 + 2 * i, .payload = slice_str(MARKER)},
        };
        for (size_t k = 0; k < 4; k++) {
            ok(spool_append(s, &recs[k], &err));
        }
    }
    ok(spool_sync(s, &err));
    unsigned files = 0;
    for (unsigned n = 1;; n++) {
        char path[64];
        size_t len;
        snprintf(path, sizeof(path), DIR "/%010u.seg", n);
        const uint8_t *bytes = fake_fs_file(fx.fs, path, &len);
        if (bytes == NULL) {
            break;
        }
        assert_null(memmem(bytes, len, MARKER, 8));
        assert_null(memmem(bytes, len, "value", 5));
        files++;
    }
    assert_true(files > 3);
    spool_close(s);
    teardown(&fx);
}

static void
what_was_encrypted_is_read_again(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 300);
    struct spool *s = open_with(&fx, fx.a);
    for (uint64_t p = 1000; p < fx.f.position; p += 97) {
        check_from(s, &fx.f, p);
    }
    check_from(s, &fx.f, 0);
    spool_close(s);
    teardown(&fx);
}

static void
without_its_key_a_spool_is_refused(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 300);
    refused(&fx, NULL, ERR_CONFIG, "0000000001.seg' is encrypted, and no key is configured");
    assert_non_null(strstr(fx.err.hint, "spool.encryption_key"));
    refused(&fx, fx.b, ERR_CONFIG, "none of the configured keys is the one");
    assert_non_null(strstr(fx.err.hint, "spool.old_encryption_keys"));
    assert_null(strstr(fx.err.text, "0011"));
    teardown(&fx);
}

static void
a_new_key_is_used_from_the_next_segment_on(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, NULL, 5); /* no key at first */
    grow(&fx, fx.a, 5);
    grow(&fx, fx.b_then_a, 5);
    grow(&fx, fx.b_then_a, 0); /* nothing is written, nothing begins */
    assert_int_equal(header_of(&fx, 1).key_id, 0);
    assert_int_equal(header_of(&fx, 2).key_id, key_id(fx.a->current));
    assert_int_equal(header_of(&fx, 3).key_id, key_id(fx.b->current));
    refused(&fx, fx.b, ERR_CONFIG, "0000000002.seg");
    refused(&fx, fx.none, ERR_CONFIG, "0000000002.seg");
    struct spool *s = open_with(&fx, fx.b_then_a);
    check_from(s, &fx.f, 0);
    spool_close(s);
    teardown(&fx);
}

static void
encryption_can_be_given_up(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.b, 5);
    grow(&fx, fx.none, 5);
    assert_int_equal(header_of(&fx, 1).key_id, key_id(fx.b->current));
    assert_int_equal(header_of(&fx, 2).key_id, 0);
    struct spool *s = open_with(&fx, fx.none);
    check_from(s, &fx.f, 0);
    spool_close(s);
    teardown(&fx);
}

static void
a_transaction_left_open_is_closed_under_the_new_key(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    struct err err = ERR_INIT;
    struct spool *s = open_with(&fx, fx.a);
    const struct record begin = {.kind = RECORD_BEGIN, .position = 2000, .received_us = 1};
    ok(spool_append(s, &begin, &err));
    ok(spool_sync(s, &err));
    spool_close(s);
    spool_close(open_with(&fx, fx.b_then_a));
    assert_int_equal(header_of(&fx, 2).key_id, key_id(fx.b->current));
    assert_int_equal(header_of(&fx, 2).begin, 1);
    spool_close(open_with(&fx, fx.b_then_a));
    teardown(&fx);
}

/* Sealing, a new segment and the first records under the new key, stopped before each operation. */
static void
a_stop_at_any_moment_of_a_key_change_loses_nothing(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        struct fixture fx;
        struct err err = ERR_INIT;
        setup(&fx);
        grow(&fx, fx.a, 20);
        struct spool_options o = small_options(fx.fs);
        o.keys = fx.b_then_a;
        struct spool *s;
        uint64_t begin = fx.f.position + 1;
        const struct record recs[] = {{.kind = RECORD_BEGIN, .position = begin, .received_us = 1},
            {.kind = RECORD_COMMIT, .position = begin + 1, .received_us = 1}};
        fake_fs_stop_before(fx.fs, nth);
        done = spool_open(&o, &s, &err);
        if (s != NULL) {
            done = spool_append(s, &recs[0], &err) && spool_append(s, &recs[1], &err) &&
                   spool_sync(s, &err);
            spool_close(s);
        }
        fake_fs_crash(fx.fs, nth);
        s = open_spool(&o);
        assert_true(spool_appended(s) >= fx.f.position);
        if (done) {
            assert_int_equal(spool_appended(s), begin + 1);
            feed_keep(&fx.f, &recs[0]);
            feed_keep(&fx.f, &recs[1]);
        }
        if (spool_appended(s) == fx.f.position || done) {
            check_from(s, &fx.f, 0);
        }
        spool_close(s);
        assert_true(nth < 100);
        teardown(&fx);
    }
}

static void
sign_header(uint8_t *bytes)
{
    uint64_t sum = format_sum(bytes, 120);
    memcpy(bytes + 120, &sum, sizeof(sum));
}

/* Reads the whole spool as `spool verify` does. */
static bool
verify(struct fixture *fx, struct err *err)
{
    const struct fs *fs = fake_fs_get(fx->fs);
    struct directory_options o = {.fs = fs, .path = DIR, .live = true, .keys = fx->a};
    struct directory dir;
    bool good = directory_read(&o, &dir, err);
    for (size_t i = 0; good && i < dir.count; i++) {
        char path[SEGMENT_PATH_MAX];
        struct replay_result found;
        assert_true(segment_path(DIR, dir.segments[i].header.number, false, path, err));
        int fd = fs->open(fs, path, O_RDONLY, 0);
        struct replay in = {.fs = fs,
            .fd = fd,
            .path = path,
            .seg = &dir.segments[i],
            .newest = i + 1 == dir.count,
            .keys = fx->a};
        good = replay_segment(&in, &found, err);
        (void)fs->close(fs, fd);
    }
    directory_done(&dir);
    return good;
}

/* Somebody who knows the format changes one byte and makes all sums right again. */
static void
forge(uint8_t *bytes, size_t len, size_t at)
{
    struct block_header h;
    struct segment_footer f;
    uint64_t sum;
    uint32_t low;
    assert_null(segment_footer_decode(bytes + len - FOOTER_SIZE, &f));
    bytes[at] ^= 1;
    sign_header(bytes);
    for (size_t b = SEGMENT_HEADER_SIZE; b < f.index; b += BLOCK_HEADER_SIZE + h.length) {
        memcpy(&h.length, bytes + b + 40, 4);
        if (b + BLOCK_HEADER_SIZE + h.length > f.index) {
            break;
        }
        sum = format_sum(bytes + b + BLOCK_HEADER_SIZE, h.length);
        memcpy(bytes + b + 8, &sum, 8);
        low = (uint32_t)format_sum(bytes + b + 8, BLOCK_HEADER_SIZE - 8);
        memcpy(bytes + b + 4, &low, 4);
    }
    sum = format_sum(bytes + f.index, index_size(f.entries));
    memcpy(bytes + len - FOOTER_SIZE + 104, &sum, 8);
    low = (uint32_t)format_sum(bytes + len - FOOTER_SIZE + 8, FOOTER_SIZE - 8);
    memcpy(bytes + len - FOOTER_SIZE + 4, &low, 4);
}

/* Is it one of the sums, which forge() writes itself? */
static bool
is_sum(const uint8_t *bytes, size_t len, size_t at)
{
    struct segment_footer f;
    uint32_t length;
    assert_null(segment_footer_decode(bytes + len - FOOTER_SIZE, &f));
    size_t foot = len - FOOTER_SIZE;
    if ((at >= 120 && at < 128) || (at >= foot + 4 && at < foot + 8) ||
        (at >= foot + 104 && at < foot + 112)) {
        return true;
    }
    for (size_t b = SEGMENT_HEADER_SIZE; b < f.index; b += BLOCK_HEADER_SIZE + length) {
        memcpy(&length, bytes + b + 40, 4);
        if (at >= b + 4 && at < b + 16) {
            return true;
        }
    }
    return false;
}

static void
no_byte_can_be_changed_by_who_makes_the_sums_right(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 120);
    struct err err = ERR_INIT;
    ok(verify(&fx, &err));
    size_t len;
    uint8_t *bytes = fake_fs_file(fx.fs, TWO, &len);
    uint8_t *was = malloc(len);
    memcpy(was, bytes, len);
    for (size_t at = 0; at < len; at++) {
        if (is_sum(was, len, at)) {
            continue;
        }
        forge(bytes, len, at);
        err_clear(&err);
        assert_false(verify(&fx, &err));
        if (strstr(err.text, "0000000002.seg") == NULL) {
            fail_msg("byte %zu: '%s'", at, err.text);
        }
        memcpy(bytes, was, len);
    }
    free(was);
    ok(verify(&fx, &err));
    teardown(&fx);
}

static void
segments_of_another_spool_do_not_fit(void **state)
{
    (void)state;
    struct fixture fx, other;
    setup(&fx);
    setup(&other);
    grow(&fx, fx.a, 120);
    grow(&other, other.a, 120); /* the same key and the same records */
    size_t len, other_len;
    const uint8_t *bytes = fake_fs_file(fx.fs, TWO, &len);
    const uint8_t *theirs = fake_fs_file(other.fs, TWO, &other_len);
    assert_int_equal(len, other_len);
    assert_memory_not_equal(bytes + 300, theirs + 300, 100);
    /* A block alone does not fit; the salt is another one. */
    uint8_t *mixed = malloc(len);
    memcpy(mixed, bytes, len);
    memcpy(mixed + SEGMENT_HEADER_SIZE, theirs + SEGMENT_HEADER_SIZE, 500);
    fake_fs_put(fx.fs, TWO, mixed, len);
    struct err err = ERR_INIT;
    fails(verify(&fx, &err), ERR_FATAL);
    assert_non_null(strstr(err.text, "0000000002.seg"));
    free(mixed);
    teardown(&fx);
    teardown(&other);
}

/* Takes the second block out, and makes places and sums right behind it. */
static void
a_block_cannot_be_left_out(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 120);
    size_t len;
    uint8_t *bytes = fake_fs_file(fx.fs, TWO, &len);
    struct block_header first, h;
    struct segment_footer f;
    assert_null(block_header_decode(bytes + SEGMENT_HEADER_SIZE, &first));
    size_t gone = SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE + first.length;
    assert_null(block_header_decode(bytes + gone, &h));
    size_t shift = BLOCK_HEADER_SIZE + h.length;
    assert_null(segment_footer_decode(bytes + len - FOOTER_SIZE, &f));
    uint8_t *cut = malloc(len);
    memcpy(cut, bytes, gone);
    memcpy(cut + gone, bytes + gone + shift, len - gone - shift);
    for (size_t at = gone; at < f.index - shift; at += BLOCK_HEADER_SIZE + h.length) {
        assert_null(block_header_decode(cut + at, &h));
        h.offset -= shift;
        block_header_encode(&h, cut + at);
    }
    fake_fs_put(fx.fs, TWO, cut, len - shift);
    struct err err = ERR_INIT;
    fails(verify(&fx, &err), ERR_FATAL);
    assert_non_null(strstr(err.text, "0000000002.seg"));
    free(cut);
    teardown(&fx);
}

static void
a_reader_refuses_what_was_forged(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 120);
    struct spool *s = open_with(&fx, fx.a);
    size_t len;
    uint8_t *bytes = fake_fs_file(fx.fs, TWO, &len);
    struct block_header h;
    assert_null(block_header_decode(bytes + SEGMENT_HEADER_SIZE, &h));
    size_t second = SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE + h.length;
    forge(bytes, len, second + BLOCK_HEADER_SIZE + 20);
    struct spool_reader *r;
    struct record rec;
    struct err err = ERR_INIT;
    bool got = true, good = true;
    ok(spool_reader_open(s, 0, &r, &err));
    while (good && got) {
        good = spool_reader_next(r, &rec, &got, &err);
    }
    assert_false(good);
    assert_non_null(strstr(err.text, "0000000002.seg"));
    assert_non_null(strstr(err.text, "without the key"));
    spool_reader_close(r);
    spool_close(s);
    teardown(&fx);
}

static void
a_forged_block_of_the_newest_is_no_torn_tail(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    grow(&fx, fx.a, 3);
    size_t len;
    uint8_t *bytes = fake_fs_file(fx.fs, ONE, &len);
    struct block_header h;
    assert_null(block_header_decode(bytes + SEGMENT_HEADER_SIZE, &h));
    bytes[SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE] ^= 1;
    h.payload_sum = format_sum(bytes + SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE, h.length);
    block_header_encode(&h, bytes + SEGMENT_HEADER_SIZE);
    refused(&fx, fx.a, ERR_FATAL, "damaged at byte 128");
    h.flags &= ~(uint32_t)BLOCK_SEALED;
    block_header_encode(&h, bytes + SEGMENT_HEADER_SIZE);
    refused(&fx, fx.a, ERR_FATAL, "a block that is not encrypted in a file that is");
    teardown(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_value_is_on_the_disk_in_clear),
        cmocka_unit_test(what_was_encrypted_is_read_again),
        cmocka_unit_test(without_its_key_a_spool_is_refused),
        cmocka_unit_test(a_new_key_is_used_from_the_next_segment_on),
        cmocka_unit_test(encryption_can_be_given_up),
        cmocka_unit_test(a_transaction_left_open_is_closed_under_the_new_key),
        cmocka_unit_test(a_stop_at_any_moment_of_a_key_change_loses_nothing),
        cmocka_unit_test(no_byte_can_be_changed_by_who_makes_the_sums_right),
        cmocka_unit_test(segments_of_another_spool_do_not_fit),
        cmocka_unit_test(a_block_cannot_be_left_out),
        cmocka_unit_test(a_reader_refuses_what_was_forged),
        cmocka_unit_test(a_forged_block_of_the_newest_is_no_torn_tail),
    };
    return cmocka_run_group_tests_name("spool codec", tests, NULL, NULL);
}
