/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of segments and the classes of their errors.
 */
#include <errno.h>

#include "agent/spool/segment.h"
#include "tests/lib/unit.h"

static void
names_and_numbers_belong_together(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {1, 42, 9999999999, 10000000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        char name[SEGMENT_NAME_MAX];
        uint64_t number;
        bool tmp;
        segment_name(numbers[i], i % 2, name);
        assert_true(segment_name_parse(name, &tmp, &number));
        assert_int_equal(number, numbers[i]);
        assert_int_equal(tmp, i % 2);
    }
    char name[SEGMENT_NAME_MAX];
    segment_name(17, false, name);
    assert_string_equal(name, "0000000017.seg");
}

static void
other_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "lock", "1.seg", "0000000001", "0000000001.se",
        "0000000001.seg2", "x0000000001.seg", "0000000000.seg", "-000000001.seg",
        "99999999999999999999.seg", "000000000000000000001.seg"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        uint64_t number;
        bool tmp;
        assert_false(segment_name_parse(names[i], &tmp, &number));
    }
}

static void
path_that_is_too_long_is_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char path[SEGMENT_PATH_MAX], *dir = malloc(SEGMENT_PATH_MAX);
    assert_true(segment_path("/s", 3, true, path, &err));
    assert_string_equal(path, "/s/0000000003.tmp");
    memset(dir, 'x', SEGMENT_PATH_MAX - 1);
    dir[SEGMENT_PATH_MAX - 1] = '\0';
    assert_false(segment_path(dir, 3, true, path, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    free(dir);
}

static void
errors_that_may_pass_are_told_from_others(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(segment_io(&err, -ENOSPC, "write", "/s"));
    assert_int_equal(err.class, ERR_RETRY);
    assert_true(err.hint[0] != '\0');
    assert_false(segment_io(&err, -EMFILE, "open", "/s"));
    assert_int_equal(err.class, ERR_RETRY);
    assert_false(segment_io(&err, -EIO, "write", "/s"));
    assert_int_equal(err.class, ERR_FATAL);
    assert_int_equal(err.sys, EIO);
    assert_non_null(strstr(err.text, "write '/s'"));
}

static void
damage_names_file_and_place(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(segment_damaged(&err, "/s/0000000003.seg", 4711, "because"));
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "'/s/0000000003.seg'"));
    assert_non_null(strstr(err.text, "4711"));
    assert_non_null(strstr(err.text, "because"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_belong_together),
        cmocka_unit_test(other_names_are_not_ours),
        cmocka_unit_test(path_that_is_too_long_is_told),
        cmocka_unit_test(errors_that_may_pass_are_told_from_others),
        cmocka_unit_test(damage_names_file_and_place),
    };
    return cmocka_run_group_tests_name("spool segment", tests, NULL, NULL);
}
