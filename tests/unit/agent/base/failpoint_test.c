/* SPDX-License-Identifier: Apache-2.0
 *
 * Failpoints end processes, so every case runs in a child of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/failpoint.h"
#include "tests/lib/unit.h"

/* Passes point "a" five times; the exit status tells how often that went well. */
static int
status_with(const char *spec)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(2);
        if (spec != NULL) {
            setenv("TIDEGATE_FAILPOINTS", spec, 1);
        } else {
            unsetenv("TIDEGATE_FAILPOINTS");
        }
        for (int i = 0; i < 5; i++) {
            failpoint_hit("a");
            failpoint_hit("b.c");
        }
        _exit(5);
    }
    int status;
    waitpid(pid, &status, 0);
    return status;
}

static int
exit_with(const char *spec)
{
    int status = status_with(spec);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
unarmed_points_do_nothing(void **state)
{
    (void)state;
    assert_int_equal(exit_with(NULL), 5);
    assert_int_equal(exit_with(""), 5);
    assert_int_equal(exit_with("other=kill"), 5);
}

static void
kill_is_a_sigkill(void **state)
{
    (void)state;
    assert_int_equal(exit_with("a=kill"), -SIGKILL);
    assert_int_equal(exit_with("b.c=kill:5"), -SIGKILL);
}

static void
a_kill_says_where(void **state)
{
    (void)state;
    int ends[2];
    char said[200] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        setenv("TIDEGATE_FAILPOINTS", "a=exit:2,b.c=kill", 1);
        failpoint_hit("a");
        failpoint_hit("b.c");
        _exit(5);
    }
    close(ends[1]);
    waitpid(pid, NULL, 0);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    assert_string_equal(said, "tidegate: killed at b.c\n");
    close(ends[0]);
}

static void
exit_leaves_with_99(void **state)
{
    (void)state;
    assert_int_equal(exit_with("a=exit"), 99);
    assert_int_equal(exit_with("other=kill,a=exit:5"), 99);
}

static void
the_pass_is_counted(void **state)
{
    (void)state;
    assert_int_equal(exit_with("a=kill:6"), 5);
    assert_int_equal(exit_with("a=exit:2,b.c=kill:2"), 99); /* a comes first */
    assert_int_equal(exit_with("a=exit:3,b.c=kill:2"), -SIGKILL);
}

static void
sleep_delays_each_pass(void **state)
{
    (void)state;
    int64_t before = clock_mono_us(&clock_system);
    assert_int_equal(exit_with("a=sleep:10"), 5);
    assert_true(clock_mono_us(&clock_system) - before >= 50000);
}

static void
a_misspelt_specification_ends_the_process(void **state)
{
    (void)state;
    static const char *const bad[] = {"a", "=kill", "a=", "a=die", "a=kill:", "a=kill:0",
        "a=kill:x", "a=sleep", "a=kill,", ",a=kill", "a=kill:1:2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(exit_with(bad[i]), 98);
    }
    char long_spec[2000] = "a=";
    memset(long_spec + 2, 'k', sizeof long_spec - 3);
    assert_int_equal(exit_with(long_spec), 98);
    char long_name[100];
    snprintf(long_name, sizeof long_name, "%064d=kill", 1);
    assert_int_equal(exit_with(long_name), 98);
    char many[1000] = "x=kill";
    for (int i = 0; i < 16; i++) {
        strncat(many, ",x=kill", sizeof many - strlen(many) - 1);
    }
    assert_int_equal(exit_with(many), 98);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unarmed_points_do_nothing),
        cmocka_unit_test(kill_is_a_sigkill),
        cmocka_unit_test(a_kill_says_where),
        cmocka_unit_test(exit_leaves_with_99),
        cmocka_unit_test(the_pass_is_counted),
        cmocka_unit_test(sleep_delays_each_pass),
        cmocka_unit_test(a_misspelt_specification_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
