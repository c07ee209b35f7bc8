/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands on a spool share: from options and operand to a directory and, when there is
 * one, the configuration that it belongs to.
 */
#ifndef TG_CLI_SPOOL_ARGS_H
#define TG_CLI_SPOOL_ARGS_H

#include <stdbool.h>

#include "agent/cli/common.h"
#include "config/config.h"

#define SPOOL_EXITS                                                                                \
    "0  done\n"                                                                                    \
    "1  failed\n"                                                                                  \
    "2  command line or configuration is wrong\n"                                                  \
    "6  the spool is damaged"

struct key_ring;

struct spool_args {
    struct common_args common;
    const char *path;      /* of the spool; borrowed */
    struct config *config; /* NULL: a path was given, and no configuration */
    bool keys_optional;    /* set by the caller: it does without keys that cannot be found */
    struct key_ring *keys; /* of the configuration; NULL: none */
    bool own_path; /* the path is the configuration's own: its agent and state belong to it */
};

/* Parses, loads, and says whether the command shall run; else *status is the exit code. The caller
 * calls spool_args_done in either case. */
bool spool_args_take(struct spool_args *s, const struct arg_command *command,
    const struct arg_option *options, int argc, char **argv, int *status) must_use;
void spool_args_done(struct spool_args *s);

/* Prints err and returns the exit code. */
int spool_args_fail(const struct err *err);

#endif
