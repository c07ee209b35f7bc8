/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool as its users see it, on a file system in memory.
 */
#include "agent/base/thread.h"
#include "agent/spool/spool.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/spool_util.h"

static void
new_spool_is_empty(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct spool_stats stats;
    struct err err = ERR_INIT;
    spool_stats(s, &stats);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.segments, 0);
    assert_int_equal(stats.oldest_received_us, 0);
    assert_int_equal(spool_durable(s), 0);
    assert_int_equal(spool_appended(s), 0);
    assert_int_equal(spool_unsynced(s), 0);
    ok(spool_flush(s, &err));
    ok(spool_sync(s, &err));
    spool_close(s);
    spool_close(NULL);
    fake_fs_free(fs);
}

static void
what_is_appended_is_read_over_many_segments(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct spool_stats stats;
    struct err err = ERR_INIT;
    struct feed f;
    feed_init(&f, 1);
    feed_give(&f, s, 3000);
    ok(spool_flush(s, &err));
    check_from(s, &f, 0);
    spool_stats(s, &stats);
    assert_true(stats.segments > 20);
    assert_int_equal(stats.bytes, fake_fs_used(fs));
    assert_int_equal(stats.records, 3000);
    assert_int_equal(stats.oldest_received_us, f.all[0].rec.received_us);
    spool_close(s);
    assert_int_equal(fake_fs_open_count(fs), 0);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
records_of_any_size_come_back(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    feed_init(&f, 2);
    f.max_payload = 1200; /* block_size is 300 */
    feed_give(&f, s, 1500);
    ok(spool_flush(s, &err));
    check_from(s, &f, 0);
    feed_finish(&f, s);
    ok(spool_flush(s, &err));
    spool_close(s);
    s = open_spool(&o);
    check_from(s, &f, 0);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
one_large_record_is_read_by_a_small_reader(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    size_t len = 3u << 20;
    uint8_t *big = malloc(len);
    memset(big, 'x', len);
    feed_init(&f, 3);
    struct record recs[] = {
        {.kind = RECORD_BEGIN, .position = 2000},
        {.kind = RECORD_SCHEMA, .key = 16384, .position = 7, .payload = {big, len - 1}},
        {.kind = RECORD_DATA, .position = 2000, .payload = {big, len}},
        {.kind = RECORD_COMMIT, .position = 2001, .payload = {big, 4}},
    };
    for (int i = 0; i < 4; i++) {
        ok(spool_append(s, &recs[i], &err));
        feed_took(&f, &recs[i]);
    }
    ok(spool_sync(s, &err));
    check_from(s, &f, 0);
    feed_give(&f, s, 100); /* carries the large schema over */
    ok(spool_flush(s, &err));
    check_from(s, &f, 0);
    check_from(s, &f, f.position);
    spool_close(s);
    free(big);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
append_refuses_what_breaks_the_order(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    const struct record begin = {.kind = RECORD_BEGIN, .position = 100};
    const struct record data = {.kind = RECORD_DATA, .position = 100};
    struct record commit = {.kind = RECORD_COMMIT, .position = 100};
    struct record mark = {.kind = RECORD_MARK, .position = 99};

    fails(spool_append(s, &data, &err), ERR_FATAL);
    fails(spool_append(s, &commit, &err), ERR_FATAL);
    ok(spool_append(s, &begin, &err));
    fails(spool_append(s, &begin, &err), ERR_FATAL);
    ok(spool_append(s, &commit, &err));
    assert_int_equal(spool_appended(s), 100);
    fails(spool_append(s, &mark, &err), ERR_FATAL);
    ok(spool_append(s, &begin, &err));
    fails(spool_append(s, &commit, &err), ERR_FATAL);
    commit.position = 101;
    ok(spool_append(s, &commit, &err));
    spool_close(s);
    fake_fs_free(fs);
}

static void
marks_and_discards_that_say_nothing_leave_no_trace(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_stats stats;
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 50}, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 50}, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_DISCARD, .position = 50}, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_BEGIN, .position = 60}, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 70}, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_COMMIT, .position = 61}, &err));
    spool_stats(s, &stats);
    assert_int_equal(stats.records, 3);
    assert_int_equal(spool_appended(s), 61);
    spool_close(s);
    fake_fs_free(fs);
}

static void
durable_follows_sync_and_unsynced_counts(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.segment_size = 1u << 20;
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 50}, &err));
    assert_int_equal(spool_durable(s), 0);
    assert_true(spool_unsynced(s) > 0);
    ok(spool_flush(s, &err));
    assert_int_equal(spool_durable(s), 0);
    assert_true(spool_unsynced(s) > 0);
    ok(spool_sync(s, &err));
    assert_int_equal(spool_durable(s), 50);
    assert_int_equal(spool_unsynced(s), 0);
    uint64_t changes = fake_fs_changes(fs);
    ok(spool_sync(s, &err));
    assert_int_equal(fake_fs_changes(fs), changes);
    spool_close(s);
    fake_fs_free(fs);
}

static void
start_of_an_empty_spool_survives_a_crash(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    ok(spool_set_start(s, 700, &err));
    ok(spool_set_start(s, 800, &err)); /* a new slot, nothing was kept yet */
    assert_int_equal(spool_durable(s), 800);
    spool_close(s);
    fake_fs_crash(fs, 1);
    s = open_spool(&o);
    assert_int_equal(spool_durable(s), 800);
    assert_int_equal(spool_appended(s), 800);
    ok(spool_set_start(s, 900, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 901}, &err));
    fails(spool_set_start(s, 1000, &err), ERR_FATAL);
    ok(spool_sync(s, &err));
    fails(spool_set_start(s, 1000, &err), ERR_FATAL);
    spool_close(s);
    s = open_spool(&o);
    assert_int_equal(spool_appended(s), 901);
    fails(spool_set_start(s, 1000, &err), ERR_FATAL);
    struct spool_reader *r;
    fails(spool_reader_open(s, 899, &r, &err), ERR_FATAL);
    ok(spool_reader_open(s, 900, &r, &err));
    spool_reader_close(r);
    spool_close(s);
    fake_fs_free(fs);
}

static void
reader_opened_before_the_start_was_set_reads_on(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    ok(spool_set_start(s, 100, &err));
    ok(spool_reader_open(s, 200, &r, &err));
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_false(got);
    ok(spool_set_start(s, 200, &err));
    ok(spool_append(s, &(struct record){.kind = RECORD_MARK, .position = 201}, &err));
    ok(spool_flush(s, &err));
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_true(got);
    assert_int_equal(rec.position, 201);
    spool_reader_close(r);
    spool_close(s);
    fake_fs_free(fs);
}

static void
other_feed_is_refused(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    ok(spool_set_start(s, 1, &err));
    spool_close(s);
    o.feed_id++;
    fails(spool_open(&o, &s, &err), ERR_CONFIG);
    assert_null(s);
    o.feed_id = 0;
    s = open_spool(&o);
    spool_close(s);
    assert_int_equal(fake_fs_open_count(fs), 0);
    fake_fs_free(fs);
}

static void
second_process_is_kept_out(void **state)
{
    (void)state;
    char *dir = tmpdir_new();
    char *path = tmpdir_path(dir, "deep/er");
    struct spool_options o = {.path = path, .feed_id = 1};
    struct spool *a = open_spool(&o), *b;
    struct err err = ERR_INIT;
    fails(spool_open(&o, &b, &err), ERR_CONFIG);
    ok(spool_append(a, &(struct record){.kind = RECORD_MARK, .position = 5}, &err));
    ok(spool_sync(a, &err));
    o.read_only = true; /* offline tools may look */
    b = open_spool(&o);
    assert_int_equal(spool_appended(b), 5);
    spool_close(b);
    spool_close(a);
    o.read_only = false;
    a = open_spool(&o);
    spool_close(a);
    free(path);
    tmpdir_remove(dir);
}

static void
read_only_spool_changes_nothing(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct err err = ERR_INIT;
    struct spool *s;
    struct feed f;
    o.read_only = true;
    fails(spool_open(&o, &s, &err), ERR_CONFIG); /* not there */
    o.read_only = false;
    s = open_spool(&o);
    feed_init(&f, 5);
    feed_give(&f, s, 500);
    while (!f.open) {
        feed_give(&f, s, 1);
    }
    ok(spool_flush(s, &err));
    spool_close(s);
    o.read_only = true;
    uint64_t changes = fake_fs_changes(fs);
    s = open_spool(&o);
    check_from(s, &f, 0);
    fails(spool_append(s, &f.all[0].rec, &err), ERR_FATAL);
    fails(spool_sync(s, &err), ERR_FATAL);
    fails(spool_retire(s, f.position, &err), ERR_FATAL);
    spool_close(s);
    assert_int_equal(fake_fs_changes(fs), changes);
    feed_done(&f);
    fake_fs_free(fs);
}

/* --- retirement ---------------------------------------------------------------------------------
 */

static void
retire_fully(struct spool *s, uint64_t position)
{
    struct err err = ERR_INIT;
    struct spool_stats before, after;
    do {
        spool_stats(s, &before);
        ok(spool_retire(s, position, &err));
        spool_stats(s, &after);
    } while (after.segments != before.segments);
}

static void
retired_spool_still_serves_from_its_position(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct spool_stats stats;
        struct feed f;
        feed_init(&f, seed);
        f.rows = seed % 3 == 0 ? 200 : 4; /* transactions longer than segments */
        for (int round = 0; round < 6; round++) {
            feed_give(&f, s, 400);
            ok(spool_flush(s, &err));
            uint64_t p = 1000 + feed_random(&f) % (f.position - 999);
            spool_stats(s, &stats);
            p = p < stats.oldest ? stats.oldest : p;
            retire_fully(s, p);
            check_from(s, &f, p);
            spool_stats(s, &stats);
            assert_true(stats.oldest <= p);
            assert_int_equal(stats.bytes, fake_fs_used(fs));
            check_from(s, &f, stats.oldest);
            if (round == 3) {
                feed_finish(&f, s);
                ok(spool_flush(s, &err));
                spool_close(s);
                s = open_spool(&o);
                check_from(s, &f, p);
            }
        }
        spool_close(s);
        feed_done(&f);
        fake_fs_free(fs);
    }
}

static void
retire_up_to_the_end_leaves_one_segment(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_stats stats;
    struct spool_reader *r;
    struct feed f;
    feed_init(&f, 9);
    feed_give(&f, s, 3000);
    feed_finish(&f, s);
    ok(spool_retire(s, f.position, &err));
    ok(spool_flush(s, &err));
    retire_fully(s, f.position);
    spool_stats(s, &stats);
    assert_int_equal(stats.segments, 1);
    assert_true(stats.oldest > 1000);
    fails(spool_reader_open(s, stats.oldest - 1, &r, &err), ERR_FATAL);
    check_from(s, &f, f.position);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
retire_keeps_the_segment_where_an_open_transaction_begins(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_stats stats;
    struct feed f;
    feed_init(&f, 10);
    feed_give(&f, s, 200);
    feed_finish(&f, s);
    f.rows = 1000000;
    feed_give(&f, s, 600);
    assert_true(f.open);
    ok(spool_flush(s, &err));
    retire_fully(s, f.position);
    spool_stats(s, &stats);
    assert_true(stats.segments > 3);
    check_from(s, &f, f.position);
    spool_close(s);
    feed_done(&f);
    fake_fs_free(fs);
}

static void
retire_waits_for_open_readers(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_stats stats;
    struct spool_reader *r;
    struct feed f, got = {0};
    struct record rec;
    bool more;
    ok(spool_reader_open(s, 0, &r, &err)); /* before there is any segment */
    feed_init(&f, 11);
    feed_give(&f, s, 2000);
    feed_finish(&f, s);
    ok(spool_flush(s, &err));
    spool_stats(s, &stats);
    uint32_t all = stats.segments;
    retire_fully(s, f.position);
    spool_stats(s, &stats);
    assert_int_equal(stats.segments, all);
    for (;;) {
        ok(spool_reader_next(r, &rec, &more, &err));
        if (!more) {
            break;
        }
        feed_keep(&got, &rec);
        ok(spool_retire(s, f.position, &err)); /* right behind the reader */
    }
    check_read(&f, 0, &got);
    spool_stats(s, &stats);
    assert_int_equal(stats.segments, 1);
    spool_reader_close(r);
    spool_close(s);
    feed_done(&f);
    feed_done(&got);
    fake_fs_free(fs);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_spool_is_empty),
        cmocka_unit_test(what_is_appended_is_read_over_many_segments),
        cmocka_unit_test(records_of_any_size_come_back),
        cmocka_unit_test(one_large_record_is_read_by_a_small_reader),
        cmocka_unit_test(append_refuses_what_breaks_the_order),
        cmocka_unit_test(marks_and_discards_that_say_nothing_leave_no_trace),
        cmocka_unit_test(durable_follows_sync_and_unsynced_counts),
        cmocka_unit_test(start_of_an_empty_spool_survives_a_crash),
        cmocka_unit_test(reader_opened_before_the_start_was_set_reads_on),
        cmocka_unit_test(other_feed_is_refused),
        cmocka_unit_test(second_process_is_kept_out),
        cmocka_unit_test(read_only_spool_changes_nothing),
        cmocka_unit_test(retired_spool_still_serves_from_its_position),
        cmocka_unit_test(retire_up_to_the_end_leaves_one_segment),
        cmocka_unit_test(retire_keeps_the_segment_where_an_open_transaction_begins),
        cmocka_unit_test(retire_waits_for_open_readers),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
