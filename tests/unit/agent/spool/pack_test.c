/* SPDX-License-Identifier: Apache-2.0
 *
 * A packed segment says the same as before in fewer bytes, beside readers and retirement, with keys
 * and without, and whatever moment the machine stops at.
 */
#include <errno.h>

#include "agent/spool/segment.h"
#include "tests/unit/agent/spool/spool_util.h"

struct fixture {
    struct fake_fs *fs;
    struct spool *s;
    struct feed f;
};

/* Payloads that can be compressed. */
static void
give(struct fixture *fx, unsigned n)
{
    struct err err = ERR_INIT;
    uint8_t bytes[4096];
    for (unsigned i = 0; i < n || fx->f.open; i++) {
        struct record rec = feed_make(&fx->f, bytes);
        memset(bytes, 'a' + (int)(rec.position % 3), sizeof(bytes));
        ok(spool_append(fx->s, &rec, &err));
        feed_took(&fx->f, &rec);
    }
    ok(spool_sync(fx->s, &err));
}

static void
setup(struct fixture *fx)
{
    struct spool_options o;
    *fx = (struct fixture){.fs = fake_fs_new()};
    o = small_options(fx->fs);
    fx->s = open_spool(&o);
    feed_init(&fx->f, 77);
    fx->f.max_payload = 200;
    give(fx, 200);
}

static void
reopen(struct fixture *fx)
{
    struct spool_options o = small_options(fx->fs);
    spool_close(fx->s);
    fx->s = open_spool(&o);
}

static void
teardown(struct fixture *fx)
{
    spool_close(fx->s);
    feed_done(&fx->f);
    fake_fs_free(fx->fs);
}

static unsigned
pack_all(struct spool *s)
{
    struct err err = ERR_INIT;
    unsigned n = 0;
    for (bool did = true; did; n += did) {
        ok(spool_pack_one(s, 3, NULL, &did, &err));
    }
    return n;
}

static struct segment_header
header_of(struct fake_fs *fs, unsigned number)
{
    char path[64];
    size_t len;
    uint32_t version;
    struct segment_header h;
    snprintf(path, sizeof(path), DIR "/%010u.seg", number);
    const uint8_t *bytes = fake_fs_file(fs, path, &len);
    assert_non_null(bytes);
    assert_null(segment_header_decode(bytes, &h, &version));
    return h;
}

static void
packed_segments_say_the_same_in_fewer_bytes(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_stats before, after;
    setup(&fx);
    spool_stats(fx.s, &before);
    uint64_t used = fake_fs_used(fx.fs);
    unsigned n = pack_all(fx.s);
    spool_stats(fx.s, &after);
    assert_true(n >= 3);
    assert_int_equal(after.packed_segments, n);
    assert_int_equal(before.bytes - after.bytes, after.saved_bytes);
    assert_int_equal(used - fake_fs_used(fx.fs), after.saved_bytes);
    assert_true(after.saved_bytes > before.bytes / 4);
    for (int again = 0; again < 2; again++) {
        for (uint64_t p = 1000; p < fx.f.position; p += 53) {
            check_from(fx.s, &fx.f, p);
        }
        check_from(fx.s, &fx.f, 0);
        reopen(&fx);
    }
    spool_stats(fx.s, &before);
    assert_int_equal(before.bytes, after.bytes);
    give(&fx, 50);
    check_from(fx.s, &fx.f, 0);
    assert_int_equal(fake_fs_open_count(fx.fs), 1);
    teardown(&fx);
}

static void
the_newest_and_those_near_a_reader_are_left(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_reader *r;
    struct err err = ERR_INIT;
    struct spool_stats st;
    setup(&fx);
    spool_stats(fx.s, &st);
    ok(spool_reader_open(fx.s, 0, &r, &err)); /* in segment 1 */
    (void)pack_all(fx.s);
    for (unsigned n = 1; n <= st.segments; n++) {
        bool packed = header_of(fx.fs, n).flags & FILE_PACKED;
        assert_int_equal(packed, n > 2 && n < st.segments);
    }
    spool_reader_close(r);
    teardown(&fx);
}

static void
a_reader_goes_on_with_the_old_file_and_opens_the_new_ones(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_reader *r;
    struct record rec;
    struct feed got = {0};
    struct err err = ERR_INIT;
    setup(&fx);
    ok(spool_reader_open(fx.s, 0, &r, &err));
    for (unsigned i = 0;; i++) {
        bool more, did;
        ok(spool_reader_next(r, &rec, &more, &err));
        if (!more) {
            break;
        }
        feed_keep(&got, &rec);
        ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    }
    check_read(&fx.f, 0, &got);
    feed_done(&got);
    spool_reader_close(r);
    teardown(&fx);
}

static void
what_nobody_needs_is_packed_only_when_it_is_kept(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_reader *r;
    struct err err = ERR_INIT;
    bool did;
    setup(&fx);
    ok(spool_reader_open(fx.s, fx.f.position, &r, &err)); /* at the end */
    /* The records were received long ago. */
    ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    assert_true(did);
    spool_reader_close(r);
    teardown(&fx);

    fx = (struct fixture){.fs = fake_fs_new()};
    struct spool_options o = small_options(fx.fs);
    fx.s = open_spool(&o);
    feed_init(&fx.f, 78);
    fx.f.now = clock_wall_us(&clock_system);
    fx.f.max_payload = 200;
    give(&fx, 200);
    ok(spool_reader_open(fx.s, fx.f.position, &r, &err));
    ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    assert_false(did);
    spool_reader_close(r);
    teardown(&fx);
}

static void
what_cannot_be_compressed_is_left_and_not_tried_again(void **state)
{
    (void)state;
    struct fixture fx = {.fs = fake_fs_new()};
    struct spool_options o = small_options(fx.fs);
    struct err err = ERR_INIT;
    bool did;
    fx.s = open_spool(&o);
    feed_init(&fx.f, 79);
    fx.f.max_payload = 1000;
    feed_give(&fx.f, fx.s, 60); /* random bytes */
    ok(spool_sync(fx.s, &err));
    (void)pack_all(fx.s);
    uint64_t changes = fake_fs_changes(fx.fs);
    ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    assert_false(did);
    (void)pack_all(fx.s);
    for (int i = 0; i < 20; i++) {
        ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    }
    changes = fake_fs_changes(fx.fs);
    ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    assert_int_equal(fake_fs_changes(fx.fs), changes);
    check_from(fx.s, &fx.f, 0);
    teardown(&fx);
}

static void
an_error_leaves_the_spool_as_it_was(void **state)
{
    (void)state;
    static const enum fake_op ops[] = {
        FAKE_OPEN, FAKE_PWRITE, FAKE_PREAD, FAKE_DATASYNC, FAKE_RENAME};
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        for (unsigned nth = 1; nth <= 4; nth++) {
            struct fixture fx;
            struct err err = ERR_INIT;
            bool did = true;
            setup(&fx);
            uint64_t used = fake_fs_used(fx.fs);
            fake_fs_fail(fx.fs, ops[i], nth, ENOSPC);
            if (!spool_pack_one(fx.s, 3, NULL, &did, &err)) {
                assert_false(did);
                assert_int_equal(err.class, ERR_RETRY);
                assert_int_equal(fake_fs_used(fx.fs), used);
                assert_int_equal(fake_fs_open_count(fx.fs), 1);
            }
            fake_fs_fail(fx.fs, ops[i], 0, 0);
            check_from(fx.s, &fx.f, 0);
            give(&fx, 20);
            teardown(&fx);
        }
    }
}

static struct fixture *racing;
static int (*true_datasync)(const struct fs *fs, int fd);

/* While the new file becomes durable, the sinks catch up and the old one goes. */
static int
retire_meanwhile(const struct fs *fs, int fd)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 10; i++) {
        ok(spool_retire(racing->s, racing->f.position, &err));
    }
    return true_datasync(fs, fd);
}

static void
a_segment_that_is_retired_meanwhile_does_not_come_back(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct spool_stats st;
    bool did;
    setup(&fx);
    struct fs *fs = (struct fs *)(uintptr_t)fake_fs_get(fx.fs);
    racing = &fx;
    true_datasync = fs->datasync;
    fs->datasync = retire_meanwhile;
    ok(spool_pack_one(fx.s, 3, NULL, &did, &err));
    fs->datasync = true_datasync;
    assert_false(did);
    spool_stats(fx.s, &st);
    assert_int_equal(st.segments, 1);
    assert_int_equal(st.bytes, fake_fs_used(fx.fs));
    reopen(&fx);
    check_from(fx.s, &fx.f, fx.f.position);
    teardown(&fx);
}

static void
a_stop_at_any_moment_leaves_a_readable_spool(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 60; nth++) {
        struct fixture fx;
        struct err err = ERR_INIT;
        bool did = true;
        setup(&fx);
        fake_fs_stop_before(fx.fs, nth);
        while (did && spool_pack_one(fx.s, 3, NULL, &did, &err)) {
        }
        spool_close(fx.s);
        fake_fs_crash(fx.fs, nth * 7919);
        struct spool_options o = small_options(fx.fs);
        fx.s = open_spool(&o);
        check_from(fx.s, &fx.f, 0);
        check_from(fx.s, &fx.f, 1000 + nth * 20);
        give(&fx, 30);
        (void)pack_all(fx.s);
        check_from(fx.s, &fx.f, 0);
        teardown(&fx);
    }
}

static void
every_byte_of_a_packed_segment_counts(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    assert_true(pack_all(fx.s) > 0);
    size_t len;
    uint8_t *bytes = fake_fs_file(fx.fs, DIR "/0000000001.seg", &len);
    for (size_t at = 0; at < len; at++) {
        struct spool_reader *r;
        struct record rec;
        struct err err = ERR_INIT;
        bool got = true, good;
        bytes[at] ^= 0x04;
        good = spool_reader_open(fx.s, 0, &r, &err);
        while (good && got) {
            good = spool_reader_next(r, &rec, &got, &err);
        }
        assert_false(good);
        if (strstr(err.text, "0000000001.seg") == NULL) {
            fail_msg("byte %zu: %s", at, err.text);
        }
        spool_reader_close(r);
        bytes[at] ^= 0x04;
    }
    teardown(&fx);
}

static void
packing_writes_with_the_current_key(void **state)
{
    (void)state;
    struct fixture fx;
    setup(&fx);
    spool_close(fx.s);
    struct key_ring *keys = make_keys(KEY_HEX_B, util_keys ? KEY_HEX_A : NULL);
    struct spool_options o = small_options(fx.fs);
    o.keys = keys;
    fx.s = open_spool(&o);
    assert_int_not_equal(header_of(fx.fs, 1).key_id, key_id(keys->current));
    assert_true(pack_all(fx.s) > 0);
    assert_int_equal(header_of(fx.fs, 1).key_id, key_id(keys->current));
    check_from(fx.s, &fx.f, 0);
    teardown(&fx);
    key_ring_free(keys);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_segments_say_the_same_in_fewer_bytes),
        cmocka_unit_test(the_newest_and_those_near_a_reader_are_left),
        cmocka_unit_test(a_reader_goes_on_with_the_old_file_and_opens_the_new_ones),
        cmocka_unit_test(what_nobody_needs_is_packed_only_when_it_is_kept),
        cmocka_unit_test(what_cannot_be_compressed_is_left_and_not_tried_again),
        cmocka_unit_test(an_error_leaves_the_spool_as_it_was),
        cmocka_unit_test(a_segment_that_is_retired_meanwhile_does_not_come_back),
        cmocka_unit_test(a_stop_at_any_moment_leaves_a_readable_spool),
        cmocka_unit_test(every_byte_of_a_packed_segment_counts),
        cmocka_unit_test(packing_writes_with_the_current_key),
    };
    return cmocka_run_group_tests_name("spool pack", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
