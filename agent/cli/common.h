/* SPDX-License-Identifier: Apache-2.0
 *
 * What all commands have in common: the options that lead to a configuration, and the configuration
 * made from them.
 */
#ifndef TG_CLI_COMMON_H
#define TG_CLI_COMMON_H

#include <stdbool.h>
#include <stdio.h>

#include "agent/base/err.h"
#include "agent/cli/args.h"
#include "config/config.h"

struct common_args {
    const char *config, *dir, *name;
    char *source, *target; /* owned */
};

/* Rows for the option tables. LOCAL: for commands that never connect to a database. */
#define COMMON_OPTIONS_LOCAL(c)                                                                    \
    {.name = "config",                                                                             \
        .letter = 'c',                                                                             \
        .type = ARG_TEXT,                                                                          \
        .value = "FILE",                                                                           \
        .help = "configuration (default: ./tidegate.yaml, then\n/etc/tidegate/tidegate.yaml)",     \
        .out = &(c)->config},                                                                      \
        {.name = "dir",                                                                            \
            .type = ARG_TEXT,                                                                      \
            .value = "DIR",                                                                        \
            .help = "data directory (default: ./tidegate-data)",                                   \
            .out = &(c)->dir},                                                                     \
    {                                                                                              \
        .name = "name", .type = ARG_TEXT, .value = "NAME",                                         \
        .help = "name of the migration; names slot, publication\nand origin", .out = &(c)->name    \
    }

#define COMMON_OPTIONS(c)                                                                          \
    {.name = "source",                                                                             \
        .type = ARG_DSN,                                                                           \
        .value = "DSN",                                                                            \
        .help = "database that moves: a URI or keyword=value text",                                \
        .out = &(c)->source},                                                                      \
        {.name = "target",                                                                         \
            .type = ARG_DSN,                                                                       \
            .value = "DSN",                                                                        \
            .help = "database that receives it",                                                   \
            .out = &(c)->target},                                                                  \
        COMMON_OPTIONS_LOCAL(c)

#define ARGS_END                                                                                   \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* The options of the configuration file, one line each, for the end of a help. */
void common_help_file(FILE *to);
/* client_only: the command asks a running agent or reads local files; source and sinks may be
 * missing. */
bool common_load(
    const struct common_args *c, bool client_only, struct config **out, struct err *err) must_use;
/* As with client_only, but the keys of the spool must be there if they are configured. */
bool common_load_keys(const struct common_args *c, struct config **out, struct err *err) must_use;
/* Frees and wipes the connection strings. */
void common_done(struct common_args *c);

#endif
