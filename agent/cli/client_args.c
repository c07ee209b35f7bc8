/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration is read for the control socket alone: a client needs no source and no sinks.
 */
#include "agent/cli/client_args.h"

#include <stddef.h>

#include "agent/cli/exits.h"

bool
client_args_open(
    const struct common_args *c, struct config **config, struct client **client, int *status)
{
    struct err err = ERR_INIT;
    if (!common_load(c, true, config, &err)) {
        args_print_error(&err);
        *status = EXIT_USAGE;
        return false;
    }
    if (!client_open((*config)->control.socket, client, &err)) {
        args_print_error(&err);
        config_free(*config);
        *config = NULL;
        *status = EXIT_FAILED;
        return false;
    }
    return true;
}

int
client_args_fail(bool no_agent, int otherwise, const struct err *err)
{
    args_print_error(err);
    return no_agent ? EXIT_NO_AGENT : otherwise;
}
