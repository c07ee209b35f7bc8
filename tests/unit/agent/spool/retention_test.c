/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments that every sink has: how long they stay, how many bytes of them, and that they make room
 * when asked.
 */
#include <errno.h>

#include "agent/spool/spool.h"
#include "tests/unit/agent/spool/spool_util.h"

#define HOUR 3600000000LL

struct hand_clock {
    struct clock clock;
    int64_t now;
};

static int64_t
hand_now(const struct clock *c)
{
    return ((const struct hand_clock *)c)->now;
}

struct fixture {
    struct fake_fs *fs;
    struct hand_clock clock;
    struct spool_options o;
    struct spool *s;
    struct feed f;
};

/* A spool of many segments, all records of now. */
static void
set_up(struct fixture *fx, int64_t keep_us, uint64_t keep_size)
{
    struct err err = ERR_INIT;
    *fx = (struct fixture){.fs = fake_fs_new()};
    feed_init(&fx->f, 21);
    fx->clock = (struct hand_clock){{.mono_us = hand_now, .wall_us = hand_now}, fx->f.now};
    fx->o = small_options(fx->fs);
    fx->o.clock = &fx->clock.clock;
    fx->o.keep_us = keep_us;
    fx->o.keep_size = keep_size;
    fx->s = open_spool(&fx->o);
    feed_give(&fx->f, fx->s, 3000);
    feed_finish(&fx->f, fx->s);
    ok(spool_flush(fx->s, &err));
    fx->clock.now = fx->f.now;
}

static void
tear_down(struct fixture *fx)
{
    spool_close(fx->s);
    feed_done(&fx->f);
    fake_fs_free(fx->fs);
}

static struct spool_stats
retired(struct fixture *fx)
{
    struct err err = ERR_INIT;
    struct spool_stats stats;
    uint32_t before;
    do {
        spool_stats(fx->s, &stats);
        before = stats.segments;
        ok(spool_retire(fx->s, fx->f.position, &err));
        spool_stats(fx->s, &stats);
    } while (stats.segments != before);
    return stats;
}

static void
without_keep_nothing_stays_but_the_newest(void **state)
{
    (void)state;
    struct fixture fx;
    set_up(&fx, 0, 0);
    struct spool_stats stats = retired(&fx);
    assert_int_equal(stats.segments, 1);
    assert_int_equal(stats.kept_bytes, 0);
    tear_down(&fx);
}

static void
segments_stay_until_their_last_record_is_old_enough(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_stats all;
    set_up(&fx, HOUR, 0);
    spool_stats(fx.s, &all);
    struct spool_stats stats = retired(&fx);
    assert_int_equal(stats.segments, all.segments);
    assert_true(stats.kept_bytes > 0 && stats.kept_bytes < stats.bytes);
    check_from(fx.s, &fx.f, stats.oldest);
    fx.clock.now = fx.f.now + HOUR - 30000; /* only the first ones are an hour old */
    stats = retired(&fx);
    assert_true(stats.segments > 1 && stats.segments < all.segments);
    check_from(fx.s, &fx.f, stats.oldest);
    fx.clock.now = fx.f.now + HOUR;
    assert_int_equal(retired(&fx).segments, 1);
    tear_down(&fx);
}

static void
a_clock_that_goes_back_removes_nothing(void **state)
{
    (void)state;
    struct fixture fx;
    struct spool_stats all;
    set_up(&fx, HOUR, 0);
    spool_stats(fx.s, &all);
    fx.clock.now = 0;
    assert_int_equal(retired(&fx).segments, all.segments);
    tear_down(&fx);
}

static void
keep_size_bounds_what_stays(void **state)
{
    (void)state;
    struct fixture fx;
    set_up(&fx, HOUR, 10000);
    struct spool_stats stats = retired(&fx);
    assert_true(stats.kept_bytes <= 10000);
    assert_true(stats.kept_bytes > 10000 - 3000);
    check_from(fx.s, &fx.f, stats.oldest);
    tear_down(&fx);
}

static void
released_bytes_go_oldest_first_and_no_more_than_needed(void **state)
{
    (void)state;
    struct fixture fx;
    set_up(&fx, HOUR, 0);
    struct spool_stats before = retired(&fx);
    spool_release_kept(fx.s, 5000);
    struct spool_stats after = retired(&fx);
    assert_true(before.bytes - after.bytes >= 5000);
    assert_true(before.bytes - after.bytes < 5000 + 3000);
    assert_true(after.oldest > before.oldest);
    assert_int_equal(retired(&fx).segments, after.segments);
    check_from(fx.s, &fx.f, after.oldest);
    tear_down(&fx);
}

static void
release_does_not_touch_what_a_sink_needs(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct spool_stats all, stats;
    set_up(&fx, HOUR, 0);
    spool_stats(fx.s, &all);
    spool_release_kept(fx.s, UINT64_MAX);
    ok(spool_retire(fx.s, all.oldest, &err));
    spool_stats(fx.s, &stats);
    assert_int_equal(stats.segments, all.segments);
    assert_int_equal(stats.kept_bytes, 0);
    tear_down(&fx);
}

static void
an_open_reader_is_not_among_the_kept(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct spool_stats all;
    struct spool_reader *r;
    set_up(&fx, 1, 0);
    spool_stats(fx.s, &all);
    ok(spool_reader_open(fx.s, all.oldest, &r, &err));
    fx.clock.now += HOUR;
    struct spool_stats stats = retired(&fx);
    assert_int_equal(stats.segments, all.segments);
    assert_int_equal(stats.kept_bytes, 0);
    spool_reader_close(r);
    assert_int_equal(retired(&fx).segments, 1);
    tear_down(&fx);
}

static void
a_segment_that_cannot_be_removed_is_an_error(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct spool_stats all, stats;
    set_up(&fx, 0, 0);
    spool_stats(fx.s, &all);
    fake_fs_fail(fx.fs, FAKE_UNLINK, 1, EIO);
    fails(spool_retire(fx.s, fx.f.position, &err), ERR_FATAL);
    spool_stats(fx.s, &stats);
    assert_int_equal(stats.segments, all.segments);
    check_from(fx.s, &fx.f, all.oldest);
    tear_down(&fx);
}

static void
use_says_what_the_disk_has_left(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct budget_use use;
    set_up(&fx, HOUR, 0);
    struct spool_stats stats = retired(&fx);
    fake_fs_capacity(fx.fs, stats.bytes + 777);
    ok(spool_use(fx.s, &use, &err));
    assert_int_equal(use.used, stats.bytes);
    assert_int_equal(use.kept, stats.kept_bytes);
    assert_true(use.disk_known);
    assert_int_equal(use.free, 777);
    fake_fs_fail(fx.fs, FAKE_SPACE, 1, EIO);
    fails(spool_use(fx.s, &use, &err), ERR_FATAL);
    assert_false(use.disk_known);
    assert_int_equal(use.used, stats.bytes);
    tear_down(&fx);
}

static void
give(struct fixture *fx, enum record_kind kind, uint64_t position)
{
    struct err err = ERR_INIT;
    static const uint8_t bytes[60] = {'x'};
    struct record rec = {.kind = kind,
        .position = position,
        .xid = kind == RECORD_BEGIN ? 7 : 0,
        .received_us = fx->f.now + 1,
        .payload = slice_of(bytes, kind == RECORD_DATA ? sizeof bytes : 0)};
    ok(spool_append(fx->s, &rec, &err));
    feed_took(&fx->f, &rec);
}

/* A transaction of more segments than one call removes, of which the first ones are removed. *end:
 * where it ends; a small one stands behind it. */
static struct spool_stats
begin_removed(struct fixture *fx, enum record_kind how, uint64_t *end)
{
    struct err err = ERR_INIT;
    struct spool_stats stats;
    set_up(fx, 0, 0);
    (void)retired(fx);
    uint64_t at = fx->f.position;
    give(fx, RECORD_BEGIN, at + 10);
    for (int i = 0; i < 500; i++) {
        give(fx, RECORD_DATA, at + 5);
    }
    give(fx, how, how == RECORD_COMMIT ? at + 20 : 0);
    *end = at + 20;
    give(fx, RECORD_BEGIN, at + 30);
    give(fx, RECORD_DATA, at + 25);
    give(fx, RECORD_COMMIT, at + 40);
    ok(spool_flush(fx->s, &err));
    ok(spool_retire(fx->s, at + 40, &err));
    spool_stats(fx->s, &stats);
    assert_true(stats.segments > 2); /* neither the begin is there nor the end in the first one */
    return stats;
}

static void
behind_a_transaction_whose_begin_is_removed_is_the_oldest_position(void **state)
{
    (void)state;
    struct fixture fx;
    struct err err = ERR_INIT;
    struct spool_reader *r;
    uint64_t end;
    struct spool_stats stats = begin_removed(&fx, RECORD_COMMIT, &end);
    assert_true(stats.oldest == end);
    check_from(fx.s, &fx.f, stats.oldest);
    fails(spool_reader_open(fx.s, stats.oldest - 1, &r, &err), ERR_FATAL);
    tear_down(&fx);
}

static void
a_void_one_whose_begin_is_removed_hides_nothing(void **state)
{
    (void)state;
    struct fixture fx;
    uint64_t end;
    struct spool_stats stats = begin_removed(&fx, RECORD_DISCARD, &end);
    assert_true(stats.oldest < end);
    check_from(fx.s, &fx.f, stats.oldest);
    tear_down(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keep_nothing_stays_but_the_newest),
        cmocka_unit_test(segments_stay_until_their_last_record_is_old_enough),
        cmocka_unit_test(a_clock_that_goes_back_removes_nothing),
        cmocka_unit_test(keep_size_bounds_what_stays),
        cmocka_unit_test(released_bytes_go_oldest_first_and_no_more_than_needed),
        cmocka_unit_test(release_does_not_touch_what_a_sink_needs),
        cmocka_unit_test(an_open_reader_is_not_among_the_kept),
        cmocka_unit_test(a_segment_that_cannot_be_removed_is_an_error),
        cmocka_unit_test(use_says_what_the_disk_has_left),
        cmocka_unit_test(behind_a_transaction_whose_begin_is_removed_is_the_oldest_position),
        cmocka_unit_test(a_void_one_whose_begin_is_removed_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
