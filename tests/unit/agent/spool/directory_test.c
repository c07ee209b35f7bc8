/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory whose segments do not form one log is refused, whatever is wrong with it.
 */
#include <errno.h>

#include "agent/spool/directory.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/spool_util.h"

#define ONE   DIR "/0000000001.seg"
#define TWO   DIR "/0000000002.seg"
#define THREE DIR "/0000000003.seg"

/* A spool of several segments, and options to read its directory. */
static struct directory_options
several(struct fake_fs *fs)
{
    struct spool_options o = small_options(fs);
    struct spool *s = open_spool(&o);
    struct err err = ERR_INIT;
    struct feed f;
    feed_init(&f, 51);
    feed_give(&f, s, 300);
    ok(spool_sync(s, &err));
    spool_close(s);
    feed_done(&f);
    return (struct directory_options){.fs = fake_fs_get(fs), .path = DIR, .feed_id = FEED_ID};
}

static void
refused(const struct directory_options *o, enum err_class class, const char *text)
{
    struct directory dir;
    struct err err = ERR_INIT;
    fails(directory_read(o, &dir, &err), class);
    if (strstr(err.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.text);
    }
    directory_done(&dir);
}

/* Changes the header of a segment and signs it again. */
static void
change_header(struct fake_fs *fs, const char *path, size_t at, uint8_t value)
{
    size_t len;
    uint8_t *bytes = fake_fs_file(fs, path, &len);
    bytes[at] ^= value;
    uint64_t sum = format_sum(bytes, 120);
    memcpy(bytes + 120, &sum, sizeof(sum));
}

static void
whole_log_is_read_without_its_blocks(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    struct directory dir;
    struct err err = ERR_INIT;
    ok(directory_read(&o, &dir, &err));
    assert_true(dir.count > 3);
    for (size_t i = 0; i < dir.count; i++) {
        assert_int_equal(dir.segments[i].header.number, i + 1);
        assert_int_equal(dir.segments[i].sealed, i + 1 < dir.count);
    }
    directory_done(&dir);
    fake_fs_free(fs);
}

static void
missing_segment_is_named(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    (void)o.fs->unlink(o.fs, TWO);
    refused(&o, ERR_FATAL, "segment 2 is missing");
    fake_fs_free(fs);
}

static void
missing_front_is_a_retired_front(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    struct directory dir;
    struct err err = ERR_INIT;
    (void)o.fs->unlink(o.fs, ONE);
    ok(directory_read(&o, &dir, &err));
    assert_int_equal(dir.segments[0].header.number, 2);
    directory_done(&dir);
    fake_fs_free(fs);
}

static void
renamed_segment_is_found_out(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    (void)o.fs->rename(o.fs, TWO, DIR "/0000000000002.seg"); /* the same number */
    (void)o.fs->rename(o.fs, ONE, TWO);
    refused(&o, ERR_FATAL, "another number");
    fake_fs_free(fs);
}

static void
segment_that_was_sealed_must_have_its_footer(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    size_t len;
    uint8_t *bytes = fake_fs_file(fs, TWO, &len), *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    fake_fs_put(fs, TWO, copy, len - 1);
    refused(&o, ERR_FATAL, "no footer");
    copy[len] = 0;
    fake_fs_put(fs, TWO, copy, len + 1);
    refused(&o, ERR_FATAL, "footer");
    fake_fs_put(fs, TWO, copy, 100);
    refused(&o, ERR_FATAL, "cut off");
    fake_fs_put(fs, TWO, copy, 130);
    refused(&o, ERR_FATAL, "footer");
    free(copy);
    fake_fs_free(fs);
}

static void
headers_that_do_not_follow_each_other_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t at;
        uint8_t change;
        const char *text;
    } cases[] = {
        {THREE, 32, 1, "where the segment before it ends"}, /* base; its footer's place, too */
        {THREE, 16, 1, "holds feed"},
        {TWO, 47, 0x80, "goes back"},
        {TWO, 8, 1, "format version 3"},
        {TWO, 8, 3, "is of version 1, made by an older tidegate"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fake_fs *fs = fake_fs_new();
        struct directory_options o = several(fs);
        if (i == 0) { /* of the newest, whose footer is not looked at */
            size_t len;
            while (fake_fs_file(fs, DIR "/0000000004.seg", &len) != NULL) {
                char path[64];
                for (int n = 20; n > 3; n--) {
                    snprintf(path, sizeof(path), DIR "/%010d.seg", n);
                    (void)o.fs->unlink(o.fs, path);
                }
            }
        }
        change_header(fs, cases[i].path, cases[i].at, cases[i].change);
        refused(&o, i == 1 || i >= 3 ? ERR_CONFIG : ERR_FATAL, cases[i].text);
        fake_fs_free(fs);
    }
}

static void
mixed_feeds_are_refused_offline_too(void **state)
{
    (void)state;
    struct fake_fs *fs = fake_fs_new();
    struct directory_options o = several(fs);
    o.feed_id = 0;
    change_header(fs, TWO, 16, 1);
    refused(&o, ERR_FATAL, "another feed");
    fake_fs_free(fs);
}

static void
errors_of_the_file_system_are_told(void **state)
{
    (void)state;
    static const enum fake_op ops[] = {FAKE_OPEN, FAKE_PREAD, FAKE_PREAD};
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        struct fake_fs *fs = fake_fs_new();
        struct directory_options o = several(fs);
        fake_fs_fail(fs, ops[i], (unsigned)i + 1, EIO);
        refused(&o, ERR_FATAL, "Input/output error");
        assert_int_equal(fake_fs_open_count(fs), 0);
        fake_fs_free(fs);
    }
}

static void
directories_are_made_as_deep_as_asked(void **state)
{
    (void)state;
    char *dir = tmpdir_new(), *deep = tmpdir_path(dir, "a//b/c/");
    struct err err = ERR_INIT;
    ok(directory_make(&fs_system, deep, &err));
    ok(directory_make(&fs_system, deep, &err));
    char *file = tmpdir_path(dir, "a/b/c/file"), *below = tmpdir_path(file, "x");
    fclose(fopen(file, "w"));
    fails(directory_make(&fs_system, below, &err), ERR_CONFIG);
    fails(directory_make(&fs_system, "", &err), ERR_CONFIG);
    free(below);
    free(file);
    free(deep);
    tmpdir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_log_is_read_without_its_blocks),
        cmocka_unit_test(missing_segment_is_named),
        cmocka_unit_test(missing_front_is_a_retired_front),
        cmocka_unit_test(renamed_segment_is_found_out),
        cmocka_unit_test(segment_that_was_sealed_must_have_its_footer),
        cmocka_unit_test(headers_that_do_not_follow_each_other_are_refused),
        cmocka_unit_test(mixed_feeds_are_refused_offline_too),
        cmocka_unit_test(errors_of_the_file_system_are_told),
        cmocka_unit_test(directories_are_made_as_deep_as_asked),
    };
    return cmocka_run_group_tests_name("spool directory", tests, NULL, NULL);
}
