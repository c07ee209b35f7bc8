/* SPDX-License-Identifier: Apache-2.0
 *
 * Linked side files: after power cuts at every place, after decay, in retirement, and what readers
 * make of them.
 */
#include <errno.h>

#include "tests/unit/agent/spool/side_util.h"

/* --- power cuts ---------------------------------------------------------------------------------
 */

/* What is in the spool is what was given, up to some record at or behind the position that it says,
 * and a DISCARD when that leaves a transaction open. The feed becomes that. */
static void
adopt_recovered(struct tide *t, struct spool *s, uint64_t promised)
{
    struct feed got, *f = &t->feed;
    uint64_t position = spool_appended(s) == 0 ? 1000 : spool_appended(s);
    size_t must = 0;
    bool open = false;

    assert_true(position >= promised);
    for (size_t i = 0; i < f->count; i++) {
        const struct record *rec = &f->all[i].rec;
        if ((rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) && rec->position <= position) {
            must = i + 1;
        }
    }
    read_all(s, 0, &got);
    assert_true(got.count >= must);
    size_t same = 0;
    while (
        same < got.count && same < f->count && same_record(&got.all[same].rec, &f->all[same].rec)) {
        enum record_kind kind = got.all[same++].rec.kind;
        open = kind == RECORD_BEGIN || (open && kind != RECORD_COMMIT && kind != RECORD_DISCARD);
    }
    assert_true(same >= must);
    assert_int_equal(got.count, same + open);
    assert_true(!open || got.all[same].rec.kind == RECORD_DISCARD);
    feed_truncate(f, same);
    if (open) {
        feed_keep(f, &got.all[same].rec);
    }
    f->open = false;
    f->position = position;
    tide_forget_streams(t);
    feed_done(&got);
}

/* Until the machine stops, or `steps` are done. */
static void
run_until_stopped(struct tide *t, struct spool *s, unsigned steps, uint64_t *promised)
{
    struct err err = ERR_INIT;
    for (unsigned i = 0; i < steps; i++) {
        bool ok = tide_step(t, s, &err) && (i % 7 != 0 || spool_sync(s, &err));
        *promised = spool_durable(s) > *promised ? spool_durable(s) : *promised;
        if (!ok) {
            assert_int_equal(err.class, ERR_FATAL);
            return;
        }
    }
}

static uint64_t
crash_once(uint64_t seed, uint64_t stop_before)
{
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct tide *t = malloc(sizeof(*t));
    struct err err = ERR_INIT;
    uint64_t promised = 0, done = 0;

    tide_init(t, seed);
    struct spool *s = open_spool(&o);
    fake_fs_stop_before(fs, stop_before);
    done = fake_fs_changes(fs);
    run_until_stopped(t, s, 250, &promised);
    done = fake_fs_changes(fs) - done;
    for (unsigned round = 0; round < 3; round++) {
        spool_close(s);
        fake_fs_crash(fs, seed * 1000 + stop_before * 3 + round);
        s = open_spool(&o);
        adopt_recovered(t, s, promised);
        check_numbers(fs, s);
        assert_int_equal(list_sides(fs).open, 0);
        fake_fs_stop_before(fs, 1 + (stop_before * 7 + round) % 60);
        run_until_stopped(t, s, 40, &promised);
    }
    spool_close(s);
    fake_fs_crash(fs, seed);
    s = open_spool(&o);
    adopt_recovered(t, s, promised);
    tide_run(t, s, 50);
    ok(spool_flush(s, &err));
    check_from(s, &t->feed, 0);
    check_from(s, &t->feed, promised);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
    return done;
}

static void
a_power_cut_before_every_operation_keeps_what_was_promised(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t n = 1, done;
        do {
            done = crash_once(seed, n);
        } while (done >= n++);
        assert_true(n > 150);
    }
}

/* --- decay --------------------------------------------------------------------------------------
 */

/* A spool with one linked side file, of the newest segment or of a sealed one. */
static struct spool *
one_linked(struct fake_fs *fs, struct tide *t, bool newest)
{
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    tide_init(t, 4);
    tide_fill(t, s, 0, 60);
    ok(tide_abort(t, s, 0, 2, &err));
    ok(tide_commit(t, s, 0, &err));
    for (unsigned i = 0; !newest && i < 300; i++) {
        ok(tide_plain(t, s, &err));
    }
    ok(tide_settle(t, s, &err));
    ok(spool_sync(s, &err));
    assert_int_equal(t->links, 1);
    return s;
}

/* Opening or reading everything; the error. */
static bool
whole_is_readable(const struct spool_options *o, struct err *err)
{
    struct spool *s;
    struct spool_reader *r = NULL;
    struct record rec;
    bool got = true;
    bool ok = spool_open(o, &s, err);
    if (ok) {
        ok = spool_reader_open(s, 0, &r, err);
    }
    while (ok && got) {
        ok = spool_reader_next(r, &rec, &got, err);
    }
    if (s != NULL) {
        spool_reader_close(r);
        spool_close(s);
    }
    return ok;
}

static void
every_flipped_byte_of_a_side_file_is_refused(void **state)
{
    (void)state;
    for (unsigned newest = 0; newest < 2; newest++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct tide *t = malloc(sizeof(*t));
        struct err err = ERR_INIT;
        spool_close(one_linked(fs, t, newest));
        struct side_names names = list_sides(fs);
        size_t len;
        uint8_t *file = fake_fs_file(fs, names.last, &len);
        assert_true(len > 1000);
        o.read_only = true;
        ok(whole_is_readable(&o, &err));
        for (size_t i = 0; i < len; i++) {
            file[i] ^= (uint8_t)(1u << i % 8);
            fails(whole_is_readable(&o, &err), ERR_FATAL);
            assert_non_null(strstr(err.text, names.last));
            assert_non_null(strstr(err.text, "damaged at byte"));
            file[i] ^= (uint8_t)(1u << i % 8);
        }
        ok(whole_is_readable(&o, &err));
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
a_side_file_that_is_missing_or_of_another_length_is_refused(void **state)
{
    (void)state;
    for (unsigned newest = 0; newest < 2; newest++) {
        struct fake_fs *fs = fake_fs_new();
        const struct fs *ops = fake_fs_get(fs);
        struct spool_options o = small_options(fs);
        struct tide *t = malloc(sizeof(*t));
        struct err err = ERR_INIT;
        spool_close(one_linked(fs, t, newest));
        struct side_names names = list_sides(fs);
        size_t len;
        uint8_t *file = fake_fs_file(fs, names.last, &len);
        uint8_t *kept = malloc(len + 1);
        memcpy(kept, file, len);
        kept[len] = 0;
        o.read_only = true;
        for (unsigned wrong = 0; wrong < 3; wrong++) {
            fake_fs_put(fs, names.last, kept, wrong == 0 ? len - 1 : len + 1);
            if (wrong == 2) {
                assert_int_equal(ops->unlink(ops, names.last), 0);
            }
            fails(whole_is_readable(&o, &err), ERR_FATAL);
            assert_non_null(strstr(err.text, names.last));
        }
        o.read_only = false;
        fails(whole_is_readable(&o, &err), ERR_FATAL);
        fake_fs_put(fs, names.last, kept, len);
        ok(whole_is_readable(&o, &err));
        free(kept);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
side_files_of_other_links_are_refused(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct tide *t = malloc(sizeof(*t));
    struct err err = ERR_INIT;
    spool_close(one_linked(fs, t, true));
    struct side_names names = list_sides(fs);
    size_t len;
    uint8_t *file = fake_fs_file(fs, names.last, &len);
    struct segment_header h;
    uint32_t version;
    assert_null(segment_header_decode(file, &h, &version));
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        struct segment_header other = h;
        other.feed_id += wrong == 0;
        other.number += wrong == 1;
        other.begin += wrong == 2; /* the ids of aborted subtransactions belong to another one */
        segment_header_encode(&other, file);
        fails(whole_is_readable(&o, &err), ERR_FATAL);
        assert_non_null(strstr(err.text, names.last));
    }
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void
opening_removes_what_no_link_leads_to(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct tide *t = malloc(sizeof(*t));
    struct err err = ERR_INIT;
    spool_close(one_linked(fs, t, false));
    static const char *const junk[] = {DIR "/0000000077.open", DIR "/0000000000-0000000003.side",
        DIR "/0000099999-0000000004.side"};
    for (unsigned i = 0; i < 3; i++) {
        fake_fs_put(fs, junk[i], "x", 1);
    }
    o.read_only = true;
    struct spool *s = open_spool(&o);
    check_from(s, &t->feed, 0);
    spool_close(s);
    assert_int_equal(list_sides(fs).open, 1);
    o.read_only = false;
    s = open_spool(&o);
    assert_int_equal(list_sides(fs).open, 0);
    check_from(s, &t->feed, 0);
    /* Serial numbers go on above all that were seen. */
    tide_fill(t, s, 0, 10);
    ok(tide_commit(t, s, 0, &err));
    assert_true(list_sides(fs).serial > 77);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
an_unlinked_file_of_the_newest_segment_goes(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct tide *t = malloc(sizeof(*t));
    struct side_names names;
    size_t len;
    spool_close(one_linked(fs, t, true));
    fake_fs_put(fs, DIR "/0000000001-0000000099.side", "x", 1);
    struct spool *s = open_spool(&o);
    names = list_sides(fs);
    assert_int_equal(names.linked, 1);
    assert_null(fake_fs_file(fs, DIR "/0000000001-0000000099.side", &len));
    check_from(s, &t->feed, 0);
    check_numbers(fs, s);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
schemas_of_a_linked_file_are_carried_on(void **state)
{
    (void)state;
    for (unsigned reopen = 0; reopen < 2; reopen++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct tide *t = malloc(sizeof(*t));
        tide_init(t, 9);
        tide_fill(t, s, 0, 100); /* about a dozen SCHEMA records */
        ok(tide_abort(t, s, 0, 1, &err));
        ok(tide_commit(t, s, 0, &err));
        if (reopen) {
            ok(spool_sync(s, &err));
            spool_close(s);
            s = open_spool(&o);
        }
        uint8_t bytes[50] = "row";
        uint64_t at = t->feed.position;
        for (unsigned i = 0; i < 200; i++) {
            struct record rec = {.kind = i % 3 == 0   ? RECORD_BEGIN
                                         : i % 3 == 1 ? RECORD_DATA
                                                      : RECORD_COMMIT,
                .position = t->feed.position + (i % 3 == 2),
                .received_us = t->feed.now,
                .payload = slice_of(bytes, sizeof(bytes))};
            ok(tide_append(t, s, &rec, &err));
            feed_took(&t->feed, &rec);
        }
        ok(spool_flush(s, &err));
        struct spool_stats stats;
        spool_stats(s, &stats);
        assert_true(stats.segments > 3);
        check_from(s, &t->feed, at);
        check_from(s, &t->feed, t->feed.position - 5);
        spool_close(s);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

/* --- retirement and readers ---------------------------------------------------------------------
 */

static void
a_segment_takes_its_side_files_with_it(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    struct spool_stats stats;
    tide_init(t, 2);
    tide_run(t, s, 3000);
    ok(tide_settle(t, s, &err));
    ok(tide_discard(t, s, &err));
    ok(spool_sync(s, &err));
    unsigned before = list_sides(fs).linked;
    uint64_t middle = t->feed.all[t->feed.count / 2].rec.position;
    for (unsigned i = 0; i < 100; i++) {
        ok(spool_retire(s, middle, &err));
        check_numbers(fs, s);
    }
    unsigned half = list_sides(fs).linked;
    assert_true(half < before && half > 0);
    check_from(s, &t->feed, middle);
    for (unsigned i = 0; i < 100; i++) {
        ok(spool_retire(s, t->feed.position, &err));
    }
    spool_stats(s, &stats);
    assert_int_equal(stats.segments, 1);
    assert_true(list_sides(fs).linked < half);
    check_numbers(fs, s);
    spool_close(s);
    s = open_spool(&o);
    check_numbers(fs, s);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
a_side_file_that_could_not_be_removed_is_removed_later(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct tide *t = malloc(sizeof(*t));
    unsigned failed = 0;
    tide_init(t, 2);
    tide_run(t, s, 3000);
    ok(tide_settle(t, s, &err));
    ok(tide_discard(t, s, &err));
    ok(spool_sync(s, &err));
    for (unsigned i = 0; i < 200; i++) {
        fake_fs_fail(fs, FAKE_UNLINK, 1 + i % 4, ENOMEM);
        if (!spool_retire(s, t->feed.position, &err)) {
            assert_int_equal(err.class, ERR_RETRY);
            err_clear(&err);
            failed++;
        }
        check_numbers(fs, s);
    }
    assert_true(failed > 3);
    spool_close(s);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
a_crash_in_retirement_leaves_no_side_file_behind(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct tide *t = malloc(sizeof(*t));
        tide_init(t, 2);
        tide_run(t, s, 1000);
        ok(tide_settle(t, s, &err));
        ok(spool_sync(s, &err));
        fake_fs_stop_before(fs, n);
        while (spool_retire(s, t->feed.position, &err) && n < fake_fs_changes(fs)) {
            struct spool_stats stats;
            spool_stats(s, &stats);
            if (stats.segments == 1) {
                break;
            }
        }
        spool_close(s);
        fake_fs_crash(fs, n);
        s = open_spool(&o);
        check_numbers(fs, s);
        check_from(s, &t->feed, t->feed.position);
        spool_close(s);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
a_reader_in_a_side_file_keeps_it(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct tide *t = malloc(sizeof(*t));
    struct spool *s = one_linked(fs, t, false);
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    struct feed got = {0};
    bool more;
    ok(spool_reader_open(s, 0, &r, &err));
    for (unsigned i = 0; i < 10; i++) {
        ok(spool_reader_next(r, &rec, &more, &err));
        assert_true(more);
        feed_keep(&got, &rec);
    }
    uint64_t behind = spool_reader_behind(r);
    struct spool_stats stats;
    spool_stats(s, &stats);
    assert_true(behind < stats.bytes && behind > stats.bytes - stats.side_bytes);
    for (unsigned i = 0; i < 50; i++) {
        ok(spool_retire(s, t->feed.position, &err));
    }
    assert_int_equal(list_sides(fs).linked, 1);
    while (true) {
        ok(spool_reader_next(r, &rec, &more, &err));
        if (!more) {
            break;
        }
        feed_keep(&got, &rec);
    }
    check_read(&t->feed, 0, &got);
    assert_int_equal(spool_reader_behind(r), 0);
    for (unsigned i = 0; i < 50; i++) {
        ok(spool_retire(s, t->feed.position, &err));
    }
    assert_int_equal(list_sides(fs).linked, 0);
    spool_reader_close(r);
    spool_close(s);
    feed_done(&got);
    tide_done(t);
    free(t);
    fake_fs_free(fs);
}

static void
a_reader_comes_again_after_a_refusal(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth < 4; nth++) {
        struct fake_fs *fs = fake_fs_new();
        struct tide *t = malloc(sizeof(*t));
        struct spool *s = one_linked(fs, t, true);
        struct err err = ERR_INIT;
        struct spool_reader *r;
        struct record rec;
        struct feed got = {0};
        bool more = true;
        unsigned refused = 0;
        ok(spool_reader_open(s, 0, &r, &err));
        fake_fs_fail(fs, FAKE_OPEN, nth, EMFILE);
        while (more) {
            if (!spool_reader_next(r, &rec, &more, &err)) {
                assert_int_equal(err.class, ERR_RETRY);
                refused++;
                more = true;
            } else if (more) {
                feed_keep(&got, &rec);
            }
        }
        assert_int_equal(refused, nth <= 2);
        check_read(&t->feed, 0, &got);
        spool_reader_close(r);
        spool_close(s);
        feed_done(&got);
        tide_done(t);
        free(t);
        fake_fs_free(fs);
    }
}

static void
a_begin_too_large_for_a_block_is_linked_too(void **state)
{
    (void)state;
    for (size_t len = 150; len < 400; len += 10) {
        struct fake_fs *fs = fake_fs_new();
        struct spool_options o = small_options(fs);
        o.segment_size = 900;
        struct spool *s = open_spool(&o);
        struct err err = ERR_INIT;
        struct feed got;
        uint8_t bytes[400] = {0};
        for (uint32_t i = 1; i <= 20; i++) {
            struct record rec = {.kind = RECORD_DATA, .xid = i, .stream = i, .received_us = 5};
            ok(spool_append(s, &rec, &err));
            rec = (struct record){.kind = RECORD_BEGIN, .xid = i, .stream = i, .position = i * 10};
            rec.payload = slice_of(bytes, len);
            ok(spool_append(s, &rec, &err));
            rec = (struct record){.kind = RECORD_COMMIT, .stream = i, .position = i * 10 + 5};
            ok(spool_append(s, &rec, &err));
        }
        ok(spool_sync(s, &err));
        for (unsigned round = 0; round < 2; round++) {
            read_all(s, 0, &got);
            assert_int_equal(got.count, 60);
            for (size_t i = 0; i < 60; i++) {
                assert_int_equal(got.all[i].rec.kind, i % 3 + 1);
                assert_int_equal(got.all[i].rec.stream, 0);
            }
            feed_done(&got);
            check_numbers(fs, s);
            spool_close(s);
            s = open_spool(&o);
        }
        spool_close(s);
        fake_fs_free(fs);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_before_every_operation_keeps_what_was_promised),
        cmocka_unit_test(every_flipped_byte_of_a_side_file_is_refused),
        cmocka_unit_test(a_side_file_that_is_missing_or_of_another_length_is_refused),
        cmocka_unit_test(side_files_of_other_links_are_refused),
        cmocka_unit_test(opening_removes_what_no_link_leads_to),
        cmocka_unit_test(an_unlinked_file_of_the_newest_segment_goes),
        cmocka_unit_test(schemas_of_a_linked_file_are_carried_on),
        cmocka_unit_test(a_segment_takes_its_side_files_with_it),
        cmocka_unit_test(a_side_file_that_could_not_be_removed_is_removed_later),
        cmocka_unit_test(a_crash_in_retirement_leaves_no_side_file_behind),
        cmocka_unit_test(a_reader_in_a_side_file_keeps_it),
        cmocka_unit_test(a_reader_comes_again_after_a_refusal),
        cmocka_unit_test(a_begin_too_large_for_a_block_is_linked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
