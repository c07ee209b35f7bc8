/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts of this machine: where a spool that does not exist yet would lie.
 */
#include <unistd.h>

#include "tests/unit/agent/preflight/fixture.h"

struct seen {
    struct fs fs;
    char *path; /* of 256 bytes */
    int answer;
};

static int
fake_space(const struct fs *fs, const char *path, struct fs_space *out)
{
    const struct seen *s = (const struct seen *)fs;
    snprintf(s->path, 256, "%s", path);
    *out = (struct fs_space){.total = 100, .free = 40};
    return s->answer;
}

static void
gather(struct preflight_fixture *f, struct seen *seen, const char *path)
{
    seen->fs.space = fake_space;
    seen->path = arena_zalloc(&f->arena, 256);
    f->in.fs = &seen->fs;
    f->config.schema.copy = false;
    f->config.spool.path = keep_text(f, path);
    preflight_gather_local(&f->in, &f->source, &f->report.arena, &f->local);
}

static void
the_nearest_existing_directory_is_asked(void **state)
{
    struct seen seen = {0};
    char dir[] = "/tmp/tidegate-preflight-XXXXXX", path[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/not/yet/there", dir);
    gather(*state, &seen, path);
    rmdir(dir);
    assert_string_equal(seen.path, dir);
    struct preflight_fixture *f = *state;
    assert_int_equal(f->local.space.free, 40);
    assert_true(f->local.spool_writable);
    assert_string_equal(f->local.spool_path, path);
}

static void
a_relative_path_ends_at_the_working_directory_and_an_absolute_one_at_the_root(void **state)
{
    struct seen seen = {0};
    gather(*state, &seen, "tidegate-does-not-exist/spool");
    assert_string_equal(seen.path, ".");
    gather(*state, &seen, "/tidegate-does-not-exist/spool");
    assert_string_equal(seen.path, "/");
}

static void
a_file_system_without_an_answer_has_unknown_space(void **state)
{
    struct preflight_fixture *f = *state;
    struct seen seen = {.answer = -5};
    gather(f, &seen, "/");
    assert_int_equal(f->local.space.total, 0);
}

static void
programs_are_not_looked_for_when_the_schema_is_there_already(void **state)
{
    struct preflight_fixture *f = *state;
    struct seen seen = {0};
    f->local.tools_found = false;
    gather(f, &seen, "/");
    assert_true(f->local.tools_found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PREFLIGHT_TEST(the_nearest_existing_directory_is_asked),
        PREFLIGHT_TEST(
            a_relative_path_ends_at_the_working_directory_and_an_absolute_one_at_the_root),
        PREFLIGHT_TEST(a_file_system_without_an_answer_has_unknown_space),
        PREFLIGHT_TEST(programs_are_not_looked_for_when_the_schema_is_there_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
