/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands that talk to a running agent share: from options to an open client, and from a
 * failure to an exit code.
 */
#ifndef TG_CLI_CLIENT_ARGS_H
#define TG_CLI_CLIENT_ARGS_H

#include <stdbool.h>

#include "agent/cli/common.h"
#include "agent/control/client.h"
#include "config/config.h"

/* Configuration and client for the agent that the options select. False: *status is the exit code
 * and the reason has been printed. On true the caller frees both. */
bool client_args_open(const struct common_args *c, struct config **config, struct client **client,
    int *status) must_use;

/* Prints err and returns the exit code: EXIT_NO_AGENT when nobody is there, else `otherwise`. */
int client_args_fail(bool no_agent, int otherwise, const struct err *err);

#endif
