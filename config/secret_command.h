/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the command of a ${command:...} reference and takes what it prints.
 */
#ifndef TG_CONFIG_SECRET_COMMAND_H
#define TG_CONFIG_SECRET_COMMAND_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* By /bin/sh -c, with nothing on stdin; stderr is that of the process. ERR_CONFIG when it cannot be
 * started, ends with another status than 0, takes more than 30 seconds, or prints more than `out`
 * takes. What it printed is in no text. */
bool secret_command(void *arg, const char *command, struct buf *out, struct err *err) must_use;
/* The same with a limit of its own. */
bool secret_command_within(
    int64_t limit_us, const char *command, struct buf *out, struct err *err) must_use;

#endif
