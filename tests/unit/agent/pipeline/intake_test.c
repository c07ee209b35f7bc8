/* SPDX-License-Identifier: Apache-2.0
 *
 * Capture step by step, with a source that the test moves by hand and a spool in memory: what a
 * broken connection leaves, and a spool without room.
 */
#include "agent/pipeline/intake.h"
#include "tests/lib/fake_fs.h"
#include "tests/lib/unit.h"

struct hand {
    struct source base;
    struct record next;
    bool has_next, broken;
    unsigned starts;
    uint64_t confirmed;
};

static struct hand hand;
static struct fake_fs *disk;
static struct spool *spool;
static struct intake *intake;
static uint64_t needed_from;
static int64_t now_us;

static bool
hand_open(const struct source_params *p, struct source **out, struct err *err)
{
    (void)p;
    (void)err;
    *out = &hand.base;
    return true;
}

static bool
hand_start(struct source *s, uint64_t position, struct err *err)
{
    (void)s;
    (void)position;
    (void)err;
    hand.starts++;
    hand.broken = false;
    return true;
}

static bool
hand_read(struct source *s, int timeout_ms, struct record *out, bool *got, struct err *err)
{
    (void)s;
    (void)timeout_ms;
    if (hand.broken) {
        return err_set(err, ERR_RECONNECT, "broken by the test");
    }
    *got = hand.has_next;
    *out = hand.next;
    hand.has_next = false;
    return true;
}

static bool
hand_confirm(struct source *s, uint64_t position, bool now, struct err *err)
{
    (void)s;
    (void)now;
    (void)err;
    hand.confirmed = position;
    return true;
}

static uint64_t
hand_head(const struct source *s)
{
    (void)s;
    return 0;
}

static void
hand_nothing(struct source *s)
{
    (void)s;
}

static const struct source_ops hand_ops = {.name = "hand",
    .summary = "moved by a test",
    .open = hand_open,
    .start = hand_start,
    .read = hand_read,
    .confirm = hand_confirm,
    .head = hand_head,
    .stop = hand_nothing,
    .free = hand_nothing};

static int64_t
test_now(const struct clock *c)
{
    (void)c;
    return now_us;
}

static const struct clock test_clock = {.mono_us = test_now, .wall_us = test_now};

static uint64_t
retire_below(void *arg)
{
    (void)arg;
    return needed_from;
}

static void
open_all(uint64_t max_size)
{
    struct err err = ERR_INIT;
    struct spool_options o = {.path = "/s",
        .feed_id = 1,
        .segment_size = 1024,
        .block_size = 256,
        .max_size = max_size,
        .fs = fake_fs_get(disk),
        .clock = &test_clock};
    assert_true(spool_open(&o, &spool, &err));
    assert_true(spool_set_start(spool, 100, &err));
    struct intake_options i = {.source = &hand_ops,
        .spool = spool,
        .sync_interval_us = 1000,
        .retry_max_us = 1000000,
        .retire_below = retire_below,
        .clock = &test_clock};
    assert_true(intake_new(&i, &intake, &err));
    uint64_t from = 0;
    assert_true(intake_open(intake, &from, &err));
    assert_int_equal(from, 100);
}

static enum intake_next
give(enum record_kind kind, uint64_t position)
{
    static const uint8_t filler[100];
    struct err err = ERR_INIT;
    enum intake_next next = INTAKE_SETTLED;
    hand.next = (struct record){
        .kind = kind, .position = position, .payload = slice_of(filler, sizeof(filler))};
    hand.has_next = true;
    assert_true(intake_step(intake, &next, &err));
    return next;
}

/* The connection breaks. */
static void
cut(void)
{
    struct err err = ERR_INIT;
    enum intake_next next;
    int64_t pause = 0;
    int attempts = 0;
    hand.broken = true;
    hand.has_next = false;
    while (intake_step(intake, &next, &err)) {
        now_us += 200000; /* what was read and has no room is tried again first */
        if (next == INTAKE_BLOCKED) {
            break;
        }
    }
    intake_close(intake);
    err_clear(&err);
    err_set(&err, ERR_RECONNECT, "broken by the test");
    assert_true(intake_failed(intake, &err, &pause, &attempts));
    now_us += pause;
}

static void
nothing_is_confirmed_before_a_sync_was_due(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    enum intake_next next;
    open_all(0);
    assert_int_equal(give(RECORD_BEGIN, 110), INTAKE_MORE);
    assert_int_equal(give(RECORD_COMMIT, 120), INTAKE_MORE);
    assert_true(intake_step(intake, &next, &err));
    assert_int_equal(next, INTAKE_SETTLED);
    assert_int_equal(hand.confirmed, 100);
    now_us += 2000;
    assert_true(intake_step(intake, &next, &err));
    assert_int_equal(hand.confirmed, 120);
}

static void
what_found_no_room_is_taken_when_there_is_some(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    enum intake_next next = INTAKE_MORE;
    uint64_t at = 100;
    open_all(8192);
    while (next != INTAKE_BLOCKED) {
        at += 10;
        next = give(RECORD_BEGIN, at);
        next = next == INTAKE_BLOCKED ? next : give(RECORD_COMMIT, at + 5);
    }
    assert_int_equal(intake_blocked_by(intake)->class, ERR_RETRY);
    needed_from = spool_appended(spool);
    for (int i = 0; i < 5 && next == INTAKE_BLOCKED; i++) {
        now_us += 200000;
        assert_true(intake_step(intake, &next, &err));
    }
    assert_int_equal(next, INTAKE_MORE);
}

static void
a_cut_inside_a_transaction_that_filled_the_spool_is_survived(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint64_t from = 0, at = 100;
    open_all(8192);
    for (int i = 0; i < 10; i++) {
        at += 10;
        (void)give(RECORD_BEGIN, at);
        (void)give(RECORD_COMMIT, at + 5);
    }
    enum intake_next next = give(RECORD_BEGIN, at + 10);
    while (next != INTAKE_BLOCKED) {
        next = give(RECORD_DATA, at + 8);
    }
    cut();
    needed_from = spool_appended(spool);
    bool open = false;
    for (int i = 0; i < 5 && !open; i++) {
        now_us += 3000000;
        open = intake_open(intake, &from, &err);
    }
    assert_true(open);
    assert_int_equal(from, at + 5);
    assert_int_equal(hand.starts, 2);
}

static void
a_stream_that_was_cut_comes_again_from_its_beginning(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint64_t from = 0;
    size_t rows = 0;
    open_all(0);
    for (int session = 0; session < 2; session++) {
        hand.next = (struct record){.kind = RECORD_DATA,
            .stream = 7,
            .xid = 7,
            .position = 105,
            .payload = slice_str("row")};
        hand.has_next = true;
        enum intake_next next;
        assert_true(intake_step(intake, &next, &err));
        if (session == 0) {
            cut();
            assert_true(intake_open(intake, &from, &err));
        }
    }
    struct record begin = {.kind = RECORD_BEGIN, .stream = 7, .xid = 7, .position = 110};
    struct record commit = {.kind = RECORD_COMMIT, .stream = 7, .position = 120};
    assert_true(spool_append(spool, &begin, &err));
    assert_true(spool_append(spool, &commit, &err));
    assert_true(spool_sync(spool, &err));
    struct spool_reader *r = NULL;
    struct record rec;
    bool got = true;
    assert_true(spool_reader_open(spool, 100, &r, &err));
    while (got) {
        assert_true(spool_reader_next(r, &rec, &got, &err));
        rows += got && rec.kind == RECORD_DATA;
    }
    spool_reader_close(r);
    assert_int_equal(rows, 1);
}

static int
setup(void **state)
{
    (void)state;
    hand = (struct hand){.base.ops = &hand_ops};
    disk = fake_fs_new();
    needed_from = 100;
    now_us = 1000000;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    intake_free(intake);
    spool_close(spool);
    fake_fs_free(disk);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_confirmed_before_a_sync_was_due),
        CASE(what_found_no_room_is_taken_when_there_is_some),
        CASE(a_cut_inside_a_transaction_that_filled_the_spool_is_survived),
        CASE(a_stream_that_was_cut_comes_again_from_its_beginning),
    };
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
