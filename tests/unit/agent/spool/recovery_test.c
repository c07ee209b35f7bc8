/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening after a crash: every length of the last segment, flipped bits, and simulated power cuts
 * by seed.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/spool/directory.h"
#include "agent/spool/format.h"
#include "agent/spool/replay.h"
#include "agent/spool/segment.h"
#include "tests/unit/agent/spool/spool_util.h"

static void
path_of(uint64_t number, char out[SEGMENT_PATH_MAX])
{
    struct err err = ERR_INIT;
    ok(segment_path(DIR, number, false, out, &err));
}

static uint64_t
newest_number(struct fake_fs *fs)
{
    char path[SEGMENT_PATH_MAX];
    size_t len;
    uint64_t n = 1;
    for (;; n++) {
        path_of(n + 1, path);
        if (fake_fs_file(fs, path, &len) == NULL) {
            return n;
        }
    }
}

static void
keep_record(const struct record *rec, bool repeated, void *arg)
{
    if (!repeated) {
        feed_keep(arg, rec);
    }
}

/* Every record on the disk, void ones too. */
static void
read_disk(struct fake_fs *fake, struct feed *out)
{
    const struct fs *fs = fake_fs_get(fake);
    struct directory_options o = {.fs = fs, .path = DIR, .keys = util_keys};
    struct directory dir;
    struct replay_result found;
    struct err err = ERR_INIT;
    *out = (struct feed){0};
    ok(directory_read(&o, &dir, &err));
    for (size_t i = 0; i < dir.count; i++) {
        char path[SEGMENT_PATH_MAX];
        path_of(dir.segments[i].header.number, path);
        int fd = fs->open(fs, path, O_RDONLY, 0);
        struct replay in = {.fs = fs,
            .fd = fd,
            .path = path,
            .seg = &dir.segments[i],
            .newest = i + 1 == dir.count,
            .keys = util_keys,
            .each = keep_record,
            .arg = out};
        ok(replay_segment(&in, &found, &err));
        assert_int_equal(found.torn, 0);
        (void)fs->close(fs, fd);
    }
    directory_done(&dir);
}

/* The log in the spool is the feed up to some record, and a DISCARD if that leaves a transaction
 * open. The feed is cut to that. */
static void
adopt_recovered(struct fake_fs *fs, const struct spool *s, struct feed *f)
{
    struct feed got;
    read_disk(fs, &got);
    bool open = false;
    for (size_t i = 0; i < got.count && i < f->count; i++) {
        if (!same_record(&got.all[i].rec, &f->all[i].rec)) {
            assert_int_equal(i + 1, got.count);
            break;
        }
        enum record_kind kind = got.all[i].rec.kind;
        open = kind == RECORD_BEGIN || (open && kind != RECORD_COMMIT && kind != RECORD_DISCARD);
    }
    assert_true(got.count <= f->count + 1);
    const struct record *last = got.count > 0 ? &got.all[got.count - 1].rec : NULL;
    bool discard = last != NULL && last->kind == RECORD_DISCARD &&
                   (got.count > f->count || !same_record(last, &f->all[got.count - 1].rec));
    if (discard) {
        assert_int_equal(last->position, spool_appended(s));
    } else if (got.count > f->count) {
        fail_msg("a record came out of nowhere");
    }
    assert_int_equal(discard, open);
    feed_truncate(f, got.count - discard);
    f->open = false;
    f->position = 1000;
    for (size_t i = 0; i < f->count; i++) {
        enum record_kind kind = f->all[i].rec.kind;
        if (kind == RECORD_COMMIT || kind == RECORD_MARK) {
            f->position = f->all[i].rec.position;
        }
    }
    if (discard) {
        feed_keep(f, last);
    }
    assert_int_equal(spool_appended(s), f->position == 1000 ? 0 : f->position);
    feed_done(&got);
}

static void
every_length_of_the_last_segment_is_recovered(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.block_size = 150;
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    char path[SEGMENT_PATH_MAX];
    size_t len;
    feed_init(&f, 21);
    feed_give(&f, s, 300);
    while (newest_number(fs) < 8) {
        feed_give(&f, s, 1);
    }
    feed_give(&f, s, 25);
    ok(spool_flush(s, &err));
    spool_close(s);
    uint64_t number = newest_number(fs);
    path_of(number, path);
    uint8_t *bytes = fake_fs_file(fs, path, &len), *whole = malloc(len);
    memcpy(whole, bytes, len);
    assert_true(len > 600);

    for (size_t cut = len; cut > SEGMENT_HEADER_SIZE; cut--) {
        struct feed copy = {0};
        for (size_t i = 0; i < f.count; i++) {
            feed_keep(&copy, &f.all[i].rec);
        }
        fake_fs_put(fs, path, whole, cut);
        /* Carried schemas cut away cannot happen: they are there before the file has its name. */
        s = open_spool(&o);
        adopt_recovered(fs, s, &copy);
        copy.random = cut;
        feed_give(&copy, s, 30);
        ok(spool_flush(s, &err));
        check_from(s, &copy, 0);
        spool_close(s);
        feed_done(&copy);
    }
    fake_fs_put(fs, path, whole, SEGMENT_HEADER_SIZE - 1);
    fails(spool_open(&o, &s, &err), ERR_FATAL);
    free(whole);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
flipped_bit_in_a_sealed_segment_is_damage(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    char path[SEGMENT_PATH_MAX];
    size_t len;
    feed_init(&f, 22);
    feed_give(&f, s, 200);
    ok(spool_flush(s, &err));
    path_of(2, path);
    uint8_t *bytes = fake_fs_file(fs, path, &len);
    /* A reader that comes from segment 1 skips the payload of the carried block. */
    struct block_header carried;
    assert_null(block_header_decode(bytes + SEGMENT_HEADER_SIZE, &carried));
    assert_true(carried.flags & BLOCK_CARRIED);
    size_t skip = SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE, skip_end = skip + carried.length;
    struct segment_footer footer;
    assert_null(segment_footer_decode(bytes + len - FOOTER_SIZE, &footer));
    for (size_t i = 0; i < len; i++) {
        struct spool_reader *r;
        struct record rec;
        bool got = true, good = true;
        bytes[i] ^= 0x10;
        ok(spool_reader_open(s, 0, &r, &err));
        while (good && got) {
            good = spool_reader_next(r, &rec, &got, &err);
        }
        /* Who reads on from the segment before does not look at index and footer. */
        if ((i >= skip && i < skip_end) || i >= footer.index) {
            assert_true(good);
        } else {
            assert_false(good);
            assert_false(got);
            assert_int_equal(err.class, ERR_FATAL);
            assert_non_null(strstr(err.text, "0000000002.seg"));
        }
        spool_reader_close(r);
        bytes[i] ^= 0x10;
    }
    spool_close(s);
    for (size_t i = 0; i < len; i++) {
        if (i >= SEGMENT_HEADER_SIZE && i < len - FOOTER_SIZE) {
            continue; /* not looked at when a spool is opened */
        }
        bytes[i] ^= 0x10;
        fails(spool_open(&o, &s, &err), i >= 8 && i < 16 ? err.class : ERR_FATAL);
        assert_non_null(strstr(err.text, "0000000002.seg"));
        bytes[i] ^= 0x10;
    }
    feed_done(&f);
    fake_fs_free(fs);
}

/* A feed whose last segment is open, with a sync somewhere in it and blocks behind it. Returns the
 * offset in the file that was durable, and known to be so by what stands behind. */
static size_t
open_segment_with_a_sync(struct fake_fs *fs, const struct spool_options *o, struct feed *f)
{
    struct spool *s = open_spool(o);
    struct err err = ERR_INIT;
    char path[SEGMENT_PATH_MAX];
    size_t synced, len;
    feed_give(f, s, 30);
    feed_finish(f, s);
    ok(spool_sync(s, &err));
    path_of(1, path);
    (void)fake_fs_file(fs, path, &synced);
    feed_give(f, s, 10);
    feed_finish(f, s);
    ok(spool_flush(s, &err));
    spool_close(s);
    (void)fake_fs_file(fs, path, &len);
    assert_true(synced > 300 && len > synced + 100);
    return synced;
}

static void
flipped_bit_in_the_open_segment_is_damage_where_it_was_durable(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct err err = ERR_INIT;
    struct feed f;
    struct spool *s;
    char path[SEGMENT_PATH_MAX];
    size_t len;
    o.segment_size = 1u << 20;
    feed_init(&f, 23);
    size_t synced = open_segment_with_a_sync(fs, &o, &f);
    path_of(1, path);
    uint8_t *bytes = fake_fs_file(fs, path, &len);
    for (size_t i = 0; i < synced; i++) {
        uint64_t changes = fake_fs_changes(fs);
        bytes[i] ^= 1;
        fails(spool_open(&o, &s, &err), ERR_FATAL);
        assert_int_equal(
            fake_fs_changes(fs), changes + 1); /* the directory's sync: nothing was cut */
        bytes[i] ^= 1;
    }
    feed_done(&f);
    fake_fs_free(fs);
}

static void
flipped_bit_in_the_unsynced_tail_is_cut_away(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct err err = ERR_INIT;
    struct feed f;
    struct spool *s;
    char path[SEGMENT_PATH_MAX];
    size_t len;
    o.segment_size = 1u << 20;
    feed_init(&f, 23);
    size_t synced = open_segment_with_a_sync(fs, &o, &f);
    path_of(1, path);
    uint8_t *bytes = fake_fs_file(fs, path, &len), *whole = malloc(len);
    memcpy(whole, bytes, len);
    for (size_t i = synced; i < len; i++) {
        struct feed copy = {0};
        for (size_t k = 0; k < f.count; k++) {
            feed_keep(&copy, &f.all[k].rec);
        }
        whole[i] ^= 1;
        fake_fs_put(fs, path, whole, len);
        whole[i] ^= 1;
        ok(spool_open(&o, &s, &err));
        adopt_recovered(fs, s, &copy);
        assert_true(copy.count < f.count);
        check_from(s, &copy, 0);
        spool_close(s);
        feed_done(&copy);
    }
    free(whole);
    feed_done(&f);
    fake_fs_free(fs);
}

/* --- simulation ---------------------------------------------------------------------------------
 */

/* One life of a process: random work until the machine stops or the life is over. The position that
 * was told to be durable, at any time. */
static uint64_t
live(struct spool *s, struct feed *f, uint64_t durable)
{
    struct err err = ERR_INIT;
    uint8_t *bytes = malloc(f->max_payload + 1);
    for (unsigned i = 0, n = (unsigned)(feed_random(f) % 400); i < n; i++) {
        uint64_t dice = feed_random(f) % 100;
        bool good = true;
        if (dice < 5) {
            good = spool_sync(s, &err);
        } else if (dice < 12) {
            good = spool_flush(s, &err);
        } else {
            struct record rec = feed_make(f, bytes);
            good = spool_append(s, &rec, &err);
            if (good) {
                feed_took(f, &rec);
            }
        }
        assert_true(spool_durable(s) >= durable);
        durable = spool_durable(s);
        assert_true(durable <= spool_appended(s));
        if (!good) {
            assert_int_equal(err.class, ERR_FATAL); /* the machine stopped */
            break;
        }
    }
    free(bytes);
    return durable;
}

static void
simulate(uint64_t seed)
{
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct err err = ERR_INIT;
    struct feed f;
    struct spool *s;
    uint64_t durable = 0;
    o.block_size = 200 + (uint32_t)(seed % 5) * 50;
    feed_init(&f, seed);
    f.max_payload = seed % 4 == 0 ? 500 : 60;
    f.rows = seed % 5 == 0 ? 100 : 4;
    for (int round = 0; round < 5; round++) {
        /* The machine may stop during recovery, too. */
        fake_fs_stop_before(fs, feed_random(&f) % 3 == 0 ? 0 : 1 + feed_random(&f) % 120);
        if (spool_open(&o, &s, &err)) {
            if (spool_appended(s) < durable) {
                fail_msg("seed %" PRIu64 " round %d: durable position lost", seed, round);
            }
            adopt_recovered(fs, s, &f);
            durable = live(s, &f, durable);
            spool_close(s);
        } else {
            assert_int_equal(err.class, ERR_FATAL);
            assert_non_null(strstr(err.text, "Input/output error"));
        }
        if (feed_random(&f) % 4 == 0) {
            fake_fs_stop_before(fs, 0); /* the process alone died: the page cache lives on */
        } else {
            fake_fs_crash(fs, feed_random(&f));
        }
    }
    fake_fs_stop_before(fs, 0);
    ok(spool_open(&o, &s, &err));
    assert_true(spool_appended(s) >= durable);
    adopt_recovered(fs, s, &f);
    for (int i = 0; i < 5; i++) {
        check_from(s, &f, feed_random(&f) % (f.position + 1));
    }
    spool_close(s);
    assert_int_equal(fake_fs_open_count(fs), 0);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
power_cuts_lose_nothing_durable(void **state)
{
    (void)state;
    const char *from = getenv("SPOOL_SEED"), *count = getenv("SPOOL_SEEDS");
    uint64_t first = from ? strtoull(from, NULL, 10) : 1;
    uint64_t n = count ? strtoull(count, NULL, 10) : 600;
    for (uint64_t seed = first; seed < first + n; seed++) {
        simulate(seed);
    }
}

/* Retirement and a power cut at each single operation of it. */
static void
power_cut_while_retiring_leaves_a_log_without_gap(void **state)
{
    (void)state;
    for (uint64_t stop = 1; stop < 20; stop++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct feed f;
        feed_init(&f, stop);
        feed_give(&f, s, 800);
        feed_finish(&f, s);
        ok(spool_sync(s, &err));
        fake_fs_stop_before(fs, stop);
        while (spool_retire(s, f.position - 300, &err) && fake_fs_changes(fs) < 1000 && stop < 17) {
        }
        spool_close(s);
        fake_fs_crash(fs, stop);
        s = open_spool(&o);
        check_from(s, &f, f.position - 300);
        spool_close(s);
        feed_done(&f);
        fake_fs_free(fs);
    }
}

static void
unfinished_segment_file_is_removed(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    size_t len;
    ok(spool_set_start(s, 5, &err));
    spool_close(s);
    fake_fs_put(fs, DIR "/0000000002.tmp", "half", 4);
    fake_fs_put(fs, DIR "/notes.txt", "x", 1);
    s = open_spool(&o);
    assert_null(fake_fs_file(fs, DIR "/0000000002.tmp", &len));
    assert_non_null(fake_fs_file(fs, DIR "/notes.txt", &len));
    spool_close(s);
    fake_fs_free(fs);
}

/* The kernel calls pages clean that it could not write: the next sync has nothing to do. */
static void
what_a_failed_sync_left_to_be_read_is_made_durable_when_opened(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct record begin = {.kind = RECORD_BEGIN, .position = 8, .payload = slice_str("begin")};
    struct record commit = {.kind = RECORD_COMMIT, .position = 9, .payload = slice_str("commit")};
    ok(spool_set_start(s, 5, &err));
    ok(spool_append(s, &begin, &err));
    ok(spool_append(s, &commit, &err));
    fake_fs_fail(fs, FAKE_DATASYNC, 1, EIO);
    fails(spool_sync(s, &err), ERR_FATAL);
    spool_close(s);
    s = open_spool(&o);
    assert_int_equal(spool_durable(s), 9);
    spool_close(s);
    fake_fs_crash(fs, 1);
    s = open_spool(&o);
    assert_int_equal(spool_durable(s), 9);
    spool_close(s);
    fake_fs_free(fs);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_of_the_last_segment_is_recovered),
        cmocka_unit_test(flipped_bit_in_a_sealed_segment_is_damage),
        cmocka_unit_test(flipped_bit_in_the_open_segment_is_damage_where_it_was_durable),
        cmocka_unit_test(flipped_bit_in_the_unsynced_tail_is_cut_away),
        cmocka_unit_test(power_cuts_lose_nothing_durable),
        cmocka_unit_test(power_cut_while_retiring_leaves_a_log_without_gap),
        cmocka_unit_test(unfinished_segment_file_is_removed),
        cmocka_unit_test(what_a_failed_sync_left_to_be_read_is_made_durable_when_opened),
    };
    return cmocka_run_group_tests_name("spool recovery", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
