/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the sinks have come and what is known to be durable: from the agent when it runs, else
 * from what it has stored.
 */
#ifndef TG_CLI_SPOOL_CURSORS_H
#define TG_CLI_SPOOL_CURSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "config/config.h"

struct spool_options;

enum cursors_from { CURSORS_UNKNOWN, CURSORS_AGENT, CURSORS_STORE };

struct spool_cursor {
    char name[64];
    uint64_t position; /* durable at the sink; 0: nothing yet */
    bool has_behind;   /* else the spool does not reach back that far, or is empty */
    uint64_t behind;   /* bytes of the log that it has not read */
};

struct spool_cursors {
    enum cursors_from from;
    struct spool_cursor sinks[CONFIG_SINKS_MAX];
    size_t sinks_len;
    uint64_t durable;   /* position that the spool was known to hold; 0: not known */
    struct err problem; /* why from is UNKNOWN; class ERR_NONE: there is simply nothing */
};

void spool_cursors_read(const struct config *config, struct spool_cursors *out);
/* Fills in `behind` from the spool that `o` opens. */
bool spool_cursors_measure(
    struct spool_cursors *c, const struct spool_options *o, struct err *err) must_use;

#endif
