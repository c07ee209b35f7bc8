/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer does when the disk says no: room comes back and nothing is lost, or it is over
 * for good.
 */
#include <errno.h>

#include "tests/unit/agent/spool/spool_util.h"

/* Gives n records; says how many were refused with ERR_RETRY, each followed by `relief`. */
static unsigned
give_with_relief(struct feed *f, struct spool *s, unsigned n, void (*relief)(void *), void *arg)
{
    struct err err = ERR_INIT;
    uint8_t *bytes = malloc(f->max_payload + 1);
    unsigned refused = 0;
    for (unsigned i = 0; i < n; i++) {
        struct record rec = feed_make(f, bytes);
        while (!spool_append(s, &rec, &err)) {
            assert_int_equal(err.class, ERR_RETRY);
            assert_true(++refused < 100000);
            relief(arg);
        }
        feed_took(f, &rec);
    }
    free(bytes);
    return refused;
}

struct disk {
    struct fake_fs *fs;
    uint64_t capacity;
    struct spool *spool;
};

static void
a_little_more(void *arg)
{
    struct disk *d = arg;
    struct spool_stats stats;
    spool_stats(d->spool, &stats);
    assert_int_equal(stats.bytes, fake_fs_used(d->fs)); /* nothing is left of a partial write */
    d->capacity += 37; /* so that writes end at every place in a block, a footer, a header */
    fake_fs_capacity(d->fs, d->capacity);
}

static void
full_disk_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct disk d = {fake_fs_new(), 500, NULL};
        struct spool_options o = small_options(d.fs);
        struct spool *s = open_spool(&o);
        d.spool = s;
        struct err err = ERR_INIT;
        struct feed f;
        fake_fs_capacity(d.fs, d.capacity);
        feed_init(&f, seed);
        f.max_payload = seed % 2 ? 60 : 700;
        assert_true(give_with_relief(&f, s, 800, a_little_more, &d) > 100);
        while (!spool_flush(s, &err)) {
            assert_int_equal(err.class, ERR_RETRY);
            a_little_more(&d);
        }
        check_from(s, &f, 0);
        struct spool_stats stats;
        spool_stats(s, &stats);
        assert_int_equal(stats.bytes, fake_fs_used(d.fs));
        fake_fs_capacity(d.fs, UINT64_MAX / 2);
        feed_finish(&f, s);
        ok(spool_sync(s, &err));
        spool_close(s);
        s = open_spool(&o);
        check_from(s, &f, 0);
        spool_close(s);
        feed_done(&f);
        fake_fs_free(d.fs);
    }
}

static void
crash_on_a_full_disk_recovers_what_was_durable(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    feed_init(&f, 4);
    feed_give(&f, s, 100);
    feed_finish(&f, s);
    ok(spool_sync(s, &err));
    uint64_t durable = spool_durable(s);
    fake_fs_capacity(fs, fake_fs_used(fs) + 100);
    uint8_t bytes[64];
    for (;;) {
        struct record rec = feed_make(&f, bytes);
        if (!spool_append(s, &rec, &err)) {
            break;
        }
        feed_took(&f, &rec);
    }
    assert_int_equal(err.class, ERR_RETRY);
    assert_true(err.hint[0] != '\0');
    spool_close(s);
    fake_fs_crash(fs, 3);
    /* Still full: the DISCARD finds no room, reading must work all the same. */
    fake_fs_capacity(fs, fake_fs_used(fs));
    s = open_spool(&o);
    assert_true(spool_appended(s) >= durable);
    struct feed got;
    read_all(s, 0, &got);
    feed_done(&got);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
discard_that_found_no_room_comes_before_the_next_record(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed got;
    const struct record begin = {.kind = RECORD_BEGIN, .position = 10};
    ok(spool_append(s, &begin, &err));
    ok(spool_sync(s, &err));
    spool_close(s);
    fake_fs_capacity(fs, fake_fs_used(fs));
    s = open_spool(&o);
    ok(spool_append(s, &begin, &err));
    fails(spool_flush(s, &err), ERR_RETRY);
    fake_fs_capacity(fs, UINT64_MAX / 2);
    ok(spool_append(s, &(struct record){.kind = RECORD_COMMIT, .position = 11}, &err));
    ok(spool_flush(s, &err));
    read_all(s, 0, &got);
    assert_int_equal(got.count, 4);
    assert_int_equal(got.all[1].rec.kind, RECORD_DISCARD);
    assert_int_equal(got.all[2].rec.kind, RECORD_BEGIN);
    feed_done(&got);
    spool_close(s);
    fake_fs_free(fs);
}

static void
failed_sync_is_final(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    const struct record mark = {.kind = RECORD_MARK, .position = 10};
    const struct record next = {.kind = RECORD_MARK, .position = 20};
    ok(spool_append(s, &mark, &err));
    ok(spool_sync(s, &err));
    ok(spool_append(s, &next, &err));
    fake_fs_fail(fs, FAKE_DATASYNC, 1, EIO);
    fails(spool_sync(s, &err), ERR_FATAL);
    assert_int_equal(spool_durable(s), 10);
    uint64_t changes = fake_fs_changes(fs);
    fails(spool_sync(s, &err), ERR_FATAL);
    fails(spool_flush(s, &err), ERR_FATAL);
    fails(spool_append(s, &mark, &err), ERR_FATAL);
    fails(spool_retire(s, 20, &err), ERR_FATAL);
    assert_int_equal(fake_fs_changes(fs), changes);
    assert_int_equal(spool_durable(s), 10);
    spool_close(s);
    fake_fs_free(fs);
}

/* Every kind of call fails once with EIO at every place: final, and what was durable is there
 * afterwards. */
static void
io_errors_are_final_and_lose_nothing_durable(void **state)
{
    (void)state;
    static const enum fake_op ops[] = {
        FAKE_PWRITE, FAKE_DATASYNC, FAKE_RENAME, FAKE_SYNC_DIR, FAKE_OPEN};
    for (size_t op = 0; op < sizeof(ops) / sizeof(*ops); op++) {
        for (unsigned nth = 1; nth < 40; nth++) {
            struct fake_fs *fs = fake_fs_new();
            struct spool_options o = small_options(fs);
            struct spool *s = open_spool(&o);
            struct err err = ERR_INIT;
            struct feed f;
            uint8_t bytes[64];
            bool failed = false;
            feed_init(&f, nth);
            fake_fs_fail(fs, ops[op], nth, EIO);
            for (int i = 0; i < 400 && !failed; i++) {
                struct record rec = feed_make(&f, bytes);
                failed = !spool_append(s, &rec, &err);
                if (!failed) {
                    feed_took(&f, &rec);
                    failed = i % 20 == 0 && !spool_sync(s, &err);
                }
            }
            if (failed) {
                assert_int_equal(err.class, ERR_FATAL);
                if (ops[op] != FAKE_OPEN) {
                    fails(spool_sync(s, &err), ERR_FATAL);
                }
            }
            uint64_t durable = spool_durable(s);
            spool_close(s);
            fake_fs_crash(fs, nth);
            s = open_spool(&o);
            assert_true(spool_appended(s) >= durable);
            assert_true(spool_appended(s) <= f.position);
            spool_close(s);
            feed_done(&f);
            fake_fs_free(fs);
        }
    }
}

struct consumer {
    struct spool *s;
    struct feed *f;
};

static void
consume_all(void *arg)
{
    struct consumer *c = arg;
    struct err err = ERR_INIT;
    ok(spool_flush(c->s, &err));
    ok(spool_retire(c->s, c->f->position, &err));
}

static void
size_limit_is_kept_and_retirement_makes_room(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.segment_size = 1u << 20; /* larger than the budget: must not lock up */
    o.max_size = 20000;
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    struct spool_stats stats;
    feed_init(&f, 5);
    struct consumer c = {s, &f};
    unsigned refused = give_with_relief(&f, s, 5000, consume_all, &c);
    assert_true(refused > 3);
    ok(spool_flush(s, &err));
    spool_stats(s, &stats);
    assert_true(stats.bytes <= o.max_size + 1000);
    check_from(s, &f, f.position);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
free_space_is_left_to_others(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.min_free = 5000;
    fake_fs_capacity(fs, 20000);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    struct record rec;
    uint8_t bytes[64];
    feed_init(&f, 6);
    for (;;) {
        rec = feed_make(&f, bytes);
        if (!spool_append(s, &rec, &err)) {
            break;
        }
        feed_took(&f, &rec);
    }
    assert_int_equal(err.class, ERR_RETRY);
    ok(spool_flush(s, &err)); /* what was taken has its room */
    assert_true(fake_fs_used(fs) <= 15000 + 500);
    assert_true(fake_fs_used(fs) > 13000);
    fake_fs_capacity(fs, 30000);
    ok(spool_append(s, &rec, &err));
    fake_fs_capacity(fs, 10000);
    fake_fs_fail(fs, FAKE_SPACE, 1, EIO);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
record_beyond_the_format_is_refused(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    const struct record rec = {
        .kind = RECORD_SCHEMA, .payload = {(const uint8_t *)"", (size_t)1 << 31}};
    fails(spool_append(s, &rec, &err), ERR_DATA);
    spool_close(s);
    fake_fs_free(fs);
}

static void
segment_file_that_cannot_be_opened_is_tried_again(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    const struct record mark = {.kind = RECORD_MARK, .position = 10};
    fake_fs_fail(fs, FAKE_OPEN, 1, EMFILE);
    fails(spool_append(s, &mark, &err), ERR_RETRY);
    ok(spool_append(s, &mark, &err));
    ok(spool_sync(s, &err));
    assert_int_equal(spool_durable(s), 10);
    spool_close(s);
    fake_fs_free(fs);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk_loses_nothing),
        cmocka_unit_test(crash_on_a_full_disk_recovers_what_was_durable),
        cmocka_unit_test(discard_that_found_no_room_comes_before_the_next_record),
        cmocka_unit_test(failed_sync_is_final),
        cmocka_unit_test(io_errors_are_final_and_lose_nothing_durable),
        cmocka_unit_test(size_limit_is_kept_and_retirement_makes_room),
        cmocka_unit_test(free_space_is_left_to_others),
        cmocka_unit_test(record_beyond_the_format_is_refused),
        cmocka_unit_test(segment_file_that_cannot_be_opened_is_tried_again),
    };
    return cmocka_run_group_tests_name("spool writer", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
