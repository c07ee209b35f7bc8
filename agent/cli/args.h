/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of one command as a table: it drives parsing, `--help` and the "did you mean" of a
 * mistyped option. Long options as "--name VALUE" or "--name=VALUE", short ones as "-n VALUE"; "--"
 * ends them; operands may stand anywhere. --help and --version work in every command.
 *
 * Ownership: texts point into argv, except those of ARG_DSN, which are new strings (x_free) because
 * argv is overwritten where it shows a password.
 */
#ifndef TG_CLI_ARGS_H
#define TG_CLI_ARGS_H

#include <stdbool.h>
#include <stdio.h>

#include "agent/base/err.h"

enum arg_type {
    ARG_FLAG,     /* bool *: true when given */
    ARG_TEXT,     /* const char ** */
    ARG_DSN,      /* char ** */
    ARG_DURATION, /* int64_t *, microseconds */
    ARG_LSN,      /* uint64_t * */
    ARG_U32,      /* uint32_t * */
    ARG_LIST,     /* struct arg_list *: may be given several times */
};

#define ARG_LIST_MAX 64
struct arg_list {
    const char *items[ARG_LIST_MAX];
    size_t len;
};

struct arg_option {
    const char *name; /* without dashes; NULL ends the table */
    char letter;      /* 0: none */
    enum arg_type type;
    const char *value; /* placeholder for the help, NULL for a flag */
    const char *help;  /* a line break begins a new line of the help */
    void *out;
    bool *given; /* may be NULL; set to true when the option occurs */
};

#define ARGS_OPERANDS_MAX 4

/* Everything that does not change from call to call. */
struct arg_command {
    const char *name;     /* "wait", "spool ls" */
    const char *summary;  /* one sentence, no full stop */
    const char *operands; /* "[SINK|copy]"; NULL: none allowed */
    int operands_min, operands_max;
    const char *exits;   /* lines for the help */
    const char *example; /* lines for the help */
    /* Prints what follows at the end of the help; NULL: nothing. */
    void (*appendix)(FILE *to);
};

struct args {
    const struct arg_command *command;
    const struct arg_option *options;
    const char *operands[ARGS_OPERANDS_MAX];
    int operands_len;
};

enum args_outcome { ARGS_RUN, ARGS_HELP, ARGS_VERSION, ARGS_BAD };

/* argv[0] is the command's own name and not looked at. Pure but for `out` pointers and for ARG_DSN.
 */
enum args_outcome args_parse(struct args *a, int argc, char **argv, struct err *err);
void args_help(const struct args *a, FILE *to);

/* args_parse and what follows from its outcome: true when the command shall run; else *status is
 * the exit code, and help, version or the error have been printed. */
bool args_take(struct args *a, int argc, char **argv, int *status) must_use;

/* Prints "tidegate: text" and the hint as a second line on stderr, redacted. */
void args_print_error(const struct err *err);

struct nearest;
/* Says that near->word is no command of `group` (NULL: of the program), and what may be meant.
 * Returns EXIT_USAGE. */
int args_unknown_command(const char *group, const struct nearest *near);

#endif
