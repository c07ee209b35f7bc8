/* SPDX-License-Identifier: Apache-2.0
 *
 * A retired segment's file becomes the next segment's: whose it may be, and that nobody takes its
 * old content for new.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/spool/spool.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/spool_util.h"

struct fixture {
    struct fake_fs *fs;
    struct spool_options o;
    struct spool *s;
    struct feed f;
};

static void
set_up(struct fixture *fx, uint64_t seed)
{
    *fx = (struct fixture){.fs = fake_fs_new()};
    fake_fs_tells_alone(fx->fs);
    feed_init(&fx->f, seed);
    fx->o = small_options(fx->fs);
    fx->s = open_spool(&fx->o);
}

static void
tear_down(struct fixture *fx)
{
    spool_close(fx->s);
    feed_done(&fx->f);
    fake_fs_free(fx->fs);
}

/* Some segments, of which everything but the newest goes. */
static void
turn(struct fixture *fx, unsigned records)
{
    struct err err = ERR_INIT;
    feed_give(&fx->f, fx->s, records);
    feed_finish(&fx->f, fx->s);
    ok(spool_sync(fx->s, &err));
    ok(spool_retire(fx->s, fx->f.position, &err));
}

static struct spool_stats
stats_of(struct fixture *fx)
{
    struct spool_stats stats;
    spool_stats(fx->s, &stats);
    return stats;
}

/* The machine stops; what was synced is there afterwards. */
static void
power_cut(struct fixture *fx, uint64_t seed)
{
    fake_fs_stop_before(fx->fs, 1);
    spool_close(fx->s);
    fake_fs_crash(fx->fs, seed);
    fx->s = open_spool(&fx->o);
}

/* Name of the file that waits for the segment behind the newest one. */
static void
spare_name(struct fixture *fx, char name[64])
{
    struct spool_stats stats = stats_of(fx);
    for (uint64_t n = 1; n < 100000; n++) {
        size_t len;
        snprintf(name, 64, DIR "/%010" PRIu64 ".seg", n);
        if (fake_fs_file(fx->fs, name, &len) && --stats.segments == 0) {
            snprintf(name, 64, DIR "/%010" PRIu64 ".tmp", n + 1);
            return;
        }
    }
    fail_msg("no segment found");
}

static bool
has_spare(struct fixture *fx)
{
    char name[64];
    size_t len;
    spare_name(fx, name);
    return fake_fs_file(fx->fs, name, &len) != NULL;
}

static void
readers_see_what_was_given_and_nothing_old(void **state)
{
    (void)state;
    struct fixture fx;
    set_up(&fx, 31);
    for (int i = 0; i < 40; i++) {
        turn(&fx, 150);
        uint64_t from = fx.f.position;
        feed_give(&fx.f, fx.s, 60);
        feed_finish(&fx.f, fx.s);
        struct err err = ERR_INIT;
        ok(spool_flush(fx.s, &err));
        check_from(fx.s, &fx.f, from);
    }
    assert_true(stats_of(&fx).recycled_segments > 10);
    tear_down(&fx);
}

static void
the_next_start_finds_the_end_in_front_of_old_content(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    set_up(&fx, 32);
    turn(&fx, 400);
    for (uint64_t i = 0; i < 30; i++) {
        turn(&fx, 90);
        uint64_t from = fx.f.position;
        feed_give(&fx.f, fx.s, 20);
        feed_finish(&fx.f, fx.s);
        ok(spool_sync(fx.s, &err));
        power_cut(&fx, i);
        assert_int_equal(spool_durable(fx.s), fx.f.position);
        check_from(fx.s, &fx.f, from);
    }
    tear_down(&fx);
}

static void
a_start_removes_the_file_that_waits(void **state)
{
    (void)state;
    struct fixture fx;
    char name[64];
    size_t len;
    set_up(&fx, 33);
    turn(&fx, 400);
    spare_name(&fx, name);
    assert_non_null(fake_fs_file(fx.fs, name, &len));
    power_cut(&fx, 1);
    assert_null(fake_fs_file(fx.fs, name, &len));
    tear_down(&fx);
}

static void
a_clean_end_cuts_old_content_off(void **state)
{
    (void)state;
    struct fixture fx;
    set_up(&fx, 34);
    turn(&fx, 400);
    uint64_t before = stats_of(&fx).recycled_segments;
    while (stats_of(&fx).recycled_segments == before) {
        feed_give(&fx.f, fx.s, 5);
    }
    feed_finish(&fx.f, fx.s);
    struct err err = ERR_INIT;
    ok(spool_sync(fx.s, &err));
    uint64_t counted = stats_of(&fx).bytes;
    spool_close(fx.s);
    assert_int_equal(fake_fs_used(fx.fs), counted);
    fx.s = open_spool(&fx.o);
    tear_down(&fx);
}

/* Old content behind the footer would make the sealed segment look damaged for ever. */
static void
a_segment_is_not_sealed_in_front_of_old_content(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    set_up(&fx, 38);
    turn(&fx, 400);
    uint64_t before = stats_of(&fx).recycled_segments;
    while (stats_of(&fx).recycled_segments == before) {
        feed_give(&fx.f, fx.s, 1);
    }
    feed_finish(&fx.f, fx.s);
    ok(spool_sync(fx.s, &err));
    uint64_t durable = spool_durable(fx.s);
    size_t synced = fx.f.count;
    fake_fs_fail(fx.fs, FAKE_TRUNCATE, 1, EIO);
    uint8_t bytes[64];
    bool taken = true;
    for (int i = 0; taken && i < 400; i++) {
        struct record rec = feed_make(&fx.f, bytes);
        taken = spool_append(fx.s, &rec, &err);
        if (taken) {
            feed_took(&fx.f, &rec);
        }
    }
    assert_false(taken);
    assert_string_equal(err_class_name(err.class), "fatal");
    spool_close(fx.s);
    fx.s = open_spool(&fx.o);
    assert_true(spool_durable(fx.s) >= durable);
    feed_truncate(&fx.f, synced);
    struct spool_reader *r;
    ok(spool_reader_open(fx.s, durable, &r, &err));
    spool_reader_close(r);
    tear_down(&fx);
}

static void
under_a_new_key_old_content_does_not_stay(void **state)
{
    (void)state;
    struct fixture fx;
    struct key_ring *ring = make_keys(KEY_HEX_B, NULL);
    set_up(&fx, 35);
    turn(&fx, 400);
    assert_true(has_spare(&fx));
    spool_close(fx.s);
    fx.o.keys = ring;
    fx.s = open_spool(&fx.o);
    /* The newest segment is of the time before, so what goes now is, too. */
    feed_give(&fx.f, fx.s, 400);
    turn(&fx, 1);
    feed_give(&fx.f, fx.s, 100);
    feed_finish(&fx.f, fx.s);
    struct spool_stats stats = stats_of(&fx);
    assert_true(stats.segments > 1);
    tear_down(&fx);
    key_ring_free(ring);
}

static void
none_is_kept_while_room_is_scarce(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    set_up(&fx, 36);
    spool_close(fx.s);
    fx.o.max_size = 20000;
    fx.s = open_spool(&fx.o);
    unsigned n = 0;
    while (stats_of(&fx).bytes < 16000) {
        feed_give(&fx.f, fx.s, 10);
        feed_finish(&fx.f, fx.s);
        ok(spool_sync(fx.s, &err));
        n++;
    }
    /* The first to go leaves more than half of the budget in use. */
    uint64_t second = 0;
    for (size_t i = 0; i < fx.f.count && second == 0; i++) {
        const struct record *rec = &fx.f.all[i].rec;
        second = rec->kind == RECORD_COMMIT && rec->position > stats_of(&fx).oldest + 2000
                     ? rec->position
                     : 0;
    }
    uint32_t segments = stats_of(&fx).segments;
    while (stats_of(&fx).segments == segments) {
        ok(spool_retire(fx.s, second, &err));
        second += 100;
    }
    assert_true(n > 1);
    assert_false(has_spare(&fx));
    tear_down(&fx);
}

/* The system's own files: what another process has open is not written over. */
static void
a_file_that_somebody_reads_is_left_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char *dir = tmpdir_new(), *first = tmpdir_path(dir, "0000000001.seg");
    struct spool_options o = small_options(NULL);
    struct feed f;
    o.path = dir;
    feed_init(&f, 37);
    struct spool *s = open_spool(&o);
    feed_give(&f, s, 60);
    feed_finish(&f, s);
    ok(spool_sync(s, &err));
    struct spool_stats stats;
    uint8_t before[512], after[512];
    int fd = open(first, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, before, sizeof(before), 0), sizeof(before));
    while (spool_stats(s, &stats), stats.segments < 3) {
        feed_give(&f, s, 10);
    }
    feed_finish(&f, s);
    ok(spool_sync(s, &err));
    ok(spool_retire(s, f.position, &err));
    feed_give(&f, s, 300);
    feed_finish(&f, s);
    assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    assert_true(close(fd) == 0);
    spool_close(s);
    feed_done(&f);
    free(first);
    tmpdir_remove(dir);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_what_was_given_and_nothing_old),
        cmocka_unit_test(the_next_start_finds_the_end_in_front_of_old_content),
        cmocka_unit_test(a_start_removes_the_file_that_waits),
        cmocka_unit_test(a_clean_end_cuts_old_content_off),
        cmocka_unit_test(a_segment_is_not_sealed_in_front_of_old_content),
        cmocka_unit_test(none_is_kept_while_room_is_scarce),
        cmocka_unit_test(a_file_that_somebody_reads_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int
main(void)
{
    const struct CMUnitTest clear[] = {
        cmocka_unit_test(under_a_new_key_old_content_does_not_stay),
    };
    return run() + run_encrypted(run) + cmocka_run_group_tests(clear, NULL, NULL);
}
