/* SPDX-License-Identifier: Apache-2.0
 *
 * Where readers start, how they follow, what they do when the bytes are wrong.
 */
#include <errno.h>
#include <poll.h>

#include "agent/spool/format.h"
#include "tests/unit/agent/spool/spool_util.h"

static struct record
make(enum record_kind kind, uint64_t position)
{
    return (struct record){.kind = kind, .position = position, .received_us = 1};
}

static void
put(struct spool *s, enum record_kind kind, uint64_t position)
{
    struct err err = ERR_INIT;
    struct record rec = make(kind, position);
    ok(spool_append(s, &rec, &err));
}

static void
flush(struct spool *s)
{
    struct err err = ERR_INIT;
    ok(spool_flush(s, &err));
}

static bool
readable(const struct spool_reader *r)
{
    struct pollfd p = {.fd = spool_reader_fd(r), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void
every_start_gets_exactly_what_is_behind_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct feed f;
        feed_init(&f, seed);
        f.rows = seed % 3 == 0 ? 80 : 3;
        f.max_payload = seed % 2 ? 60 : 400;
        for (int i = 0; i < 4; i++) {
            feed_give(&f, s, 150);
            struct record discard = {.kind = RECORD_DISCARD, .received_us = f.now};
            if (f.open) {
                ok(spool_append(s, &discard, &err));
                feed_took(&f, &discard);
            }
        }
        feed_give(&f, s, 150);
        flush(s);
        for (uint64_t p = 990; p <= f.position; p += 1 + seed % 2) {
            check_from(s, &f, p);
        }
        spool_close(s);
        feed_done(&f);
        fake_fs_free(fs);
    }
}

static void
reader_follows_the_writer(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct feed f, got = {0};
    struct record rec;
    bool more;
    feed_init(&f, 31);
    ok(spool_reader_open(s, 0, &r, &err));
    for (int i = 0; i < 1500; i++) {
        feed_give(&f, s, 1);
        if (feed_random(&f) % 3 == 0) {
            flush(s);
        }
        do {
            ok(spool_reader_next(r, &rec, &more, &err));
            if (more) {
                feed_keep(&got, &rec);
                assert_int_equal(spool_reader_received_us(r), rec.received_us);
            }
        } while (more);
        assert_int_equal(spool_reader_behind(r), 0);
        assert_true(got.count <= f.count);
    }
    flush(s);
    while (spool_reader_next(r, &rec, &more, &err) && more) {
        feed_keep(&got, &rec);
    }
    check_read(&f, 0, &got);
    spool_reader_close(r);
    spool_close(s);
    feed_done(&f);
    feed_done(&got);
    fake_fs_free(fs);
}

static void
event_says_when_there_is_more(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    put(s, RECORD_MARK, 10);
    flush(s);
    ok(spool_reader_open(s, 0, &r, &err));
    assert_true(readable(r)); /* before the first read */
    assert_true(spool_reader_behind(r) > 0);
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_true(got);
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_false(got);
    assert_false(readable(r));
    put(s, RECORD_MARK, 20);
    assert_false(readable(r)); /* not flushed */
    flush(s);
    assert_true(readable(r));
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_int_equal(rec.position, 20);
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_false(got);
    assert_false(readable(r));
    spool_reader_close(r);
    spool_reader_close(NULL);
    spool_close(s);
    fake_fs_free(fs);
}

static void
what_is_not_flushed_is_not_seen(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct feed got;
    put(s, RECORD_MARK, 10);
    read_all(s, 0, &got);
    assert_int_equal(got.count, 0);
    flush(s);
    read_all(s, 0, &got);
    assert_int_equal(got.count, 1);
    feed_done(&got);
    spool_close(s);
    fake_fs_free(fs);
}

/* A sink may hold more than a spool that lost its un-synced tail: the source sends these again. */
static void
start_beyond_the_end_leaves_out_what_comes_again(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    put(s, RECORD_MARK, 100);
    flush(s);
    ok(spool_reader_open(s, 300, &r, &err));
    put(s, RECORD_BEGIN, 150); /* the sink has it */
    put(s, RECORD_SCHEMA, 150);
    put(s, RECORD_DATA, 150);
    put(s, RECORD_COMMIT, 200);
    put(s, RECORD_MARK, 250);
    put(s, RECORD_BEGIN, 260);
    put(s, RECORD_DATA, 260);
    put(s, RECORD_DISCARD, 260);
    put(s, RECORD_BEGIN, 260);
    put(s, RECORD_COMMIT, 300);
    put(s, RECORD_BEGIN, 300);
    put(s, RECORD_DATA, 290);
    put(s, RECORD_COMMIT, 340);
    flush(s);
    static const struct {
        enum record_kind kind;
        uint64_t position;
    } wanted[] = {
        {RECORD_SCHEMA, 150}, {RECORD_BEGIN, 300}, {RECORD_DATA, 290}, {RECORD_COMMIT, 340}};
    for (int i = 0; i < 4; i++) {
        ok(spool_reader_next(r, &rec, &got, &err));
        assert_true(got);
        assert_int_equal(rec.kind, wanted[i].kind);
        assert_int_equal(rec.position, wanted[i].position);
    }
    ok(spool_reader_next(r, &rec, &got, &err));
    assert_false(got);
    spool_reader_close(r);
    spool_close(s);
    fake_fs_free(fs);
}

static void
begin_that_foretold_wrong_is_fatal(void **state)
{
    (void)state;
    static const uint64_t cases[2][2] = {{150, 301}, {300, 300}};
    for (int i = 0; i < 2; i++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct spool_reader *r;
        struct record rec;
        bool got = true;
        ok(spool_reader_open(s, 300, &r, &err));
        put(s, RECORD_BEGIN, cases[i][0]);
        put(s, RECORD_COMMIT, cases[i][1]);
        flush(s);
        if (i == 1) {
            ok(spool_reader_next(r, &rec, &got, &err)); /* the BEGIN */
        }
        fails(spool_reader_next(r, &rec, &got, &err), ERR_FATAL);
        assert_false(got);
        spool_reader_close(r);
        spool_close(s);
        fake_fs_free(fs);
    }
}

static void
start_that_was_retired_is_refused(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    ok(spool_set_start(s, 500, &err));
    fails(spool_reader_open(s, 499, &r, &err), ERR_FATAL);
    assert_null(r);
    assert_non_null(strstr(err.text, "0/1F4"));
    ok(spool_reader_open(s, 500, &r, &err));
    spool_reader_close(r);
    spool_close(s);
    fake_fs_free(fs);
}

static void
file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    put(s, RECORD_MARK, 10);
    put(s, RECORD_MARK, 20);
    flush(s);
    fake_fs_fail(fs, FAKE_OPEN, 1, EMFILE);
    fails(spool_reader_open(s, 10, &r, &err), ERR_RETRY);
    fake_fs_fail(fs, FAKE_PREAD, 1, EIO);
    fails(spool_reader_open(s, 10, &r, &err), ERR_FATAL);
    ok(spool_reader_open(s, 0, &r, &err));
    fake_fs_fail(fs, FAKE_OPEN, 1, EMFILE);
    fails(spool_reader_next(r, &rec, &got, &err), ERR_RETRY);
    ok(spool_reader_next(r, &rec, &got, &err)); /* goes on where it was */
    assert_true(got);
    spool_reader_close(r);
    spool_close(s);
    assert_int_equal(fake_fs_open_count(fs), 1 - 1);
    fake_fs_free(fs);
}

static void
shortened_file_is_an_error(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    put(s, RECORD_MARK, 10);
    flush(s);
    ok(spool_reader_open(s, 0, &r, &err));
    fake_fs_put(fs, DIR "/0000000001.seg", "", 0);
    fails(spool_reader_next(r, &rec, &got, &err), ERR_FATAL);
    spool_reader_close(r);
    spool_close(s);
    fake_fs_free(fs);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_start_gets_exactly_what_is_behind_it),
        cmocka_unit_test(reader_follows_the_writer),
        cmocka_unit_test(event_says_when_there_is_more),
        cmocka_unit_test(what_is_not_flushed_is_not_seen),
        cmocka_unit_test(start_beyond_the_end_leaves_out_what_comes_again),
        cmocka_unit_test(begin_that_foretold_wrong_is_fatal),
        cmocka_unit_test(start_that_was_retired_is_refused),
        cmocka_unit_test(file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(shortened_file_is_an_error),
    };
    return cmocka_run_group_tests_name("spool reader", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
