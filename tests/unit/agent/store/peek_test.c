/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking into state.db from outside.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/peek.h"
#include "agent/store/store.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct seen {
    char text[256];
};

static void
each(const char *key, const char *value, void *arg)
{
    struct seen *s = arg;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%s=%s;", key, value);
}

static void
values_with_the_prefix_are_told_beside_the_agent_and_after_it(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *store = NULL;
    char *dir = tmpdir_new();
    assert_true(store_open(dir, &store, &err));
    assert_true(store_set(store, "cursor_b", "2", &err) &&
                store_set(store, "cursor_a", "1", &err) &&
                store_set(store, "cursorxc", "3", &err) && store_set(store, "phase", "x", &err));
    for (int i = 0; i < 2; i++) {
        struct seen s = {""};
        bool found = false;
        if (!store_peek(dir, "cursor_", each, &s, &found, &err)) {
            fail_msg("%s", err.text);
        }
        assert_true(found);
        assert_string_equal(s.text, "cursor_a=1;cursor_b=2;");
        store_close(store);
        store = NULL;
    }
    tmpdir_remove(dir);
}

static void
a_directory_without_state_is_no_error_and_stays_as_it_is(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct seen s = {""};
    bool found = true;
    char *dir = tmpdir_new();
    assert_true(store_peek(dir, "", each, &s, &found, &err));
    assert_false(found);
    char *path = tmpdir_path(dir, "state.db");
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    tmpdir_remove(dir);
}

static void
what_is_no_database_is_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct seen s = {""};
    bool found = true;
    char *dir = tmpdir_new(), *path = tmpdir_path(dir, "state.db");
    FILE *f = fopen(path, "w");
    fputs("this is something else, and long enough to be looked at by a library of databases", f);
    fclose(f);
    assert_false(store_peek(dir, "", each, &s, &found, &err));
    assert_non_null(strstr(err.text, "state.db"));
    free(path);
    tmpdir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_with_the_prefix_are_told_beside_the_agent_and_after_it),
        cmocka_unit_test(a_directory_without_state_is_no_error_and_stays_as_it_is),
        cmocka_unit_test(what_is_no_database_is_told),
    };
    return cmocka_run_group_tests_name("store peek", tests, NULL, NULL);
}
