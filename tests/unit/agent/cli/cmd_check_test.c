/* SPDX-License-Identifier: Apache-2.0
 *
 * The command as scripts see it: exit codes, and JSON on the standard output. No server is needed:
 * at the ports named here nobody listens.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/cli/cmd_check.h"
#include "tests/lib/unit.h"

#define NOBODY(db) "host=127.0.0.1 port=1 user=u dbname=" db

/* Runs the command with its output in a file; `out` gets what it printed. */
static int
run(int argc, char **argv, char *out, size_t cap)
{
    char path[] = "/tmp/tidegate-check-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDOUT_FILENO);
    assert_true(fd >= 0 && saved >= 0);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    int status = cmd_check(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    ssize_t len = pread(fd, out, cap - 1, 0);
    out[len > 0 ? len : 0] = '\0';
    close(fd);
    unlink(path);
    return status;
}

static void
help_is_no_failure(void **state)
{
    (void)state;
    char out[8192], name[] = "check", help[] = "--help";
    char *argv[] = {name, help, NULL};
    assert_int_equal(run(2, argv, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "--json"));
}

static void
an_unknown_option_is_a_usage_error(void **state)
{
    (void)state;
    char out[8192], name[] = "check", option[] = "--jsonn";
    char *argv[] = {name, option, NULL};
    assert_int_equal(run(2, argv, out, sizeof(out)), 2);
    assert_string_equal(out, "");
}

static void
a_configuration_that_is_not_there_is_a_usage_error(void **state)
{
    (void)state;
    char out[8192], name[] = "check", option[] = "-c", file[] = "/tidegate/does/not/exist.yaml";
    char *argv[] = {name, option, file, NULL};
    assert_int_equal(run(3, argv, out, sizeof(out)), 2);
}

static int
check_nobody(char *out, size_t cap, const char *last)
{
    char name[] = "check", source[] = "--source=" NOBODY("old"),
         target[] = "--target=" NOBODY("new");
    char dir[] = "--dir=/tmp/tidegate-check-no-such-dir", option[16];
    snprintf(option, sizeof(option), "%s", last);
    char *argv[] = {name, source, target, dir, option, NULL};
    return run(last[0] ? 5 : 4, argv, out, cap);
}

static void
blocking_findings_end_with_1_and_say_what_to_do(void **state)
{
    (void)state;
    char out[16384];
    assert_int_equal(check_nobody(out, sizeof(out), ""), 1);
    assert_non_null(strstr(out, "blocking  source-reachable"));
    assert_non_null(strstr(out, "blocking  target-reachable"));
    assert_non_null(strstr(out, "to do: "));
    assert_non_null(strstr(out, "2 blocking"));
}

static void
json_holds_every_finding(void **state)
{
    (void)state;
    char out[16384];
    assert_int_equal(check_nobody(out, sizeof(out), "--json"), 1);
    json_t *root = json_loads(out, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_false(json_object_get(root, "ok")));
    assert_int_equal(json_integer_value(json_object_get(root, "blocking")), 2);
    json_t *first = json_array_get(json_object_get(root, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "id")), "source-reachable");
    assert_string_equal(json_string_value(json_object_get(first, "where")), "source");
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "blocking");
    assert_non_null(json_string_value(json_object_get(first, "text")));
    assert_non_null(json_string_value(json_object_get(first, "todo")));
    json_decref(root);
}

static void
nothing_is_created_in_the_data_directory(void **state)
{
    (void)state;
    char out[16384];
    check_nobody(out, sizeof(out), "");
    assert_int_not_equal(access("/tmp/tidegate-check-no-such-dir", F_OK), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_is_no_failure),
        cmocka_unit_test(an_unknown_option_is_a_usage_error),
        cmocka_unit_test(a_configuration_that_is_not_there_is_a_usage_error),
        cmocka_unit_test(blocking_findings_end_with_1_and_say_what_to_do),
        cmocka_unit_test(json_holds_every_finding),
        cmocka_unit_test(nothing_is_created_in_the_data_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
