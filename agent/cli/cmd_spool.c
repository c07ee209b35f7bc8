/* SPDX-License-Identifier: Apache-2.0
 *
 * Three commands over the files of a spool. None of them writes, all of them may run beside an
 * agent.
 */
#include "agent/cli/cmd_spool.h"

#include <stdio.h>
#include <string.h>

#include "agent/cli/args.h"
#include "agent/cli/cmd_spool_cat.h"
#include "agent/cli/cmd_spool_ls.h"
#include "agent/cli/cmd_spool_verify.h"
#include "agent/cli/exits.h"
#include "config/nearest.h"

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} table[] = {
    {"ls", "lists segments, side files and the sinks' cursors", cmd_spool_ls},
    {"cat", "writes the changes as lines of JSON", cmd_spool_cat},
    {"verify", "checks every checksum and every rule of the format", cmd_spool_verify},
};

enum { TABLE_LEN = sizeof table / sizeof *table };

static void
print_help(FILE *to)
{
    fputs("Reads a spool from its files alone; it may run beside an agent.\n\n"
          "Usage:\n"
          "  tidegate spool ls|cat|verify [options] [PATH]\n\n"
          "Commands:\n",
        to);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        fprintf(to, "  %-8s%s\n", table[i].name, table[i].summary);
    }
    fputs("\nExit codes:\n"
          "  0  done\n"
          "  1  failed\n"
          "  2  command line or configuration is wrong\n"
          "  6  the spool is damaged\n"
          "\nExample:\n"
          "  tidegate spool ls --dir ./tidegate-data\n",
        to);
}

int
cmd_spool(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    struct nearest near;
    nearest_init(&near, argv[1]);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strcmp(table[i].name, argv[1]) == 0) {
            return table[i].run(argc - 1, argv + 1);
        }
        nearest_offer(&near, table[i].name);
    }
    return args_unknown_command("spool", &near);
}
