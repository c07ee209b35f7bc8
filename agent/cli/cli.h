/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's front door: finds the command that argv names and calls it.
 */
#ifndef TG_CLI_CLI_H
#define TG_CLI_CLI_H

#include <stddef.h>

struct cli_command {
    const char *name;
    const char *summary;               /* one line for --help */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};

/* The table in the order of the help; *n is set. */
const struct cli_command *cli_commands(size_t *n);

/* Returns the exit code of the process. */
int cli_main(int argc, char **argv);

#endif
