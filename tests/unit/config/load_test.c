/* SPDX-License-Identifier: Apache-2.0
 *
 * Defaults, the command line, what is derived, and where the file comes from.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "config/load.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/config/support.h"

static struct config *
from_arguments(const char *source, const char *target)
{
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.source = source;
    in.target = target;
    if (!load_with(&in, NULL, &c, &err)) {
        fail_msg("refused: %s", err.text);
    }
    return c;
}

static void
two_connection_strings_are_a_configuration(void **state)
{
    (void)state;
    char cwd[512], expected[600];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    struct config *c = from_arguments("postgresql://old/Orders-2", "host=new dbname=x");
    assert_string_equal(c->name, "orders-2");
    assert_string_equal(c->source.type, "postgresql");
    assert_string_equal(c->source.slot, "tidegate_orders_2");
    assert_string_equal(c->source.publication, "tidegate_orders_2");
    assert_int_equal(c->sinks_len, 1);
    assert_string_equal(c->sinks[0].name, "target");
    assert_string_equal(c->sinks[0].type, "postgresql");
    assert_string_equal(c->sinks[0].dsn, "host=new dbname=x");
    snprintf(expected, sizeof(expected), "%s/tidegate-data/spool", cwd);
    assert_string_equal(c->spool.path, expected);
    snprintf(expected, sizeof(expected), "%s/tidegate-data/control.sock", cwd);
    assert_string_equal(c->control.socket, expected);
    config_free(c);
}

static void
everything_else_has_its_default(void **state)
{
    (void)state;
    struct config *c = load_good(SMALL);
    assert_int_equal(c->tables.include.len + c->tables.exclude.len + c->cutover.exempt.len, 0);
    assert_int_equal(c->tables.without_identity, IDENTITY_FULL);
    assert_true(c->schema.copy && c->schema.owner && c->schema.grants);
    assert_int_equal(c->copy.jobs, 4);
    assert_int_equal(c->copy.index_jobs, 2);
    assert_int_equal(c->copy.split_above, 1 << 30);
    assert_int_equal(c->spool.max_size, 0);
    assert_int_equal(c->spool.min_free, 1 << 30);
    assert_int_equal(c->spool.segment_size, 64 << 20);
    assert_int_equal(c->spool.sync_interval_us, 50000);
    assert_int_equal(c->sinks[0].group_transactions, 5000);
    assert_int_equal(c->sinks[0].group_bytes, 4 << 20);
    assert_int_equal(c->sinks[0].group_time_us, 1000000);
    assert_int_equal(c->sinks[0].inflight_bytes, 4 << 20);
    assert_null(c->control.listen);
    assert_int_equal(c->cutover.fence, FENCE_READ_ONLY);
    assert_true(c->cutover.verify);
    assert_int_equal(c->cutover.timeout_us, 60000000);
    assert_int_equal(c->network.timeout_us, 30000000);
    assert_int_equal(c->network.retry_max_us, 30000000);
    assert_int_equal(c->network.give_up_us, 0);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->log.format, LOG_TEXT);
    config_free(c);
}

static void
a_name_is_made_from_any_database(void **state)
{
    (void)state;
    struct config *c = from_arguments("postgresql://old/My%20Shop.eu", "host=new");
    assert_string_equal(c->name, "my_shop_eu");
    config_free(c);
    c = from_arguments("host=old", "host=new");
    assert_string_equal(c->name, "default");
    config_free(c);
    c = from_arguments("dbname=a123456789b123456789c123456789d123456789e123456789", "host=new");
    assert_string_equal(c->name, "a123456789b123456789c123456789d123456789");
    config_free(c);
}

static void
the_command_line_is_stronger_than_the_file(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.source = "postgresql://other/db";
    in.target = "host=other-target";
    in.dir = "/d/";
    in.name = "n";
    assert_true(load_with(&in, "name: x\ndir: /e\n" SMALL, &c, &err));
    assert_string_equal(c->source.dsn, "postgresql://other/db");
    assert_string_equal(c->sinks[0].dsn, "host=other-target");
    assert_string_equal(c->sinks[0].name, "t");
    assert_string_equal(c->spool.path, "/d/spool");
    assert_string_equal(c->source.slot, "tidegate_n");
    config_free(c);
}

static void
a_target_needs_to_know_which_sink_it_is(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.target = "host=x";
    assert_false(load_with(&in,
        "source: {dsn: ''}\nsinks: [{name: a, dsn: 'host=a'}, {name: b, dsn: 'host=b'}]\n", &c,
        &err));
    assert_string_equal(
        err.text, "--target does not say which of the 2 sinks in 't.yaml' it means");
}

static void
mistakes_on_the_command_line_name_no_file(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.name = "Big";
    assert_false(load_with(&in, "name: small\n" SMALL, &c, &err));
    assert_string_equal(
        err.text, "--name: 'name' is 'Big', expected 1 to 40 of the characters a-z 0-9 _ -");
    in.name = NULL;
    in.source = "postgresql://u:p@hunter@h/db";
    assert_false(load_with(&in, SMALL, &c, &err));
    assert_string_equal(
        err.text, "'source.dsn': malformed connection string: more than one @ before the host");
}

static void
references_work_on_the_command_line(void **state)
{
    (void)state;
    struct config *c = from_arguments("${env:SOURCE_DSN}", "${file:/run/secrets/dsn}");
    assert_string_equal(c->source.dsn, "postgresql://mover:s0urce-pw@old/orders");
    assert_string_equal(c->name, "orders");
    config_free(c);
}

static void
without_anything_the_error_says_what_to_give(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    assert_false(load_with(&in, NULL, &c, &err));
    assert_string_equal(err.text, "'source.dsn' is missing");
    assert_string_equal(err.hint, "give --source and --target, or a configuration file with -c");
}

static void
relative_paths_become_absolute(void **state)
{
    (void)state;
    char cwd[512], expected[600];
    struct config *c =
        load_good("dir: ././/x/\n" SMALL "spool: {path: y}\ncontrol: {socket: ./z.sock}\n");
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(expected, sizeof(expected), "%s/x", cwd);
    assert_string_equal(c->dir, expected);
    snprintf(expected, sizeof(expected), "%s/y", cwd);
    assert_string_equal(c->spool.path, expected);
    snprintf(expected, sizeof(expected), "%s/z.sock", cwd);
    assert_string_equal(c->control.socket, expected);
    config_free(c);
    c = load_good("dir: .\n" SMALL);
    assert_string_equal(c->dir, cwd);
    config_free(c);
}

static void
a_socket_path_that_is_too_long_says_what_to_set(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    char dir[200] = "/";
    memset(dir + 1, 'd', 99);
    in.dir = dir;
    assert_false(load_with(&in, "name: n\n" SMALL, &c, &err));
    assert_memory_equal(err.text, "'control.socket' would be '/ddd", 31);
    assert_string_equal(
        err.hint, "set control.socket to a short path, such as /run/tidegate/n.sock");
}

static void
a_client_needs_no_source_and_no_secret(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.client_only = true;
    assert_true(load_with(&in, NULL, &c, &err));
    assert_null(c->source.dsn);
    config_free(c);
    assert_true(load_with(&in,
        "source: {dsn: '${env:NOPE}'}\n"
        "sinks: [{name: t, dsn: '${file:/nope}'}]\n"
        "control: {socket: '/run/${env:JOBS}.sock'}\n",
        &c, &err));
    assert_null(c->source.dsn);
    assert_null(c->sinks[0].dsn);
    assert_string_equal(c->control.socket, "/run/7.sock");
    config_free(c);
}

static void
a_client_still_refuses_unknown_keys(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.client_only = true;
    assert_false(load_with(&in, "contrl: {}\n", &c, &err));
    assert_string_equal(err.text, "t.yaml:1:1: unknown key 'contrl', did you mean 'control'?");
}

static void
types_are_not_checked_when_none_are_handed_in(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.sink_types = NULL;
    in.source_types = NULL;
    assert_true(load_with(
        &in, "source: {type: mystery, dsn: x}\nsinks: [{name: t, type: other}]\n", &c, &err));
    assert_string_equal(c->source.type, "mystery");
    config_free(c);
}

static void
literal_passwords_are_known_to_the_log(void **state)
{
    (void)state;
    char line[] = "password literal-pw-1 and literal-pw-2";
    struct config *c = load_good("source: {dsn: 'postgresql://u:literal-pw-1@old/db'}\n"
                                 "sinks: [{name: t, dsn: 'host=new password=literal-pw-2'}]\n");
    log_redact(line, sizeof(line));
    assert_string_equal(line, "password *** and ***");
    config_free(c);
}

static void
write_file(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void
the_file_is_found_in_the_working_directory(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    struct config_input in = input();
    char *dir = tmpdir_new(), *path = tmpdir_path(dir, "tidegate.yaml");
    char *cwd = getcwd(NULL, 0);
    write_file(path, "name: here\n" SMALL);
    in.file = NULL;
    assert_int_equal(chdir(dir), 0);
    assert_true(config_load(&in, &c, &err));
    assert_string_equal(c->name, "here");
    config_free(c);

    in.source = "postgresql://old/given";
    assert_true(config_load(&in, &c, &err)); /* half of it on the command line: still read */
    assert_string_equal(c->name, "here");
    config_free(c);

    in.target = "host=new";
    assert_true(config_load(&in, &c, &err)); /* all of it: not read */
    assert_string_equal(c->name, "given");
    config_free(c);
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
    free(path);
    tmpdir_remove(dir);
}

static void
the_error_names_the_file_as_it_was_given(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    struct config_input in = input();
    char expected[600];
    char *dir = tmpdir_new(), *path = tmpdir_path(dir, "x.yaml");
    write_file(path, "copy:\n  jbos: 4\n");
    in.file = path;
    assert_false(config_load(&in, &c, &err));
    snprintf(expected, sizeof(expected),
        "%s:2:3: unknown key 'jbos' in 'copy', did you mean 'jobs'?", path);
    assert_string_equal(err.text, expected);
    free(path);
    tmpdir_remove(dir);
}

static void
a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    struct config_input in = input();
    in.file = "/nope/t.yaml";
    assert_false(config_load(&in, &c, &err));
    assert_string_equal(err.text, "cannot open '/nope/t.yaml': No such file or directory");
    assert_int_equal(err.class, ERR_CONFIG);
    in.file = "/";
    assert_false(config_load(&in, &c, &err));
    assert_string_equal(err.text, "cannot read '/': Is a directory");
    in.file = "/dev/zero";
    assert_false(config_load(&in, &c, &err));
    assert_string_equal(err.text, "'/dev/zero' is larger than a configuration may be (1 MiB)");
}

static void
an_empty_file_is_no_configuration_but_no_crash(void **state)
{
    (void)state;
    expect_error("", "t.yaml: 'source.dsn' is missing");
    expect_error("~\n", "t.yaml: 'source.dsn' is missing");
    expect_error("# nothing\n", "t.yaml: 'source.dsn' is missing");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_connection_strings_are_a_configuration),
        cmocka_unit_test(everything_else_has_its_default),
        cmocka_unit_test(a_name_is_made_from_any_database),
        cmocka_unit_test(the_command_line_is_stronger_than_the_file),
        cmocka_unit_test(a_target_needs_to_know_which_sink_it_is),
        cmocka_unit_test(mistakes_on_the_command_line_name_no_file),
        cmocka_unit_test(references_work_on_the_command_line),
        cmocka_unit_test(without_anything_the_error_says_what_to_give),
        cmocka_unit_test(relative_paths_become_absolute),
        cmocka_unit_test(a_socket_path_that_is_too_long_says_what_to_set),
        cmocka_unit_test(a_client_needs_no_source_and_no_secret),
        cmocka_unit_test(a_client_still_refuses_unknown_keys),
        cmocka_unit_test(types_are_not_checked_when_none_are_handed_in),
        cmocka_unit_test(literal_passwords_are_known_to_the_log),
        cmocka_unit_test(the_file_is_found_in_the_working_directory),
        cmocka_unit_test(the_error_names_the_file_as_it_was_given),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(an_empty_file_is_no_configuration_but_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
