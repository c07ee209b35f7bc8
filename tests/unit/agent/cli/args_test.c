/* SPDX-License-Identifier: Apache-2.0
 *
 * Words into options: forms, types, and what a mistake is answered with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/cli/args.h"

struct values {
    bool flag, given;
    const char *text;
    char *dsn;
    int64_t duration;
    uint64_t lsn;
    uint32_t number;
    struct arg_list list;
};

static struct values v;
static struct args a;
static struct err err;
static char *argv[16];
static int argc;

static const struct arg_command command = {
    .name = "demo",
    .summary = "Does something",
    .operands = "[WORD]",
    .operands_max = 1,
    .exits = "0  done",
    .example = "tidegate demo",
};

static enum args_outcome
parse_with(const struct arg_command *c, const char *const *words)
{
    static const struct arg_option options[] = {
        {.name = "flag", .letter = 'f', .type = ARG_FLAG, .help = "h", .out = &v.flag},
        {.name = "text",
            .letter = 't',
            .type = ARG_TEXT,
            .value = "T",
            .help = "h",
            .out = &v.text},
        {.name = "dsn", .type = ARG_DSN, .value = "DSN", .help = "h", .out = &v.dsn},
        {.name = "timeout", .type = ARG_DURATION, .value = "TIME", .help = "h", .out = &v.duration},
        {.name = "lsn",
            .type = ARG_LSN,
            .value = "X/Y",
            .help = "h",
            .out = &v.lsn,
            .given = &v.given},
        {.name = "jobs", .type = ARG_U32, .value = "N", .help = "h", .out = &v.number},
        {.name = "many", .type = ARG_LIST, .value = "W", .help = "h", .out = &v.list},
        {.name = NULL},
    };
    /* The values point into the words, which therefore live until the next call. */
    for (int i = 0; i < argc; i++) {
        x_free(argv[i]);
    }
    argv[0] = x_strdup("demo");
    for (argc = 1; words[argc - 1]; argc++) {
        argv[argc] = x_strdup(words[argc - 1]);
    }
    v = (struct values){0};
    err_clear(&err);
    a = (struct args){.command = c, .options = options};
    return args_parse(&a, argc, argv, &err);
}

#define PARSE(...) parse_with(&command, (const char *const[]){__VA_ARGS__, NULL})

static void
all_types_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        PARSE("--flag", "--text", "a b", "--timeout=90s", "--lsn", "16/B374D848", "--jobs", "7"),
        ARGS_RUN);
    assert_true(v.flag && v.given);
    assert_string_equal(v.text, "a b");
    assert_int_equal(v.duration, 90000000);
    assert_true(v.lsn == 0x16B374D848ULL);
    assert_int_equal(v.number, 7);
}

static void
short_options_and_operands_may_mix(void **state)
{
    (void)state;
    assert_int_equal(PARSE("word", "-f", "-t", "x"), ARGS_RUN);
    assert_true(v.flag);
    assert_string_equal(v.text, "x");
    assert_int_equal(a.operands_len, 1);
    assert_string_equal(a.operands[0], "word");
}

static void
two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--", "--flag"), ARGS_RUN);
    assert_false(v.flag);
    assert_string_equal(a.operands[0], "--flag");
}

static void
unknown_option_is_answered_with_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--timeuot", "3s"), ARGS_BAD);
    assert_non_null(strstr(err.text, "--timeuot"));
    assert_non_null(strstr(err.hint, "--timeout"));
    assert_int_equal(PARSE("--qqqqqqqqq"), ARGS_BAD);
    assert_non_null(strstr(err.hint, "--help"));
}

static void
values_of_the_wrong_form_are_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--timeout", "60"), ARGS_BAD);
    assert_non_null(strstr(err.text, "60s"));
    assert_int_equal(PARSE("--lsn", "12"), ARGS_BAD);
    assert_int_equal(PARSE("--jobs", "-1"), ARGS_BAD);
    assert_int_equal(PARSE("--text", ""), ARGS_BAD);
    assert_int_equal(PARSE("--flag=yes"), ARGS_BAD);
}

static void
missing_values_and_surplus_words_are_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--text"), ARGS_BAD);
    assert_non_null(strstr(err.text, "needs a value"));
    assert_int_equal(PARSE("one", "two"), ARGS_BAD);
    assert_non_null(strstr(err.text, "two"));
}

static void
needed_operands_are_asked_for(void **state)
{
    (void)state;
    struct arg_command needs = command;
    needs.operands_min = 1;
    assert_int_equal(parse_with(&needs, (const char *const[]){"--flag", NULL}), ARGS_BAD);
    assert_int_equal(parse_with(&needs, (const char *const[]){"--help", NULL}), ARGS_HELP);
}

static void
help_and_version_win_over_the_rest(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--flag", "--help"), ARGS_HELP);
    assert_int_equal(PARSE("-h"), ARGS_HELP);
    assert_int_equal(PARSE("--version"), ARGS_VERSION);
    assert_int_equal(PARSE("--help", "--nonsense"), ARGS_HELP);
}

static void
password_is_copied_and_then_hidden_in_argv(void **state)
{
    (void)state;
    char name[] = "demo", option[] = "--dsn=postgresql://u:geheim7@h/db";
    char *own_argv[] = {name, option, NULL};
    char *dsn = NULL;
    const struct arg_option options[] = {
        {.name = "dsn", .type = ARG_DSN, .value = "DSN", .help = "h", .out = &dsn},
        {.name = NULL},
    };
    struct args args = {.command = &command, .options = options};
    assert_int_equal(args_parse(&args, 2, own_argv, &err), ARGS_RUN);
    assert_string_equal(dsn, "postgresql://u:geheim7@h/db");
    assert_string_equal(option, "--dsn=postgresql://u:xxxxxxx@h/db");
    x_free(dsn);
}

static void
help_shows_every_option_and_section(void **state)
{
    (void)state;
    PARSE("--flag");
    char text[4096] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    args_help(&a, f);
    fclose(f);
    static const char *const parts[] = {"-f, --flag", "--timeout TIME",
        "Usage:", "Options:", "Exit codes:", "Example:", "[WORD]", "--help", "--version"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(text, parts[i]));
    }
}

static int
free_words(void **state)
{
    (void)state;
    for (int i = 0; i < argc; i++) {
        x_free(argv[i]);
    }
    x_free(v.dsn);
    return 0;
}

static void
a_list_takes_every_occurrence(void **state)
{
    (void)state;
    const char *const words[] = {"--many", "a", "--flag", "--many=b", NULL};
    assert_int_equal(parse_with(&command, words), ARGS_RUN);
    assert_int_equal(v.list.len, 2);
    assert_string_equal(v.list.items[0], "a");
    assert_string_equal(v.list.items[1], "b");
    const char *const empty[] = {"--many=", NULL};
    assert_int_equal(parse_with(&command, empty), ARGS_BAD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_are_read),
        cmocka_unit_test(a_list_takes_every_occurrence),
        cmocka_unit_test(short_options_and_operands_may_mix),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(unknown_option_is_answered_with_the_nearest),
        cmocka_unit_test(values_of_the_wrong_form_are_refused),
        cmocka_unit_test(missing_values_and_surplus_words_are_refused),
        cmocka_unit_test(needed_operands_are_asked_for),
        cmocka_unit_test(help_and_version_win_over_the_rest),
        cmocka_unit_test(password_is_copied_and_then_hidden_in_argv),
        cmocka_unit_test(help_shows_every_option_and_section),
    };
    return cmocka_run_group_tests(tests, NULL, free_words);
}
