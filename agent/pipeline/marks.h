/* SPDX-License-Identifier: Apache-2.0
 *
 * The marks of a cutover: a message that is committed to the source behind everything that was
 * written there, for the sinks to reach, and one to each target, which makes durable what was
 * committed there before it. Each costs one trip when its session was opened ahead.
 */
#ifndef TG_PIPELINE_MARKS_H
#define TG_PIPELINE_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/pg/spares.h"
#include "config/config.h"

struct marks {
    const struct config *config;
    struct pg_spares *spares;
};

/* *lsn: where it stands in the source's log. */
bool mark_source(const struct marks *m, uint64_t *lsn, struct err *err) must_use;
/* A PostgreSQL sink's. */
bool mark_target(const struct marks *m, const struct sink_config *sink, struct err *err) must_use;
/* The sessions for all of them, while there is time. */
bool marks_open_ahead(const struct marks *m, struct err *err) must_use;

#endif
