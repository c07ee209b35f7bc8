/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of side files, and walking over one.
 */
#include <errno.h>

#include "agent/base/key.h"
#include "tests/unit/agent/spool/side_util.h"

static void
names_come_back_and_others_are_not_ours(void **state)
{
    (void)state;
    static const char *const foreign[] = {"0000000001.seg", "0000000001.tmp", "lock", "1.open",
        "0000000001-2.side", "0000000001-0000000002.sid", "0000000001-0000000002.sidex",
        "0000000001_0000000002.side", "0000000001.side", "-0000000002.side", "0000000001-.side",
        "99999999999999999999.open", "0000000000.open", "0000000001-99999999999999999999.side"};
    char name[SIDE_NAME_MAX];
    uint64_t segment, serial;
    side_name(0, 13, name);
    assert_string_equal(name, "0000000013.open");
    assert_true(side_name_parse(name, &segment, &serial));
    assert_true(segment == 0 && serial == 13);
    side_name(3, 12, name);
    assert_string_equal(name, "0000000003-0000000012.side");
    assert_true(side_name_parse(name, &segment, &serial));
    assert_true(segment == 3 && serial == 12);
    side_name(UINT64_MAX, UINT64_MAX, name);
    assert_true(side_name_parse(name, &segment, &serial));
    assert_true(segment == UINT64_MAX && serial == UINT64_MAX);
    for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
        assert_false(side_name_parse(foreign[i], &segment, &serial));
    }
}

static void
a_path_that_is_too_long_is_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char dir[SEGMENT_PATH_MAX], path[SEGMENT_PATH_MAX];
    memset(dir, 'x', sizeof(dir));
    dir[sizeof(dir) - 20] = '\0';
    fails(side_path(dir, 1, 1, path, &err), ERR_CONFIG);
}

/* --- one file -----------------------------------------------------------------------------------
 */

struct fixture {
    struct fake_fs *fs;
    struct tide tide;
    struct side_where where; /* of the only linked file */
};

static int
set_up(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    struct err err = ERR_INIT;
    fx->fs = fake_fs_new();
    struct spool_options o = small_options(fx->fs);
    struct spool *s = open_spool(&o);
    tide_init(&fx->tide, 4);
    tide_fill(&fx->tide, s, 0, 100);
    for (unsigned sub = 1; sub < 4; sub++) {
        ok(tide_abort(&fx->tide, s, 0, sub, &err));
    }
    ok(tide_commit(&fx->tide, s, 0, &err));
    ok(spool_sync(s, &err));
    spool_close(s);

    struct side_names names = list_sides(fx->fs);
    size_t len;
    (void)fake_fs_file(fx->fs, names.last, &len);
    fx->where = (struct side_where){
        .fs = fake_fs_get(fx->fs),
        .dir = DIR,
        .segment = 1,
        .link = {.serial = names.serial, .bytes = len, .records = 100},
    };
    /* The offset of the first block with ABORTED records: the last one. */
    uint8_t *file = fake_fs_file(fx->fs, names.last, &len);
    for (uint64_t at = SEGMENT_HEADER_SIZE; at < len;) {
        struct block_header h;
        assert_null(block_header_decode(file + at, &h));
        fx->where.link.aborted = at;
        at += BLOCK_HEADER_SIZE + h.length;
    }
    *state = fx;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fx = *state;
    tide_done(&fx->tide);
    fake_fs_free(fx->fs);
    free(fx);
    return 0;
}

static void
a_right_file_is_verified(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct side_verdict v = {.records = 1};
    ok(side_verify(&fx->where, &v, &err));
    assert_int_equal(v.records, 101);
    assert_int_equal(v.bytes, fx->where.link.bytes);
    assert_true(v.blocks > 10);
    assert_int_equal(fake_fs_open_count(fx->fs), 0);
}

static void
a_link_that_says_something_else_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct side_verdict v = {0};
    for (unsigned wrong = 0; wrong < 5; wrong++) {
        struct side_where where = fx->where;
        where.link.serial += wrong == 0;
        where.link.bytes += wrong == 1;
        where.link.records += wrong == 2;
        where.link.aborted = wrong == 3 ? 0 : where.link.aborted - (wrong == 4);
        fails(side_verify(&where, &v, &err), ERR_FATAL);
        assert_non_null(strstr(err.text, ".side' is damaged at byte"));
        assert_int_equal(fake_fs_open_count(fx->fs), 0);
    }
}

static void
schemas_alone_are_found_without_reading_all(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct side_walk w;
    struct record rec;
    bool got = true;
    size_t at = 0;
    fx->where.schemas = true;
    fx->where.buffer = 4096;
    ok(side_walk_open(&w, &fx->where, &err));
    for (;;) {
        ok(side_walk_next(&w, &rec, &got, &err));
        if (!got) {
            break;
        }
        while (at < fx->tide.feed.count && fx->tide.feed.all[at].rec.kind != RECORD_SCHEMA) {
            at++;
        }
        assert_true(at < fx->tide.feed.count);
        assert_true(same_record(&rec, &fx->tide.feed.all[at++].rec));
    }
    assert_true(at > 0);
    assert_int_equal(w.records, 100);
    side_walk_close(&w, fx->where.fs);
}

static void
errors_of_the_file_system_are_told(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct side_verdict v = {0};
    for (unsigned nth = 1; nth < 4; nth++) {
        fake_fs_fail(fx->fs, FAKE_PREAD, nth, EIO);
        fails(side_verify(&fx->where, &v, &err), ERR_FATAL);
        assert_non_null(strstr(err.text, "Input/output error"));
        fake_fs_fail(fx->fs, FAKE_PREAD, 0, 0);
    }
    fake_fs_fail(fx->fs, FAKE_OPEN, 1, EMFILE);
    fails(side_verify(&fx->where, &v, &err), ERR_RETRY);
    assert_int_equal(fake_fs_open_count(fx->fs), 0);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static bool
has_bytes(struct fake_fs *fs, const char *path, const char *bytes)
{
    size_t len;
    const uint8_t *file = fake_fs_file(fs, path, &len);
    return memmem(file, len, bytes, strlen(bytes)) != NULL;
}

static void
with_a_key_nothing_is_in_clear(void **state)
{
    (void)state;
    static const char *const key =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct fake_fs *fs = fake_fs_new();
    struct err err = ERR_INIT;
    struct key_ring *ring;
    struct feed got;
    ok(key_ring_new(key, NULL, 0, &ring, &err));
    for (unsigned with = 0; with < 2; with++) {
        struct spool_options o = small_options(fs);
        o.path = with ? DIR : "/clear";
        o.keys = with ? ring : NULL;
        struct spool *s = open_spool(&o);
        static char text[500] = "a row that nobody may see, and it goes on";
        struct record rec = {.kind = RECORD_DATA, .xid = 7, .stream = 7, .received_us = 5};
        for (unsigned i = 0; i < 20; i++) {
            rec.payload = slice_of(text, i == 10 ? sizeof(text) : 40);
            ok(spool_append(s, &rec, &err));
        }
        rec = (struct record){.kind = RECORD_BEGIN, .xid = 7, .stream = 7, .position = 10};
        ok(spool_append(s, &rec, &err));
        rec = (struct record){.kind = RECORD_COMMIT, .stream = 7, .position = 15};
        ok(spool_append(s, &rec, &err));
        ok(spool_sync(s, &err));
        for (unsigned round = 0; round < 2; round++) {
            read_all(s, 0, &got);
            assert_int_equal(got.count, 22);
            assert_memory_equal(got.all[11].rec.payload.data, text, sizeof(text));
            feed_done(&got);
            spool_close(s);
            s = open_spool(&o);
        }
        spool_close(s);
    }
    assert_true(has_bytes(fs, "/clear/0000000001-0000000001.side", "nobody may see"));
    assert_false(has_bytes(fs, DIR "/0000000001-0000000001.side", "nobody may see"));
    struct spool_options o = small_options(fs);
    struct spool *s;
    fails(spool_open(&o, &s, &err), ERR_CONFIG);
    key_ring_free(ring);
    fake_fs_free(fs);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_back_and_others_are_not_ours),
        cmocka_unit_test(a_path_that_is_too_long_is_told),
        T(a_right_file_is_verified),
        T(a_link_that_says_something_else_is_refused),
        T(schemas_alone_are_found_without_reading_all),
        T(errors_of_the_file_system_are_told),
        cmocka_unit_test(with_a_key_nothing_is_in_clear),
    };
    return cmocka_run_group_tests_name("side files", tests, NULL, NULL);
}
