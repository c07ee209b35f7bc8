/* SPDX-License-Identifier: Apache-2.0
 *
 * The front door: commands are found, mistakes end with 2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/cli/cli.h"
#include "agent/cli/exits.h"

/* Standard output and error of one call, in that order. */
static char text[65536];

static int
call(const char *const *words)
{
    char *argv[16] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++) {
        argv[argc] = x_strdup(words[argc]);
    }
    fflush(NULL);
    FILE *f = tmpfile();
    int out = dup(1), err = dup(2);
    dup2(fileno(f), 1);
    dup2(fileno(f), 2);
    int status = cli_main(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    for (int i = 0; i < argc; i++) {
        x_free(argv[i]);
    }
    return status;
}

#define CALL(...) call((const char *const[]){__VA_ARGS__, NULL})

static void
every_command_has_help_with_exit_codes_and_an_example(void **state)
{
    (void)state;
    size_t n;
    const struct cli_command *c = cli_commands(&n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(CALL("tidegate", c[i].name, "--help"), EXIT_OK);
        assert_non_null(strstr(text, "Usage:"));
        assert_non_null(strstr(text, "Exit codes:"));
        assert_non_null(strstr(text, "Example:"));
    }
}

static void
help_lists_every_command(void **state)
{
    (void)state;
    size_t n;
    const struct cli_command *c = cli_commands(&n);
    assert_int_equal(CALL("tidegate", "--help"), EXIT_OK);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(strstr(text, c[i].name));
    }
}

static void
help_of_a_command_is_its_own(void **state)
{
    (void)state;
    assert_int_equal(CALL("tidegate", "help", "wait"), EXIT_OK);
    assert_non_null(strstr(text, "--caught-up"));
    assert_int_equal(CALL("tidegate", "help", "spool", "cat"), EXIT_OK);
    assert_non_null(strstr(text, "--limit"));
}

static void
unknown_command_is_answered_with_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(CALL("tidegate", "statsu"), EXIT_USAGE);
    assert_non_null(strstr(text, "did you mean 'status'?"));
    assert_int_equal(CALL("tidegate", "help", "cutoverr"), EXIT_USAGE);
    assert_non_null(strstr(text, "did you mean 'cutover'?"));
}

static void
no_command_is_a_mistake(void **state)
{
    (void)state;
    assert_int_equal(CALL("tidegate"), EXIT_USAGE);
}

static void
version_is_said_everywhere(void **state)
{
    (void)state;
    assert_int_equal(CALL("tidegate", "--version"), EXIT_OK);
    assert_string_equal(text, "tidegate " TIDEGATE_VERSION "\n");
    assert_int_equal(CALL("tidegate", "status", "--version"), EXIT_OK);
    assert_string_equal(text, "tidegate " TIDEGATE_VERSION "\n");
}

static void
mistakes_in_options_are_usage_errors(void **state)
{
    (void)state;
    assert_int_equal(CALL("tidegate", "run", "--until", "tomorrow"), EXIT_USAGE);
    assert_int_equal(
        CALL("tidegate", "run", "--until", "copied", "--until-lsn", "0/1"), EXIT_USAGE);
    assert_int_equal(CALL("tidegate", "wait"), EXIT_USAGE);
    assert_int_equal(CALL("tidegate", "wait", "--phase", "lunch"), EXIT_USAGE);
    assert_non_null(strstr(text, "streaming"));
    assert_int_equal(CALL("tidegate", "wait", "--caught-up", "--lsn", "0/1"), EXIT_USAGE);
    assert_int_equal(CALL("tidegate", "spool", "cut"), EXIT_USAGE);
    assert_non_null(strstr(text, "did you mean 'cat'?"));
}

static void
clients_find_no_agent(void **state)
{
    (void)state;
    char dir[] = "/tmp/tidegate-cli-XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(CALL("tidegate", "status", "--dir", dir), EXIT_NO_AGENT);
    assert_non_null(strstr(text, "no agent is running"));
    assert_int_equal(CALL("tidegate", "wait", "--phase", "done", "--dir", dir), EXIT_NO_AGENT);
    assert_int_equal(CALL("tidegate", "wait", "--caught-up", "--dir", dir), EXIT_NO_AGENT);
    assert_int_equal(CALL("tidegate", "cutover", "--dir", dir), EXIT_NO_AGENT);
    assert_int_equal(CALL("tidegate", "pause", "--dir", dir), EXIT_NO_AGENT);
    assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_with_exit_codes_and_an_example),
        cmocka_unit_test(help_lists_every_command),
        cmocka_unit_test(help_of_a_command_is_its_own),
        cmocka_unit_test(unknown_command_is_answered_with_the_nearest),
        cmocka_unit_test(no_command_is_a_mistake),
        cmocka_unit_test(version_is_said_everywhere),
        cmocka_unit_test(mistakes_in_options_are_usage_errors),
        cmocka_unit_test(clients_find_no_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
