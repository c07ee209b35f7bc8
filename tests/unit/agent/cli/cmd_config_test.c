/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate config` as a script sees it: exit code, standard output, standard error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/cli/cmd_config.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct run {
    char *dir;
    int status;
    char out[65536], err[4096];
};

static void
read_back(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

static int
redirect(int fd, const char *path)
{
    int saved = dup(fd);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(saved >= 0 && file >= 0);
    dup2(file, fd);
    close(file);
    return saved;
}

static void
restore(int fd, int saved)
{
    dup2(saved, fd);
    close(saved);
}

/* Calls the command with `arguments`, separated by spaces; @ stands for the test's directory. */
static void
run(struct run *r, const char *arguments)
{
    char words[1024] = "config ", *argv[16], *rest = words;
    char *out = tmpdir_path(r->dir, "out"), *err = tmpdir_path(r->dir, "err");
    size_t n = strlen(words);
    for (const char *a = arguments; *a; a++) {
        n += (size_t)snprintf(
            words + n, sizeof(words) - n, *a == '@' ? "%s" : "%.1s", *a == '@' ? r->dir : a);
    }
    int argc = 0;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    fflush(stdout);
    int saved_out = redirect(1, out), saved_err = redirect(2, err);
    r->status = cmd_config(argc, argv);
    fflush(stdout);
    fflush(stderr);
    restore(1, saved_out);
    restore(2, saved_err);
    read_back(out, r->out, sizeof(r->out));
    read_back(err, r->err, sizeof(r->err));
    free(out);
    free(err);
}

static void
put(struct run *r, const char *name, const char *text)
{
    char *path = tmpdir_path(r->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static int
begin(void **state)
{
    struct run *r = calloc(1, sizeof(*r));
    r->dir = tmpdir_new();
    *state = r;
    return 0;
}

static int
end(void **state)
{
    struct run *r = *state;
    tmpdir_remove(r->dir);
    free(r);
    return 0;
}

static void
a_sound_file_is_ok(void **state)
{
    struct run *r = *state;
    char expected[1024];
    put(r, "t.yaml",
        "name: n\ndir: /d\nsource: {dsn: 'host=a'}\nsinks: [{name: t, dsn: 'host=b'}]\n");
    run(r, "check -c @/t.yaml");
    assert_int_equal(r->status, 0);
    snprintf(expected, sizeof(expected),
        "%s/t.yaml: ok\nn: from postgresql to t (postgresql), state in /d\n", r->dir);
    assert_string_equal(r->out, expected);
    assert_string_equal(r->err, "");
}

static void
a_mistake_is_named_on_stderr_and_ends_with_2(void **state)
{
    struct run *r = *state;
    char expected[1024];
    put(r, "t.yaml", "copy:\n  jbos: 4\n");
    run(r, "check --config=@/t.yaml");
    assert_int_equal(r->status, 2);
    assert_string_equal(r->out, "");
    snprintf(expected, sizeof(expected),
        "tidegate: %s/t.yaml:2:3: unknown key 'jbos' in 'copy', did you mean 'jobs'?\n"
        "HINT: 'tidegate config reference' lists every option\n",
        r->dir);
    assert_string_equal(r->err, expected);
}

static void
the_command_line_alone_can_be_checked(void **state)
{
    struct run *r = *state;
    run(r, "check --source postgresql://a/shop --target postgresql://b/shop --dir /d");
    assert_int_equal(r->status, 0);
    assert_string_equal(
        r->out, "command line: ok\nshop: from postgresql to target (postgresql), state in /d\n");
}

static void
the_example_is_a_sound_file(void **state)
{
    struct run *r = *state;
    run(r, "example");
    assert_int_equal(r->status, 0);
    put(r, "t.yaml", r->out);
    setenv("SOURCE_DSN", "postgresql://u:s0urce-pw@a/orders", 1);
    setenv("TARGET_DSN", "postgresql://u:t4rget-pw@b/orders", 1);
    run(r, "check -c @/t.yaml");
    assert_int_equal(r->status, 0);
    run(r, "show -c @/t.yaml");
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "  slot: tidegate_orders\n"));
    assert_non_null(strstr(r->out, "dsn: \"***\"\n"));
    assert_null(strstr(r->out, "-pw"));
    unsetenv("SOURCE_DSN");
    run(r, "check -c @/t.yaml");
    assert_int_equal(r->status, 2);
    assert_non_null(strstr(r->err, "${env:SOURCE_DSN}: the environment variable is not set"));
}

static void
every_text_can_be_printed(void **state)
{
    struct run *r = *state;
    run(r, "reference");
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "### `copy.jobs`\n"));
    run(r, "schema");
    assert_int_equal(r->status, 0);
    assert_int_equal(r->out[0], '{');
    run(r, "man");
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "`copy.jobs`\n:   "));
}

static void
an_unknown_verb_ends_with_2(void **state)
{
    struct run *r = *state;
    run(r, "chekc");
    assert_int_equal(r->status, 2);
    assert_string_equal(r->err,
        "tidegate: config: 'chekc' is none of "
        "check|show|example|reference|schema|man\nHINT: did you mean 'check'?\n");
    run(r, "");
    assert_int_equal(r->status, 2);
}

static void
a_password_in_a_mistake_is_not_shown(void **state)
{
    struct run *r = *state;
    put(r, "t.yaml",
        "source: {dsn: 'postgresql://u:hun@ter2@h/db'}\nsinks: [{name: t, dsn: 'host=b'}]\n");
    run(r, "check -c @/t.yaml");
    assert_int_equal(r->status, 2);
    assert_non_null(strstr(r->err, "t.yaml:1:15: 'source.dsn': malformed connection string"));
    assert_null(strstr(r->err, "hun"));
    assert_null(strstr(r->err, "ter2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sound_file_is_ok, begin, end),
        cmocka_unit_test_setup_teardown(a_mistake_is_named_on_stderr_and_ends_with_2, begin, end),
        cmocka_unit_test_setup_teardown(the_command_line_alone_can_be_checked, begin, end),
        cmocka_unit_test_setup_teardown(the_example_is_a_sound_file, begin, end),
        cmocka_unit_test_setup_teardown(every_text_can_be_printed, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_verb_ends_with_2, begin, end),
        cmocka_unit_test_setup_teardown(a_password_in_a_mistake_is_not_shown, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
