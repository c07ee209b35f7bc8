/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of what tidegate makes on other people's servers, beyond those the configuration has fields
 * for.
 */
#ifndef TG_CONFIG_NAMES_H
#define TG_CONFIG_NAMES_H

#include <stddef.h>

#include "config/config.h"

/* Replication origin of a sink: that of the first one is the slot's name, the others' have the
 * sink's name behind it. `out` always gets a string. */
void origin_name(const struct config *config, size_t sink, char *out, size_t cap);
/* That of a sink which joins a migration later, whatever its place in the configuration. */
void origin_name_later(const struct config *config, size_t sink, char *out, size_t cap);
#define ORIGIN_NAME_SIZE     160
/* Behind the sink's origin: the position of a table that is on its way back into the stream. No
 * migration or sink can have it in its name. */
#define ORIGIN_RESYNC_SUFFIX "/resync"
/* Behind it the number of one of a sink's connections but the first: 2, 3, ... */
#define ORIGIN_JOB_SUFFIX    "/job"

/* As the server and the decoders call it: "pgoutput". */
const char *plugin_name(enum plugin p);

#endif
