/* SPDX-License-Identifier: Apache-2.0
 *
 * References: what they bring in, what they refuse, and that nothing of it can be logged.
 */
#include <fcntl.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "config/secret.h"
#include "config/secret_command.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/config/support.h"

static void
expands_to(const char *text, const char *result)
{
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 2 * SECRET_MAX);
    if (!secret_expand(text, true, &fake_secrets, &out, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(buf_cstr(&out), result);
    secret_wipe(&out);
}

static void
refused(const char *text, bool secret, const char *message)
{
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 2 * SECRET_MAX);
    assert_false(secret_expand(text, secret, &fake_secrets, &out, &err));
    assert_string_equal(err.text, message);
    assert_int_equal(err.class, ERR_CONFIG);
    secret_wipe(&out);
}

static void
a_reference_may_be_the_whole_value_or_a_part(void **state)
{
    (void)state;
    expands_to("${env:PW}", "hunter2hunter2");
    expands_to(
        "user=a password=${env:PW} port=${env:JOBS}", "user=a password=hunter2hunter2 port=7");
    expands_to("plain $ text {}", "plain $ text {}");
}

static void
a_file_loses_its_last_newline_only(void **state)
{
    (void)state;
    expands_to("${file:/run/secrets/dsn}", "postgresql://mover@new/orders");
    expands_to("${file:/run/secrets/windows}", "two\nlines");
}

static void
an_escape_stands_for_itself(void **state)
{
    (void)state;
    expands_to("$${env:PW}", "${env:PW}");
    expands_to("$$${env:PW}", "$${env:PW}");
    expands_to("a$b", "a$b");
}

static void
what_a_reference_brings_in_is_not_expanded_again(void **state)
{
    (void)state;
    expands_to("${env:NESTED}", "${env:PW}");
}

static void
variables_that_are_missing_or_empty_are_errors(void **state)
{
    (void)state;
    refused("${env:NOPE}", true, "${env:NOPE}: the environment variable is not set");
    refused("${env:EMPTY}", true, "${env:EMPTY}: the environment variable is empty");
}

static void
files_that_cannot_serve_are_errors(void **state)
{
    (void)state;
    refused("${file:/nope}", true, "${file:/nope}: cannot open '/nope': No such file or directory");
    refused("${file:/run/secrets/empty}", true, "${file:/run/secrets/empty}: the file is empty");
    refused(
        "${file:/run/secrets/nul}", true, "${file:/run/secrets/nul}: the file holds a NUL byte");
    refused("${file:relative}", true, "${file:relative}: the path must begin with /");
}

static void
malformed_references_are_errors(void **state)
{
    (void)state;
    refused("${env:PW", false, "a reference '${' without its '}'");
    refused("${vault:x}", false, "unknown reference '${vault:x}'");
    refused("${}", false, "unknown reference '${}'");
    refused("${env:}", false, "unknown reference '${env:}'");
}

static void
a_piece_of_a_password_is_not_quoted(void **state)
{
    (void)state;
    refused("pw${hunter}", true, "'${' begins no known reference");
}

static void
a_value_that_grows_too_long_is_refused(void **state)
{
    (void)state;
    char *text = malloc(SECRET_MAX + 2);
    memset(text, 'a', SECRET_MAX + 1);
    text[SECRET_MAX + 1] = '\0';
    refused(text, true, "the value is longer than 65536 bytes");
    free(text);
}

static void
what_was_brought_in_never_reaches_a_log(void **state)
{
    (void)state;
    char line[] = "connect with hunter2hunter2 failed";
    expands_to("${env:PW}", "hunter2hunter2");
    log_redact(line, sizeof(line));
    assert_string_equal(line, "connect with *** failed");
}

static void
the_system_source_reads_environment_and_files(void **state)
{
    (void)state;
    struct buf out;
    struct err err = ERR_INIT;
    char *dir = tmpdir_new();
    char *path = tmpdir_path(dir, "pw");
    char text[512];
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "from-a-file\n", 12), 12);
    close(fd);
    setenv("TG_TEST_PW", "from-the-env", 1);
    snprintf(text, sizeof(text), "${env:TG_TEST_PW} ${file:%s}", path);
    buf_init(&out, 2 * SECRET_MAX);
    assert_true(secret_expand(text, true, &secret_system, &out, &err));
    assert_string_equal(buf_cstr(&out), "from-the-env from-a-file");
    secret_wipe(&out);
    free(path);
    tmpdir_remove(dir);
}

static void
a_directory_or_a_huge_file_is_an_error(void **state)
{
    (void)state;
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 2 * SECRET_MAX);
    assert_false(secret_expand("${file:/}", true, &secret_system, &out, &err));
    assert_string_equal(err.text, "${file:/}: cannot read '/': Is a directory");
    assert_false(secret_expand("${file:/dev/zero}", true, &secret_system, &out, &err));
    assert_string_equal(err.text, "${file:/dev/zero}: '/dev/zero' is larger than a secret may be");
    secret_wipe(&out);
}

static void
expands_by_system(const char *text, const char *result)
{
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 2 * SECRET_MAX);
    if (!secret_expand(text, true, &secret_system, &out, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(buf_cstr(&out), result);
    secret_wipe(&out);
}

static void
refused_by_system(const char *text, bool secret, const char *message)
{
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 2 * SECRET_MAX);
    assert_false(secret_expand(text, secret, &secret_system, &out, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    if (strstr(err.text, message) == NULL) {
        fail_msg("'%s' is not in '%s'", message, err.text);
    }
    assert_null(strstr(err.text, "swordfish"));
    secret_wipe(&out);
}

static void
a_command_gives_what_it_prints(void **state)
{
    (void)state;
    expands_by_system("${command:printf ' swordfish \\n\\n'}", "swordfish");
    expands_by_system("a ${command:echo one; echo two | cat} b", "a one\ntwo b");
    expands_by_system("${command:cat; echo nothing to read}", "nothing to read");
}

static void
a_command_that_fails_is_refused_without_its_output(void **state)
{
    (void)state;
    refused_by_system("${command:echo swordfish | tr a-z a-z; exit 3}", true, "status 3");
    refused_by_system("${command:true}", true, "prints nothing");
    refused_by_system("${command:kill -9 $$}", true, "signal 9");
    refused_by_system(
        "${command:head -c 100000 /dev/zero | tr '\\\\0' x}", true, "more than a secret");
    refused_by_system("${command:printf 'a\\000b'}", true, "NUL");
    refused_by_system("${command:echo x}", false, "stands only for secrets");
}

static void
a_command_that_does_not_end_is_ended(void **state)
{
    (void)state;
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, SECRET_MAX);
    assert_false(secret_command_within(50000, "sleep 1000 & sleep 1000", &out, &err));
    assert_string_equal(err.text, "the command does not end");
    assert_false(secret_command_within(50000, "exec >/dev/null; sleep 1000", &out, &err));
    assert_string_equal(err.text, "the command does not end");
    buf_done(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gives_what_it_prints),
        cmocka_unit_test(a_command_that_fails_is_refused_without_its_output),
        cmocka_unit_test(a_command_that_does_not_end_is_ended),
        cmocka_unit_test(a_reference_may_be_the_whole_value_or_a_part),
        cmocka_unit_test(a_file_loses_its_last_newline_only),
        cmocka_unit_test(an_escape_stands_for_itself),
        cmocka_unit_test(what_a_reference_brings_in_is_not_expanded_again),
        cmocka_unit_test(variables_that_are_missing_or_empty_are_errors),
        cmocka_unit_test(files_that_cannot_serve_are_errors),
        cmocka_unit_test(malformed_references_are_errors),
        cmocka_unit_test(a_piece_of_a_password_is_not_quoted),
        cmocka_unit_test(a_value_that_grows_too_long_is_refused),
        cmocka_unit_test(what_was_brought_in_never_reaches_a_log),
        cmocka_unit_test(the_system_source_reads_environment_and_files),
        cmocka_unit_test(a_directory_or_a_huge_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
