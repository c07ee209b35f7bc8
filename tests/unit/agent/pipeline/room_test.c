/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said about a spool that fills, and how intake pauses before it is full: a scripted
 * source, a real spool on a file system in memory, a clock that is moved by hand.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/base/log.h"
#include "agent/pipeline/intake.h"
#include "agent/pipeline/room.h"
#include "tests/lib/fake_fs.h"
#include "tests/lib/unit.h"

#define MS       1000LL
#define SECOND   (1000 * MS)
#define MINUTE   (60 * SECOND)
#define MAX_SIZE 200000

struct hand_clock {
    struct clock clock;
    int64_t now;
};

static struct hand_clock hand;
static struct fake_fs *fs;
static struct spool *spool;
static struct room *room;
static struct err err;
static char said[8192];
static uint64_t position; /* of the last commit given */
static uint64_t passed;   /* by every sink */

static int64_t
hand_now(const struct clock *c)
{
    return ((const struct hand_clock *)c)->now;
}

static void
listen(const char *line, size_t len, void *arg)
{
    (void)arg;
    size_t n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%.*s", (int)len, line);
}

static int
lines_with(const char *word)
{
    int n = 0;
    for (const char *at = said; (at = strstr(at, word)) != NULL; at++) {
        n++;
    }
    return n;
}

static void
open_all(uint64_t max_size, int64_t keep_us)
{
    hand = (struct hand_clock){{.mono_us = hand_now, .wall_us = hand_now}, 1700000000 * SECOND};
    fs = fake_fs_new();
    err = ERR_INIT;
    said[0] = '\0';
    position = passed = 1000;
    struct spool_options o = {.path = "/s",
        .feed_id = 1,
        .segment_size = MAX_SIZE / 20,
        .block_size = 1000,
        .max_size = max_size,
        .keep_us = keep_us,
        .fs = fake_fs_get(fs),
        .clock = &hand.clock};
    assert_true(spool_open(&o, &spool, &err));
    assert_true(spool_set_start(spool, position, &err));
    struct room_options r = {.spool = spool,
        .limits = {.max_size = max_size, .warn_at = 70, .compress_at = 80, .pause_at = 95},
        .clock = &hand.clock};
    room = room_new(&r);
}

static int
setup(void **state)
{
    (void)state;
    log_set_sink(listen, NULL);
    open_all(MAX_SIZE, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    room_free(room);
    spool_close(spool);
    fake_fs_free(fs);
    log_set_sink(NULL, NULL);
    return 0;
}

static struct record
record(enum record_kind kind, uint64_t at)
{
    static uint8_t filler[800];
    return (struct record){.kind = kind,
        .position = at,
        .received_us = hand.now,
        .payload = kind == RECORD_DATA ? slice_of(filler, sizeof(filler)) : slice_str("x")};
}

static void
give(enum record_kind kind, uint64_t at)
{
    struct record rec = record(kind, at);
    assert_true(spool_append(spool, &rec, &err));
}

static enum budget_stage
look_later(int64_t us)
{
    hand.now += us;
    enum budget_stage stage = room_look(room);
    room_tell(room);
    return stage;
}

static struct room_state
seen(void)
{
    struct room_state s;
    room_state(room, &s);
    return s;
}

static struct spool_stats
stats(void)
{
    struct spool_stats out;
    spool_stats(spool, &out);
    return out;
}

static void
fill_to(unsigned percent)
{
    while (stats().bytes * 100 < (uint64_t)percent * MAX_SIZE) {
        position += 10;
        give(RECORD_BEGIN, position);
        give(RECORD_DATA, position);
        give(RECORD_COMMIT, position);
        assert_true(spool_flush(spool, &err));
    }
}

static void
drain(void)
{
    uint32_t before = 0;
    while (stats().segments != before) {
        before = stats().segments;
        assert_true(spool_retire(spool, position, &err));
    }
}

static void
stages_are_seen_and_told_once(void **state)
{
    (void)state;
    assert_int_equal(look_later(SECOND), BUDGET_OK);
    assert_string_equal(said, "");
    fill_to(72);
    assert_int_equal(look_later(SECOND), BUDGET_WARN);
    assert_false(room_presses(room));
    assert_int_equal(look_later(SECOND), BUDGET_WARN);
    assert_int_equal(lines_with("72 % full"), 1);
    assert_int_equal(lines_with("raise spool.max_size"), 1);
    fill_to(82);
    assert_int_equal(look_later(SECOND), BUDGET_COMPRESS);
    assert_true(room_presses(room));
    fill_to(96);
    assert_int_equal(look_later(SECOND), BUDGET_PAUSE);
    assert_int_equal(lines_with("paused"), 1);
    assert_int_equal(lines_with("max_slot_wal_keep_size"), 1);
    drain();
    assert_int_equal(look_later(SECOND), BUDGET_OK);
    assert_int_equal(lines_with("capture goes on"), 1);
    assert_int_equal(lines_with("shortage is over"), 1);
}

static void
a_stage_that_lasts_is_told_again_every_ten_minutes(void **state)
{
    (void)state;
    fill_to(72);
    for (int i = 0; i < 25; i++) {
        assert_int_equal(look_later(MINUTE), BUDGET_WARN);
    }
    assert_int_equal(lines_with("72 % full"), 3);
}

static void
a_stage_that_comes_and_goes_does_not_fill_the_log(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        fill_to(96);
        assert_int_equal(look_later(SECOND), BUDGET_PAUSE);
        drain();
        assert_int_equal(look_later(SECOND), BUDGET_OK);
    }
    assert_int_equal(lines_with("paused"), 1);
    assert_int_equal(lines_with("capture goes on"), 1);
}

static void
looks_that_follow_closely_see_the_same(void **state)
{
    (void)state;
    assert_int_equal(look_later(SECOND), BUDGET_OK);
    fill_to(96);
    assert_int_equal(look_later(MS), BUDGET_OK);
    assert_int_equal(look_later(100 * MS), BUDGET_PAUSE);
}

static void
the_time_that_is_left_is_told(void **state)
{
    (void)state;
    assert_int_equal(look_later(SECOND), BUDGET_OK);
    assert_true(seen().seconds_left < 0);
    fill_to(35);
    assert_int_equal(look_later(30 * SECOND), BUDGET_OK);
    fill_to(71);
    assert_int_equal(look_later(30 * SECOND), BUDGET_WARN);
    assert_true(seen().seconds_left > 15 && seen().seconds_left < 25);
    assert_int_equal(lines_with("at the present rate capture pauses in"), 1);
    drain();
    assert_int_equal(look_later(30 * SECOND), BUDGET_OK);
    assert_true(seen().seconds_left < 0);
}

static void
a_disk_that_others_fill_counts_too(void **state)
{
    (void)state;
    fill_to(10);
    fake_fs_capacity(fs, stats().bytes + 100);
    assert_int_equal(look_later(SECOND), BUDGET_PAUSE);
    assert_true(seen().budget.disk_decides);
    assert_int_equal(lines_with("free space on the disk"), 1);
    fake_fs_capacity(fs, 1 << 30);
    assert_int_equal(look_later(SECOND), BUDGET_OK);
}

static void
a_disk_that_cannot_be_asked_leaves_the_own_limit(void **state)
{
    (void)state;
    fill_to(72);
    fake_fs_fail(fs, FAKE_SPACE, 1, EIO);
    assert_int_equal(look_later(SECOND), BUDGET_WARN);
    assert_false(seen().budget.disk_decides);
}

static void
what_is_kept_goes_before_anything_is_said(void **state)
{
    (void)state;
    (void)teardown(NULL);
    log_set_sink(listen, NULL);
    open_all(MAX_SIZE, 1000 * MINUTE);
    for (int i = 0; i < 200; i++) {
        fill_to((unsigned)(stats().bytes * 100 / MAX_SIZE) + 2);
        assert_true(spool_retire(spool, position, &err));
        assert_int_equal(look_later(SECOND), BUDGET_OK);
        assert_true(stats().bytes < MAX_SIZE / 100 * 80);
    }
    assert_true(stats().kept_bytes > MAX_SIZE / 2);
    assert_string_equal(said, "");
}

/* --- intake -------------------------------------------------------------------------------------
 */

struct fake_source {
    struct source base;
    uint64_t rows; /* of the transaction that comes; endless source of them */
    uint64_t at;   /* records given in it */
    uint64_t confirmed;
    unsigned confirms, reads;
};

static struct fake_source fake;

static bool
fake_open(const struct source_params *p, struct source **out, struct err *e)
{
    (void)p;
    (void)e;
    *out = &fake.base;
    return true;
}

static bool
fake_start(struct source *s, uint64_t from, struct err *e)
{
    (void)s;
    (void)e;
    position = from;
    fake.at = 0;
    return true;
}

static bool
fake_read(struct source *s, int timeout_ms, struct record *out, bool *got, struct err *e)
{
    (void)s;
    (void)timeout_ms;
    (void)e;
    fake.reads++;
    *got = true;
    if (fake.at == 0) {
        *out = record(RECORD_BEGIN, position + 10);
    } else if (fake.at <= fake.rows) {
        *out = record(RECORD_DATA, position + 10);
    } else {
        position += 10;
        *out = record(RECORD_COMMIT, position);
    }
    fake.at = out->kind == RECORD_COMMIT ? 0 : fake.at + 1;
    return true;
}

static bool
fake_confirm(struct source *s, uint64_t at, bool now, struct err *e)
{
    (void)s;
    (void)now;
    (void)e;
    assert_true(at <= spool_durable(spool));
    fake.confirmed = at;
    fake.confirms++;
    return true;
}

static void
fake_stop(struct source *s)
{
    (void)s;
}

static const struct source_ops fake_ops = {
    .name = "fake",
    .summary = "endless",
    .open = fake_open,
    .start = fake_start,
    .read = fake_read,
    .confirm = fake_confirm,
    .stop = fake_stop,
    .free = fake_stop,
};

static uint64_t
read_passed(void *arg)
{
    (void)arg;
    return passed;
}

static struct intake *
open_intake(uint64_t rows)
{
    fake = (struct fake_source){.base.ops = &fake_ops, .rows = rows};
    struct intake_options o = {.source = &fake_ops,
        .spool = spool,
        .sync_interval_us = 50 * MS,
        .retry_max_us = SECOND,
        .retire_below = read_passed,
        .room = room,
        .clock = &hand.clock};
    struct intake *i = NULL;
    uint64_t from;
    assert_true(intake_new(&o, &i, &err));
    assert_true(intake_open(i, &from, &err));
    return i;
}

/* Steps, a millisecond each, until it is blocked. */
static void
run_until_blocked(struct intake *i)
{
    enum intake_next next = INTAKE_MORE;
    for (int n = 0; next != INTAKE_BLOCKED; n++) {
        assert_true(n < 100000);
        hand.now += MS;
        assert_true(intake_step(i, &next, &err));
    }
}

static enum intake_next
step_after(struct intake *i, int64_t us)
{
    enum intake_next next = INTAKE_MORE;
    hand.now += us;
    assert_true(intake_step(i, &next, &err));
    return next;
}

static void
intake_pauses_between_transactions_with_everything_durable(void **state)
{
    (void)state;
    struct intake *i = open_intake(3);
    run_until_blocked(i);
    assert_true(intake_paused(i));
    assert_int_equal(fake.at, 0);
    assert_true(stats().bytes < MAX_SIZE);
    assert_int_equal(fake.confirmed, position);
    assert_int_equal(spool_durable(spool), position);
    assert_non_null(strstr(intake_blocked_by(i)->text, "paused"));
    unsigned reads = fake.reads, confirms = fake.confirms;
    for (int n = 0; n < 10; n++) {
        assert_int_equal(step_after(i, 200 * MS), INTAKE_BLOCKED);
    }
    assert_int_equal(fake.reads, reads);
    assert_int_equal(fake.confirms, confirms + 10); /* the source hears from us meanwhile */
    intake_close(i);
    intake_free(i);
}

static void
intake_goes_on_by_itself_when_the_sinks_have_moved(void **state)
{
    (void)state;
    struct intake *i = open_intake(3);
    for (int round = 0; round < 5; round++) {
        run_until_blocked(i);
        assert_true(intake_paused(i));
        passed = position;
        unsigned reads = fake.reads;
        for (int n = 0; n < 20 && step_after(i, 200 * MS) == INTAKE_BLOCKED; n++) {
        }
        assert_true(fake.reads > reads);
        assert_false(intake_paused(i));
    }
    intake_close(i);
    intake_free(i);
}

static void
a_transaction_under_way_is_taken_to_its_end(void **state)
{
    (void)state;
    struct intake *i = open_intake(216); /* ends between pause and full */
    run_until_blocked(i);
    assert_true(intake_paused(i));
    assert_int_equal(position, 1010);
    passed = position;
    for (int n = 0; n < 20 && step_after(i, 200 * MS) == INTAKE_BLOCKED; n++) {
    }
    assert_true(stats().segments < 4);
    intake_close(i);
    intake_free(i);
}

static void
a_transaction_larger_than_the_spool_says_so(void **state)
{
    (void)state;
    struct intake *i = open_intake(10000);
    run_until_blocked(i);
    assert_false(intake_paused(i));
    assert_non_null(strstr(intake_blocked_by(i)->hint, "does not fit"));
    assert_true(stats().bytes <= MAX_SIZE);
    intake_close(i);
    intake_free(i);
}

/* What was received of the transaction is given up, although there is no room to say so. */
static void
a_break_while_the_spool_is_full_does_not_keep_it_full(void **state)
{
    (void)state;
    int64_t pause;
    int attempts;
    uint64_t from;
    fill_to(60);
    uint64_t whole = position;
    struct intake *i = open_intake(10000);
    run_until_blocked(i);
    assert_false(intake_paused(i));
    assert_null(strstr(intake_blocked_by(i)->hint, "does not fit"));
    intake_close(i);
    (void)err_set(&err, ERR_RECONNECT, "cut");
    assert_true(intake_failed(i, &err, &pause, &attempts));
    fake.rows = 3;
    assert_true(intake_open(i, &from, &err));
    assert_int_equal(from, whole);
    passed = whole;
    enum intake_next next = INTAKE_BLOCKED;
    for (int n = 0; n < 20 && next == INTAKE_BLOCKED; n++) {
        next = step_after(i, 200 * MS);
    }
    assert_int_equal(next, INTAKE_MORE);
    run_until_blocked(i);
    assert_true(intake_paused(i));
    assert_true(position > whole);
    intake_close(i);
    intake_free(i);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(stages_are_seen_and_told_once),
        T(a_stage_that_lasts_is_told_again_every_ten_minutes),
        T(a_stage_that_comes_and_goes_does_not_fill_the_log),
        T(looks_that_follow_closely_see_the_same),
        T(the_time_that_is_left_is_told),
        T(a_disk_that_others_fill_counts_too),
        T(a_disk_that_cannot_be_asked_leaves_the_own_limit),
        T(what_is_kept_goes_before_anything_is_said),
        T(intake_pauses_between_transactions_with_everything_durable),
        T(intake_goes_on_by_itself_when_the_sinks_have_moved),
        T(a_transaction_under_way_is_taken_to_its_end),
        T(a_transaction_larger_than_the_spool_says_so),
        T(a_break_while_the_spool_is_full_does_not_keep_it_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
