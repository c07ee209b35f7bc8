/* SPDX-License-Identifier: Apache-2.0
 *
 * One table; --help, `help` and the "did you mean" of an unknown command are made from it.
 */
#include "agent/cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "agent/cli/args.h"
#include "agent/cli/cmd_check.h"
#include "agent/cli/cmd_cleanup.h"
#include "agent/cli/cmd_config.h"
#include "agent/cli/cmd_cutover.h"
#include "agent/cli/cmd_ddl.h"
#include "agent/cli/cmd_dead_letters.h"
#include "agent/cli/cmd_pause.h"
#include "agent/cli/cmd_resync.h"
#include "agent/cli/cmd_run.h"
#include "agent/cli/cmd_spool.h"
#include "agent/cli/cmd_status.h"
#include "agent/cli/cmd_verify.h"
#include "agent/cli/cmd_wait.h"
#include "agent/cli/exits.h"
#include "config/nearest.h"

static const struct cli_command commands[] = {
    {"check", "looks at source, target and this machine before anything is changed", cmd_check},
    {"run", "the agent: copies, streams, resumes by itself from what is stored", cmd_run},
    {"status", "what the running agent is doing", cmd_status},
    {"wait", "waits for a phase, a position, or for everything to be caught up", cmd_wait},
    {"cutover", "fences the source, drains, compares and opens the target", cmd_cutover},
    {"verify", "compares source and target", cmd_verify},
    {"pause", "holds a sink or the copy", cmd_pause},
    {"resume", "lets a paused sink or the copy go on", cmd_resume},
    {"resync", "copies one table anew while everything else goes on", cmd_resync},
    {"spool", "reads a spool: ls, cat, verify", cmd_spool},
    {"dead-letters", "changes that a sink was refused: list, show, replay, drop", cmd_dead_letters},
    {"ddl", "statements at which a sink waits: list, apply, skip", cmd_ddl},
    {"cleanup", "removes everything that tidegate made on both servers and here", cmd_cleanup},
    {"config", "checks, shows and explains the configuration", cmd_config},
};

enum { COMMANDS_LEN = sizeof commands / sizeof *commands };

const struct cli_command *
cli_commands(size_t *n)
{
    *n = COMMANDS_LEN;
    return commands;
}

static const struct cli_command *
find(const char *name)
{
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void
print_help(FILE *to)
{
    fputs("tidegate moves a live database to another server and keeps it there up to date until\n"
          "you cut over.\n\n"
          "Usage:\n"
          "  tidegate COMMAND [options]\n\n"
          "Commands:\n",
        to);
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        fprintf(to, "  %-14s%s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n"
          "tidegate help COMMAND shows options, exit codes and an example of a command.\n\n"
          "Example:\n"
          "  tidegate run --source postgresql://old/shop --target postgresql://new/shop\n"
          "  tidegate cutover\n",
        to);
}

static int
unknown_command(const char *word)
{
    struct nearest near;
    nearest_init(&near, word);
    nearest_offer(&near, "help");
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        nearest_offer(&near, commands[i].name);
    }
    return args_unknown_command(NULL, &near);
}

static int
help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        print_help(stdout);
        return EXIT_OK;
    }
    const struct cli_command *c = find(argv[1]);
    if (!c) {
        return unknown_command(argv[1]);
    }
    /* "help spool ls" asks "spool ls --help". */
    char option[] = "--help";
    char *words[4] = {argv[1], argc > 2 ? argv[2] : option, option, NULL};
    return c->run(argc > 2 ? 3 : 2, words);
}

int
cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("tidegate " TIDEGATE_VERSION);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "help") == 0) {
        return help(argc - 1, argv + 1);
    }
    const struct cli_command *c = find(argv[1]);
    return c ? c->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}
