/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is wrong with a spool is told, not only the first of it, and nothing that is right.
 */
#include <unistd.h>

#include "agent/spool/audit.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/side_util.h"

#define FINDINGS_MAX 16

struct fixture {
    char *dir;
    struct tide tide;
    struct spool_options o;

    struct audit_options audit;
    struct audit_result result;
    struct {
        enum audit_severity severity;
        char file[64], text[1024];
        bool has_offset;
        uint64_t offset;
    } findings[FINDINGS_MAX];
    size_t count;
    uint64_t done, total;
};

static void
on_finding(const struct audit_finding *f, void *arg)
{
    struct fixture *fx = arg;
    assert_true(fx->count < FINDINGS_MAX);
    fx->findings[fx->count].severity = f->severity;
    fx->findings[fx->count].has_offset = f->has_offset;
    fx->findings[fx->count].offset = f->offset;
    snprintf(fx->findings[fx->count].file, sizeof(fx->findings[0].file), "%s", f->file);
    snprintf(fx->findings[fx->count].text, sizeof(fx->findings[0].text), "%s", f->text);
    fx->count++;
}

static void
on_progress(uint64_t done, uint64_t total, void *arg)
{
    struct fixture *fx = arg;
    assert_true(done >= fx->done && done <= total);
    fx->done = done;
    fx->total = total;
}

static int
set_up(void **state)
{
    static struct fixture fx;
    fx = (struct fixture){.dir = tmpdir_new()};
    fx.o = small_options(NULL);
    fx.o.path = fx.dir;
    tide_init(&fx.tide, 90);
    fx.audit = (struct audit_options){.path = fx.dir,
        .keys = fx.o.keys,
        .finding = on_finding,
        .progress = on_progress,
        .arg = &fx};
    *state = &fx;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fx = *state;
    tide_done(&fx->tide);
    tmpdir_remove(fx->dir);
    return 0;
}

/* Many segments, some side files. */
static void
fill(struct fixture *fx)
{
    struct err err = ERR_INIT;
    struct spool *s = open_spool(&fx->o);
    tide_run(&fx->tide, s, 1500);
    for (unsigned i = 0; i < fx->tide.streams_max; i++) {
        tide_fill(&fx->tide, s, i, 40);
        ok(tide_commit(&fx->tide, s, i, &err));
    }
    ok(tide_settle(&fx->tide, s, &err));
    ok(spool_sync(s, &err));
    spool_close(s);
    assert_true(fx->tide.links > 3);
}

static void
audit(struct fixture *fx)
{
    struct err err = ERR_INIT;
    fx->count = 0;
    fx->done = 0;
    ok(audit_spool(&fx->audit, &fx->result, &err));
    assert_int_equal(fx->count, fx->result.damages + fx->result.notes);
}

static void
flip(const struct fixture *fx, const char *name, long at)
{
    char *path = tmpdir_path(fx->dir, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    int c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 4, file);
    fclose(file);
    free(path);
}

/* The side file that is linked last. */
static const char *
last_side(const struct fixture *fx, char out[SIDE_NAME_MAX])
{
    struct side_names n = {.fs = &fs_system};
    fs_system.list(&fs_system, fx->dir, count_name, &n);
    assert_true(n.serial > 0);
    snprintf(out, SIDE_NAME_MAX, "%s", strrchr(n.last, '/') + 1);
    return out;
}

static void
a_sound_spool_has_no_findings(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    audit(fx);
    assert_int_equal(fx->count, 0);
    assert_int_equal(fx->result.sides, fx->tide.links);
    assert_int_equal(fx->result.position, fx->tide.feed.position);
    assert_int_equal(fx->done, fx->total);
    assert_true(fx->total > 0);
}

static void
every_damaged_segment_is_told_with_its_place(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    audit(fx);
    uint64_t segments = fx->result.segments;
    flip(fx, "0000000002.seg", SEGMENT_HEADER_SIZE + 70);
    flip(fx, "0000000005.seg", 60); /* of the header */
    audit(fx);
    assert_int_equal(fx->result.damages, 2);
    assert_int_equal(fx->result.segments, segments - 2);
    assert_string_equal(fx->findings[0].file, "0000000002.seg");
    assert_true(fx->findings[0].has_offset);
    assert_int_equal(fx->findings[0].offset, SEGMENT_HEADER_SIZE);
    assert_string_equal(fx->findings[1].file, "0000000005.seg");
    assert_int_equal(fx->findings[1].offset, 0);
    assert_int_equal(fx->result.position, fx->tide.feed.position);
}

static void
every_flipped_byte_of_a_sealed_segment_is_found(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    fx->audit.progress = NULL;
    for (long at = 0; at < 2000; at++) {
        flip(fx, "0000000002.seg", at);
        audit(fx);
        assert_int_equal(fx->result.damages, 1);
        assert_string_equal(fx->findings[0].file, "0000000002.seg");
        flip(fx, "0000000002.seg", at);
    }
    audit(fx);
    assert_int_equal(fx->count, 0);
}

static void
a_torn_tail_is_counted_and_no_damage(void **state)
{
    struct fixture *fx = *state;
    char name[SEGMENT_NAME_MAX];
    fill(fx);
    audit(fx);
    assert_int_equal(fx->result.torn_bytes, 0);
    segment_name(fx->result.segments, false, name);
    char *path = tmpdir_path(fx->dir, name);
    FILE *file = fopen(path, "ab");
    fputs("torn!", file);
    fclose(file);
    free(path);
    audit(fx);
    assert_int_equal(fx->count, 0);
    assert_int_equal(fx->result.torn_bytes, 5);
}

static void
it_works_beside_a_writer(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct spool *s = open_spool(&fx->o);
    for (int i = 0; i < 100; i++) {
        tide_run(&fx->tide, s, 20);
        ok(spool_flush(s, &err));
        ok(spool_retire(s, fx->tide.feed.position, &err));
        audit(fx);
        assert_int_equal(fx->result.damages, 0);
    }
    spool_close(s);
}

static void
a_missing_segment_is_told_once(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    for (int i = 3; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%010d.seg", i);
        char *path = tmpdir_path(fx->dir, name);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    audit(fx);
    assert_int_equal(fx->result.damages, 1);
    assert_string_equal(fx->findings[0].file, "0000000003.seg");
    assert_non_null(strstr(fx->findings[0].text, "missing"));
}

static void
what_ends_below_a_durable_position_is_damaged(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    fx->audit.durable = fx->tide.feed.position;
    audit(fx);
    assert_int_equal(fx->count, 0);
    fx->audit.durable++;
    audit(fx);
    assert_int_equal(fx->result.damages, 1);
    assert_non_null(strstr(fx->findings[0].text, "durable up to"));
}

static void
an_empty_directory_is_sound_unless_something_was_durable(void **state)
{
    struct fixture *fx = *state;
    audit(fx);
    assert_int_equal(fx->count, 0);
    fx->audit.durable = 1;
    audit(fx);
    assert_int_equal(fx->result.damages, 1);
}

static void
damage_in_a_side_file_names_the_side_file(void **state)
{
    struct fixture *fx = *state;
    char name[SIDE_NAME_MAX];
    fill(fx);
    flip(fx, last_side(fx, name), SEGMENT_HEADER_SIZE + 80);
    audit(fx);
    assert_int_equal(fx->result.damages, 1);
    assert_string_equal(fx->findings[0].file, name);
    assert_int_equal(fx->result.sides, fx->tide.links - 1);
    char *path = tmpdir_path(fx->dir, name);
    assert_int_equal(unlink(path), 0);
    free(path);
    audit(fx);
    assert_int_equal(fx->result.damages, 1);
    assert_string_equal(fx->findings[0].file, name);
}

static void
files_that_nobody_needs_are_notes(void **state)
{
    struct fixture *fx = *state;
    static const char *const names[] = {
        "0000000001-0000099999.side", "0000000077.open", "hello", "lock"};
    fill(fx);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = tmpdir_path(fx->dir, names[i]);
        fclose(fopen(path, "ab"));
        free(path);
    }
    audit(fx);
    assert_int_equal(fx->result.damages, 0);
    assert_int_equal(fx->result.notes, 2);
    assert_string_equal(fx->findings[0].file, names[0]);
    assert_string_equal(fx->findings[1].file, "hello");
}

static void
an_unknown_key_is_no_damage_but_ends_it(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    fx->o.keys = ring;
    fill(fx);
    fx->audit.keys = NULL;
    fails(audit_spool(&fx->audit, &fx->result, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "key"));
    fx->audit.keys = ring;
    audit(fx);
    assert_int_equal(fx->count, 0);
    assert_int_equal(fx->result.sides, fx->tide.links);
    key_ring_free(ring);
}

static void
a_missing_directory_is_told(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    fx->audit.path = "/nonexistent/spool";
    fails(audit_spool(&fx->audit, &fx->result, &err), ERR_CONFIG);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_sound_spool_has_no_findings),
        T(every_damaged_segment_is_told_with_its_place),
        T(every_flipped_byte_of_a_sealed_segment_is_found),
        T(a_torn_tail_is_counted_and_no_damage),
        T(it_works_beside_a_writer),
        T(a_missing_segment_is_told_once),
        T(what_ends_below_a_durable_position_is_damaged),
        T(an_empty_directory_is_sound_unless_something_was_durable),
        T(damage_in_a_side_file_names_the_side_file),
        T(files_that_nobody_needs_are_notes),
        T(an_unknown_key_is_no_damage_but_ends_it),
        T(a_missing_directory_is_told),
    };
    return cmocka_run_group_tests_name("spool audit", tests, NULL, NULL);
}
