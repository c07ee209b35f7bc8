/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions that are still open: what is taken, dropped and left out, and what it costs.
 */
#include <errno.h>

#include "tests/unit/agent/spool/side_util.h"

static void
streamed_transactions_come_at_their_commit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct tide *t = malloc(sizeof(*t));
        tide_init(t, seed);
        t->feed.max_payload = seed % 3 ? 60 : 700;
        tide_run(t, s, 1500);
        assert_true(t->links > 10);
        ok(spool_flush(s, &err));
        check_from(s, &t->feed, 0);
        for (size_t i = 0; i < t->feed.count; i += 97) {
            const struct record *rec = &t->feed.all[i].rec;
            if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
                check_from(s, &t->feed, rec->position);
            }
        }
        check_numbers(fs, s);
        spool_close(s);
        assert_int_equal(fake_fs_open_count(fs), 0);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
nothing_streamed_or_nothing_left_needs_no_file(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    tide_init(t, 1);
    t->streams[0].xid = 77;
    ok(tide_commit(t, s, 0, &err));
    for (unsigned i = 0; i < 100; i++) {
        ok(tide_stream(t, s, 1, 2, &err));
    }
    assert_int_equal(list_sides(fs).open, 1);
    ok(tide_abort(t, s, 1, 2, &err));
    ok(tide_commit(t, s, 1, &err));
    assert_int_equal(list_sides(fs).open + list_sides(fs).linked, 0);
    ok(spool_flush(s, &err));
    assert_int_equal(t->feed.count, 4);
    check_from(s, &t->feed, 0);
    check_numbers(fs, s);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
a_short_transaction_that_rolls_back_never_has_a_file(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    tide_init(t, 1);
    uint64_t before = fake_fs_changes(fs);
    ok(tide_stream(t, s, 0, 0, &err));
    ok(tide_abort(t, s, 0, 0, &err));
    assert_int_equal(fake_fs_changes(fs), before);
    tide_fill(t, s, 0, 50);
    assert_int_equal(list_sides(fs).open, 1);
    ok(tide_abort(t, s, 0, 0, &err));
    assert_int_equal(list_sides(fs).open, 0);
    check_numbers(fs, s);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
discard_drops_what_is_open(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    tide_init(t, 1);
    for (unsigned i = 0; i < 4; i++) {
        tide_fill(t, s, i, 60);
    }
    uint32_t xid = t->streams[2].xid;
    assert_int_equal(list_sides(fs).open, 4);
    ok(tide_discard(t, s, &err));
    assert_int_equal(list_sides(fs).open, 0);
    check_numbers(fs, s);
    /* The same transaction comes again from its begin. */
    t->next_xid = xid;
    tide_fill(t, s, 2, 7);
    assert_int_equal(t->streams[2].xid, xid);
    ok(tide_commit(t, s, 2, &err));
    ok(spool_flush(s, &err));
    check_from(s, &t->feed, 0);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
an_abort_of_what_was_never_seen_is_nothing(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct record rec = {.kind = RECORD_ABORT, .xid = 5, .stream = 4};
    uint64_t before = fake_fs_changes(fs);
    ok(spool_append(s, &rec, &err));
    rec.xid = 4;
    ok(spool_append(s, &rec, &err));
    assert_int_equal(fake_fs_changes(fs), before);
    spool_close(s);
    fake_fs_free(fs);
}

static void
hundreds_of_open_transactions_need_few_descriptors(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.segment_size = 20000;
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    tide_init(t, 5);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 400; i++) {
            tide_fill(t, s, i, 1 + round % 3);
        }
        assert_true(fake_fs_open_count(fs) < 140);
    }
    assert_int_equal(list_sides(fs).open, 400);
    for (unsigned i = 0; i < 400; i++) {
        ok(tide_commit(t, s, (i * 37) % 400, &err));
    }
    ok(spool_sync(s, &err));
    assert_int_equal(list_sides(fs).linked, 400);
    check_numbers(fs, s);
    assert_int_equal(fake_fs_open_count(fs), 1);
    check_from(s, &t->feed, 0);
    spool_close(s);
    s = open_spool(&o);
    check_from(s, &t->feed, 0);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
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
    check_numbers(d->fs, d->spool); /* nothing is left of a partial write */
    d->capacity += 37;
    fake_fs_capacity(d->fs, d->capacity);
}

static void
a_full_disk_loses_nothing_of_a_stream(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct disk d = {fake_fs_new(), 500, NULL};
        struct spool_options o = small_options(d.fs);
        struct spool *s = d.spool = open_spool(&o);
        struct err err = ERR_INIT;
        struct tide *t = malloc(sizeof(*t));
        tide_init(t, seed);
        t->relief = a_little_more;
        t->arg = &d;
        t->feed.max_payload = seed % 3 ? 60 : 700;
        fake_fs_capacity(d.fs, d.capacity);
        tide_run(t, s, 800);
        assert_true(t->refused > 100);
        assert_true(t->links > 5);
        while (!spool_flush(s, &err)) {
            assert_int_equal(err.class, ERR_RETRY);
            a_little_more(&d);
        }
        check_from(s, &t->feed, 0);
        fake_fs_capacity(d.fs, UINT64_MAX / 2);
        t->relief = NULL;
        ok(tide_settle(t, s, &err));
        ok(spool_sync(s, &err));
        spool_close(s);
        s = open_spool(&o);
        check_from(s, &t->feed, 0);
        check_numbers(d.fs, s);
        spool_close(s);
        tide_done(t);
        free(t);
        fake_fs_free(d.fs);
    }
}

static void
a_refusal_in_any_place_of_a_link_leaves_nothing(void **state)
{
    (void)state;
    static const enum fake_op ops[] = {FAKE_OPEN, FAKE_PWRITE, FAKE_RENAME};
    for (unsigned o_i = 0; o_i < 3; o_i++) {
        for (unsigned nth = 1; nth < 12; nth++) {
            struct fake_fs *fs = fake_fs_new();
            struct spool_options o = small_options(fs);
            struct spool *s = open_spool(&o);
            struct err err = ERR_INIT;
            struct tide *t = malloc(sizeof(*t));
            tide_init(t, nth);
            tide_fill(t, s, 0, 100);
            for (unsigned sub = 1; sub < 4; sub++) {
                ok(tide_abort(t, s, 0, sub, &err));
            }
            for (unsigned i = 0; i < nth; i++) {
                ok(tide_plain(t, s, &err));
            }
            ok(tide_settle(t, s, &err));
            fake_fs_fail(fs, ops[o_i], nth, ENOSPC);
            while (!tide_begin(t, s, 0, &err)) {
                assert_int_equal(err.class, ERR_RETRY);
                check_numbers(fs, s);
            }
            fake_fs_fail(fs, ops[o_i], 0, 0);
            ok(spool_flush(s, &err));
            check_from(s, &t->feed, 0);
            spool_close(s);
            tide_done(t);
            free(t);
            fake_fs_free(fs);
        }
    }
}

static void
a_disk_that_fails_ends_the_spool(void **state)
{
    (void)state;
    static const enum fake_op ops[] = {FAKE_PWRITE, FAKE_DATASYNC, FAKE_RENAME, FAKE_SYNC_DIR};
    for (unsigned i = 0; i < 4; i++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct tide *t = malloc(sizeof(*t));
        tide_init(t, 3);
        tide_fill(t, s, 0, 100);
        ok(tide_plain(t, s, &err));
        ok(tide_settle(t, s, &err));
        ok(spool_sync(s, &err));
        fake_fs_fail(fs, ops[i], 1, EIO);
        assert_false(tide_begin(t, s, 0, &err));
        assert_int_equal(err.class, ERR_FATAL);
        assert_false(tide_begin(t, s, 0, &err));
        assert_int_equal(err.class, ERR_FATAL);
        spool_close(s);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
a_stream_counts_against_the_budget_and_its_end_does_not(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    o.max_size = 20000;
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    struct spool_stats stats;
    tide_init(t, 3);
    while (tide_stream(t, s, 0, 0, &err)) {
        assert_true(t->taken < 10000);
    }
    assert_int_equal(err.class, ERR_RETRY);
    assert_non_null(strstr(err.text, "full"));
    spool_stats(s, &stats);
    assert_true(stats.side_bytes > 15000 && stats.bytes <= o.max_size);
    err_clear(&err);
    ok(tide_commit(t, s, 0, &err));
    ok(spool_flush(s, &err));
    check_from(s, &t->feed, 0);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
much_of_a_stream_is_made_durable_before_its_end(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    size_t len = 1024 * 1024;
    uint8_t *bytes = calloc(1, len);
    struct record rec = {
        .kind = RECORD_DATA, .xid = 9, .stream = 9, .received_us = 5, .payload = {bytes, len}};
    for (unsigned i = 0; i < 63; i++) {
        ok(spool_append(s, &rec, &err));
    }
    assert_int_equal(spool_unsynced(s), 0);
    ok(spool_append(s, &rec, &err));
    assert_true(spool_unsynced(s) >= 64 * len);
    ok(spool_sync(s, &err));
    assert_int_equal(spool_unsynced(s), 0);
    spool_close(s);
    free(bytes);
    fake_fs_free(fs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streamed_transactions_come_at_their_commit),
        cmocka_unit_test(nothing_streamed_or_nothing_left_needs_no_file),
        cmocka_unit_test(a_short_transaction_that_rolls_back_never_has_a_file),
        cmocka_unit_test(discard_drops_what_is_open),
        cmocka_unit_test(an_abort_of_what_was_never_seen_is_nothing),
        cmocka_unit_test(hundreds_of_open_transactions_need_few_descriptors),
        cmocka_unit_test(a_full_disk_loses_nothing_of_a_stream),
        cmocka_unit_test(a_refusal_in_any_place_of_a_link_leaves_nothing),
        cmocka_unit_test(a_disk_that_fails_ends_the_spool),
        cmocka_unit_test(a_stream_counts_against_the_budget_and_its_end_does_not),
        cmocka_unit_test(much_of_a_stream_is_made_durable_before_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
