/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of a spool directory.
 */
#include <stdio.h>

#include "agent/spool/survey.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

static void
touch(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    free(path);
}

static void
names_are_sorted_by_what_they_mean(void **state)
{
    (void)state;
    static const char *const names[] = {"0000000012.seg", "0000000003.seg", "0000000013.tmp",
        "0000000003-0000000020.side", "0000000003-0000000004.side", "0000000021.open", "lock",
        "1.seg", "notes", "0000000003.seg.bak", "0000000003-4.side"};
    char *dir = tmpdir_new();
    struct survey s;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        touch(dir, names[i]);
    }
    assert_true(survey_read(&fs_system, dir, &s, &err));
    assert_int_equal(s.segments.len, 2);
    assert_int_equal(s.segments.items[0], 3);
    assert_int_equal(s.segments.items[1], 12);
    assert_int_equal(s.unfinished.len, 1);
    assert_int_equal(s.sides_len, 3);
    assert_int_equal(s.sides[0].segment, 0);
    assert_int_equal(s.sides[0].serial, 21);
    assert_int_equal(s.sides[1].serial, 4);
    assert_ptr_equal(survey_find_side(&s, 3, 20), &s.sides[2]);
    assert_null(survey_find_side(&s, 3, 21));
    assert_int_equal(s.unknown_len, 4);
    assert_string_equal(s.unknown[3], "notes");
    survey_done(&s);
    tmpdir_remove(dir);
}

static void
a_directory_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct survey s;
    struct err err = ERR_INIT;
    assert_false(survey_read(&fs_system, "/nonexistent/spool", &s, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    survey_done(&s);
    assert_null(survey_find_side(&s, 1, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_by_what_they_mean),
        cmocka_unit_test(a_directory_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests_name("spool survey", tests, NULL, NULL);
}
